/*
 * The names of all settings of the project, to find those that are misspelled.
 */
#ifndef LIB_BASE_CONFIG_NAMES_H
#define LIB_BASE_CONFIG_NAMES_H

#include <stdbool.h>

enum { CONFIG_NAMES_MESSAGE_MAX = 256 };

/*
 * Calls `warn` for each variable of the environment whose name is one or two typing mistakes (a
 * character too many, too few, another, or two that changed places) away from a MICROTRACE_*,
 * OTEL_*, CHAOS_*, DOWNSTREAM_* or BREAKER_* setting, and is none of them. Never a failure: it may
 * be another program's.
 *
 * Says nothing below microtrace-run, which has said it for all its processes (MICROTRACE_PROGRAMS
 * is set there).
 */
void config_names_check(void (*warn)(const char *message));

/* The same, also below microtrace-run: for a caller that keeps the messages. */
void config_names_find(void (*warn)(const char *message));

/*
 * Whether `name`, in a settings file, is no setting and meant to be one: it is near one's, or
 * begins with MICROTRACE_. `message` says so then.
 */
bool config_names_unknown(const char *name, char message[CONFIG_NAMES_MESSAGE_MAX]);

#endif
