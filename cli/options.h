/*
 * The options of a command: a table of settings (lib/base/config.h) whose names begin with "--",
 * and switches that take no value.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "lib/base/config.h"

#include <stddef.h>

/* An option without a value: sets the bool at `offset`. A table ends with one without a name. */
struct options_switch {
    const char *name; /* with its "--" */
    size_t offset;    /* of the bool in the values */
};

/*
 * Reads argv[0] to argv[argc - 1], each "--name VALUE", "--name=VALUE" or a switch; where an option
 * is given twice, the last one counts. What is not given gets its fallback. `values` is the struct
 * that the tables' offsets are in: zero before the call, and on COMMAND_USAGE of no use after it.
 * Strings in it point into argv, or are the table's own. `rows` may be NULL with no rows,
 * and `switches` may be NULL. Returns
 * COMMAND_OK, or COMMAND_USAGE after a line on stderr that begins with "microtrace `command`:".
 */
int options_read(const char *command, const struct config_setting *rows, size_t row_count,
                 const struct options_switch *switches, void *values, int argc, char **argv);

/* Says on stderr what is off about `argument` and how to find help; returns COMMAND_USAGE. */
int options_unknown(const char *command, const char *argument);

#endif
