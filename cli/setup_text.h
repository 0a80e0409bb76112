/*
 * What `microtrace setup` writes: its files as text, and the line for a crontab. Pure.
 */
#ifndef CLI_SETUP_TEXT_H
#define CLI_SETUP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    SETUP_TEXT_PATH_MAX = 1024, /* bytes of a path that is written, with its NUL */
    SETUP_TEXT_MAX = 32768,     /* bytes of a file */
};

/*
 * Whether a path can be written into all of these: nothing that is not printed as it is
 * (lib/base/printable.h), since a line must stay one and is copied from a terminal, and no
 * backslash, of which cron's implementations think differently (crontab(5)).
 */
bool setup_text_path_fits(const char *path);

/* All paths are absolute and fit. Each writes a NUL-terminated text of less than `size` bytes. */

/* The settings file of an instance in `dir`. */
void setup_text_settings(char *out, size_t size, const char *dir);

/* A shell script that becomes analyze with these settings, as a CGI program. */
void setup_text_analyze(char *out, size_t size, const char *settings, const char *program);

/* A shell script that runs the CGI program `script` by microtrace-cgi, which is `program`. */
void setup_text_script(char *out, size_t size, const char *settings, const char *program,
                       const char *script);

/* The line for a crontab, without a newline; `program` is microtrace. */
void setup_text_crontab(char *out, size_t size, const char *settings, const char *program);

/* Whether `text` is one of these files as it was written, by whatever version; else somebody has
 * changed it. */
bool setup_text_is_unchanged(const char *text);

#endif
