#include "cli/setup_text.h"

#include "lib/base/printable.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* The mark stands on a line of its own in front of what its checksum is of. */
#define MARK     "# Made by microtrace setup, which leaves the file alone where it was changed ("
#define MARK_END ")\n"

enum { HEX = 16, CHECKSUM_DIGITS = 8 };

static const char shell_line[] = "#!/bin/sh\n";

struct writer {
    char *at;
    size_t left; /* with the NUL */
};

bool setup_text_path_fits(const char *path)
{
    char shown[SETUP_TEXT_PATH_MAX];
    const size_t length = strlen(path);

    return length < sizeof(shown) && strchr(path, '\\') == NULL &&
           printable_copy(shown, sizeof(shown), path, length) == length &&
           memcmp(shown, path, length) == 0;
}

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(w->at, w->left, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= w->left)
        length = (int)w->left - 1;
    w->at += length;
    w->left -= (size_t)length;
}

/* In single quotes, as a shell takes them; without a backslash, which cron might take for its own.
 */
static void put_word(struct writer *w, const char *text)
{
    put(w, "'");
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            put(w, "'\"'\"'");
        else
            put(w, "%c", *text);
    }
    put(w, "'");
}

/* As lib/base/config_lines.h reads it. */
static void put_value(struct writer *w, const char *text)
{
    put(w, "\"");
    for (; *text != '\0'; text++)
        put(w, "%s%c", strchr("\"`$", *text) != NULL ? "\\" : "", *text);
    put(w, "\"");
}

static uint32_t checksum(const char *text)
{
    return (uint32_t)crc32(0, (const unsigned char *)text, (uInt)strlen(text));
}

/* Puts the mark with the checksum of `body` between `first` and `body`. */
static void put_marked(char *out, size_t size, const char *first, const char *body)
{
    struct writer w = {out, size};

    put(&w, "%s" MARK "%08x" MARK_END "%s", first, (unsigned)checksum(body), body);
}

bool setup_text_is_unchanged(const char *text)
{
    const char *const mark = strstr(text, MARK);
    const char *digits;
    char *end;
    unsigned long expected;

    /* What stands before it is not in the checksum. */
    if (mark == NULL || (mark != text && (mark != text + sizeof(shell_line) - 1 ||
                                          strncmp(text, shell_line, sizeof(shell_line) - 1) != 0)))
        return false;
    digits = mark + sizeof(MARK) - 1;
    expected = strtoul(digits, &end, HEX);
    return end == digits + CHECKSUM_DIGITS && strncmp(end, MARK_END, sizeof(MARK_END) - 1) == 0 &&
           expected == checksum(end + sizeof(MARK_END) - 1);
}

void setup_text_settings(char *out, size_t size, const char *dir)
{
    char body[SETUP_TEXT_MAX], path[SETUP_TEXT_PATH_MAX + sizeof("/spool")];
    struct writer w = {body, sizeof(body)};

    put(&w, "# Settings of this instance: NAME=VALUE, one a line. microtrace(1), analyze(8) and "
            "metrics-agent(8)\n"
            "# list them. What the environment says goes before.\n"
            "\n");
    (void)snprintf(path, sizeof(path), "%s/run", dir);
    put(&w, "MICROTRACE_RUN_DIR=");
    put_value(&w, path);
    (void)snprintf(path, sizeof(path), "%s/spool", dir);
    put(&w, "\nMICROTRACE_SPOOL_DIR=");
    put_value(&w, path);
    put(&w, "\n"
            "# Bytes on the disk at most: of what waits to be sent, and of what was sent and is "
            "kept to look at.\n"
            "MICROTRACE_SPOOL_MAX_BYTES=64M\n"
            "MICROTRACE_SPOOL_KEEP_BYTES=8M\n"
            "\n"
            "# Where to send spans and log records (OTLP/HTTP); nowhere without one.\n"
            "#OTEL_EXPORTER_OTLP_ENDPOINT=https://collector.example:4318\n"
            "#OTEL_EXPORTER_OTLP_HEADERS=api-key=...\n"
            "#OTEL_SERVICE_NAME=my-site\n");
    put_marked(out, size, "", body);
}

static void put_environment(struct writer *w, const char *settings)
{
    put(w, "MICROTRACE_CONFIG_FILE=");
    put_word(w, settings);
    put(w, "\nexport MICROTRACE_CONFIG_FILE\n");
}

void setup_text_analyze(char *out, size_t size, const char *settings, const char *program)
{
    char body[SETUP_TEXT_MAX];
    struct writer w = {body, sizeof(body)};

    put_environment(&w, settings);
    put(&w, "exec ");
    put_word(&w, program);
    put(&w, "\n");
    put_marked(out, size, shell_line, body);
}

void setup_text_script(char *out, size_t size, const char *settings, const char *program,
                       const char *script)
{
    char body[SETUP_TEXT_MAX];
    struct writer w = {body, sizeof(body)};

    put_environment(&w, settings);
    put(&w, "SCRIPT_FILENAME=");
    put_word(&w, script);
    put(&w, "\nexport SCRIPT_FILENAME\nexec ");
    put_word(&w, program);
    put(&w, "\n");
    put_marked(out, size, shell_line, body);
}

void setup_text_crontab(char *out, size_t size, const char *settings, const char *program)
{
    char line[SETUP_TEXT_MAX];
    struct writer w = {line, sizeof(line)}, escaped = {out, size};

    put(&w, "* * * * * MICROTRACE_CONFIG_FILE=");
    put_word(&w, settings);
    put(&w, " ");
    put_word(&w, program);
    put(&w, " cron");
    /* To cron a % is the end of the line, in quotes too. */
    for (const char *at = line; *at != '\0'; at++)
        put(&escaped, "%s%c", *at == '%' ? "\\" : "", *at);
}
