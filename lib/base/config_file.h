/*
 * The settings file: what the environment does not set, for all programs of the host's own
 * instance. A web server, cron or a shell passes on little of an environment, or none.
 *
 * MICROTRACE_CONFIG_FILE names it. Without that variable it is CONFIG_FILE_PATH, but only for
 * processes in whose environment MICROTRACE_RUN_DIR does not name another instance. Values of the
 * environment win, empty ones too, which mean the default.
 *
 * The values that were read stay where they are for the life of the process, so they are borrowed
 * as those of getenv(3) are. Any thread may call the functions at any time; none takes a lock, or
 * changes the environment.
 */
#ifndef LIB_BASE_CONFIG_FILE_H
#define LIB_BASE_CONFIG_FILE_H

#include <stdbool.h>

#define CONFIG_FILE_PATH "/etc/microtrace/microtrace.conf"

enum {
    CONFIG_FILE_MAX = 65536, /* bytes */
    CONFIG_FILE_SETTINGS_MAX = 512,
    CONFIG_FILE_SAID_MAX = 20, /* things that are wrong with one file */
};

/* Whether MICROTRACE_CONFIG_FILE names a file: then it holds for any instance. */
bool config_file_is_named(void);

/*
 * Reads the file, again if it was read before; a program does so before it reads its settings.
 * What is wrong with the file, its lines and the names in it goes to `warn`, one call for each
 * thing, up to CONFIG_FILE_SAID_MAX and one that says so. A byte order mark does not count. That
 * there is no CONFIG_FILE_PATH is nothing wrong. Below microtrace-run, which has said it, nothing
 * is said; in a CGI request nothing that was said within the last minute (lib/base/reminder.h). A
 * file that is larger than CONFIG_FILE_MAX or no regular file is not read; /dev/null counts as an
 * empty one.
 */
void config_file_load(void (*warn)(const char *message));

/*
 * The value that the file has for `name`, or NULL; `line` (unless NULL) is the number of its line.
 * Nothing before config_file_load.
 */
const char *config_file_find(const char *name, unsigned *line);

/* The file that was read for this process's environment as it is now, or NULL. */
const char *config_file_in_use(void);

#endif
