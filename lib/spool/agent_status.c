#include "lib/spool/agent_status.h"

#include "lib/base/instance_file.h"
#include "lib/base/json_walk.h"
#include "lib/base/json_writer.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0640 };

/* One member of an object and the member of the struct that holds it. */
struct field {
    const char *name;
    enum { NUMBER, FLAG, TEXT } kind;
    size_t offset, size;
};

#define FIELD(struct_name, kind, member)                                                           \
    {                                                                                              \
#        member, kind, offsetof(struct struct_name, member),                                       \
            sizeof(((struct struct_name *)NULL)->member)                                           \
    }

static const struct field status_fields[] = {
    FIELD(agent_status, NUMBER, pid),
    FIELD(agent_status, NUMBER, started_ms),
    FIELD(agent_status, NUMBER, ended_ms),
    FIELD(agent_status, FLAG, drain),
    FIELD(agent_status, NUMBER, spool_device),
    FIELD(agent_status, NUMBER, spool_inode),
    FIELD(agent_status, TEXT, listen),
    FIELD(agent_status, TEXT, version),
    {.name = NULL},
};

static const struct field signal_fields[] = {
    FIELD(agent_status_signal, TEXT, endpoint),
    FIELD(agent_status_signal, TEXT, nowhere),
    FIELD(agent_status_signal, FLAG, mistaken),
    FIELD(agent_status_signal, NUMBER, result_ms),
    FIELD(agent_status_signal, TEXT, code),
    FIELD(agent_status_signal, TEXT, reason),
    FIELD(agent_status_signal, NUMBER, rejected),
    FIELD(agent_status_signal, NUMBER, failing_ms),
    FIELD(agent_status_signal, NUMBER, next_ms),
    FIELD(agent_status_signal, NUMBER, unanswered_ms),
    {.name = NULL},
};

static const struct field loss_fields[] = {
    FIELD(agent_status_loss, NUMBER, records),
    FIELD(agent_status_loss, NUMBER, grown_ms),
    FIELD(agent_status_loss, NUMBER, since_ms),
    {.name = NULL},
};

/* The label of the loss number `i`: "no_space", ... */
static const char *loss_name(int i)
{
    return spool_reason((enum spool_result)(i + 1));
}

static void write_fields(struct json_writer *w, const struct field *field, const void *from)
{
    for (; field->name != NULL; field++) {
        const void *const at = (const char *)from + field->offset;

        json_writer_key(w, field->name);
        switch (field->kind) {
        case NUMBER:
            json_writer_uint(w, *(const uint64_t *)at);
            break;
        case FLAG:
            json_writer_bool(w, *(const bool *)at);
            break;
        case TEXT:
            json_writer_string(w, at);
            break;
        }
    }
}

static void write_signal(struct json_writer *w, const struct agent_status_signal *signal)
{
    json_writer_begin_object(w);
    write_fields(w, signal_fields, signal);
    json_writer_key(w, "lost");
    json_writer_begin_object(w);
    for (int i = 0; i < AGENT_STATUS_LOSSES; i++) {
        json_writer_key(w, loss_name(i));
        json_writer_begin_object(w);
        write_fields(w, loss_fields, &signal->lost[i]);
        json_writer_end_object(w);
    }
    json_writer_end_object(w);
    json_writer_end_object(w);
}

static void write_status(struct json_writer *w, const struct agent_status *status)
{
    json_writer_begin_object(w);
    write_fields(w, status_fields, status);
    json_writer_key(w, "warnings");
    json_writer_begin_array(w);
    for (size_t i = 0; i < status->warning_count; i++)
        json_writer_string(w, status->warnings[i]);
    json_writer_end_array(w);
    json_writer_key(w, "signals");
    json_writer_begin_object(w);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        json_writer_key(w, spool_signal_names[i]);
        write_signal(w, &status->signals[i]);
    }
    json_writer_end_object(w);
    json_writer_end_object(w);
    json_writer_bytes(w, "\n", 1);
}

size_t agent_status_format(char text[AGENT_STATUS_FILE_MAX], const struct agent_status *status)
{
    struct json_writer w;

    json_writer_init(&w, text, AGENT_STATUS_FILE_MAX);
    write_status(&w, status);
    return w.overflow ? 0 : w.len;
}

int agent_status_write(const char *run_dir, const char *text, size_t len)
{
    const int dir = instance_dir_open(AT_FDCWD, run_dir);
    int result, error;

    if (dir < 0)
        return -1;
    result = instance_file_replace(dir, AGENT_STATUS_FILE, FILE_MODE, text, len);
    error = errno;
    (void)close(dir);
    errno = error;
    return result;
}

/*
 * The string's characters as they may be printed, up to the last one that fits; "" for what is no
 * string. The file's directory has other users.
 */
static void read_text(struct text value, char *out, size_t size)
{
    const struct text string = json_walk_string(value);
    const char *at = string.at;
    size_t len = 0;

    while (string.at != NULL && at < string.at + string.len) {
        const char *const end = string.at + string.len;
        char one[UTF8_MAX] = {*at}, printable[UTF8_MAX + PRINTABLE_ESCAPE];
        size_t n = 1;

        if (*at == '\\') {
            at++;
            n = json_walk_unescape(&at, end, one);
        } else {
            n = utf8_sequence(at, end);
            memcpy(one, at, n);
            at += n;
        }
        n = printable_copy(printable, sizeof(printable), one, n);
        if (n == 0 || len + n >= size)
            break;
        memcpy(out + len, printable, n);
        len += n;
    }
    out[len] = '\0';
}

static void read_fields(struct text object, const struct field *field, void *into)
{
    for (; field->name != NULL; field++) {
        const struct text value = json_walk_get(object, field->name);
        void *const at = (char *)into + field->offset;

        switch (field->kind) {
        case NUMBER:
            if (value.at == NULL || text_parse_uint(value, at) != 0)
                *(uint64_t *)at = 0;
            break;
        case FLAG:
            *(bool *)at = text_is(value, "true");
            break;
        case TEXT:
            read_text(value, at, field->size);
            break;
        }
    }
}

static void read_status(struct text all, struct agent_status *status)
{
    const struct text warnings = json_walk_get(all, "warnings");
    const struct text signals = json_walk_get(all, "signals");
    const char *at = NULL;
    struct text warning;

    read_fields(all, status_fields, status);
    while (warnings.at != NULL && status->warning_count < AGENT_STATUS_WARNINGS_MAX &&
           json_walk_next(warnings, &at, NULL, &warning))
        read_text(warning, status->warnings[status->warning_count++], AGENT_STATUS_TEXT_MAX);
    for (int i = 0; i < SPOOL_SIGNALS && signals.at != NULL; i++) {
        const struct text signal = json_walk_get(signals, spool_signal_names[i]);
        const struct text lost =
            signal.at != NULL ? json_walk_get(signal, "lost") : (struct text){NULL, 0};

        if (signal.at != NULL)
            read_fields(signal, signal_fields, &status->signals[i]);
        for (int k = 0; k < AGENT_STATUS_LOSSES && lost.at != NULL; k++) {
            const struct text loss = json_walk_get(lost, loss_name(k));

            if (loss.at != NULL)
                read_fields(loss, loss_fields, &status->signals[i].lost[k]);
        }
    }
}

int agent_status_read(const char *run_dir, struct agent_status *status)
{
    static char text[AGENT_STATUS_FILE_MAX];
    char path[SPOOL_PATH_MAX];
    struct json_fault fault;
    ssize_t got;
    int fd, error;

    memset(status, 0, sizeof(*status));
    if (snprintf(path, sizeof(path), "%s/" AGENT_STATUS_FILE, run_dir) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = instance_file_open(AT_FDCWD, path, O_RDONLY, NULL);
    if (fd < 0)
        return -1;
    got = read(fd, text, sizeof(text));
    error = errno;
    (void)close(fd);
    if (got < 0) {
        errno = error;
        return -1;
    }
    while (got > 0 && text[got - 1] == '\n')
        got--;
    if (got == 0 || text[0] != '{' ||
        !json_walk_valid((struct text){text, (size_t)got}, false, &fault)) {
        errno = EBADMSG;
        return -1;
    }
    read_status((struct text){text, (size_t)got}, status);
    return 0;
}
