/*
 * The command line of a program, or of one command of `microtrace`: its options as a table of
 * settings (lib/base/config.h) whose names begin with "--", and its --help, which is made from the
 * tables.
 */
#ifndef LIB_BASE_OPTIONS_H
#define LIB_BASE_OPTIONS_H

#include "lib/base/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* An option without a value: sets the bool at `offset`. A table ends with one without a name. */
struct options_switch {
    const char *name; /* with its "--" */
    size_t offset;    /* of the bool in the values */
    const char *help;
};

struct options_table {
    const char *command;  /* as it is typed: "microtrace spool tail" */
    const char *operands; /* for the usage line: "on|off", "[NAME]..."; "" for none */
    const char *summary;  /* what it does, one or more sentences */
    const struct config_setting *rows;
    size_t row_count;
    const char *rows_with; /* the first operand that the rows go with; NULL for any */
    const struct options_switch *switches; /* or NULL */
    /* The first operand is another program's name: what follows it is that one's, dashes or not. */
    bool command_follows;
    bool numbers; /* an operand may be a negative number, which begins as an option does */
    char letter;  /* a short form, of the row `letter_row`; 0 for none */
    const char *letter_row;
    /*
     * A command that looks at an instance has --state DIR. It is called last, with DIR or NULL;
     * returns 0, or -1 after a line on standard error.
     */
    int (*state)(const char *state);
    uint64_t *given; /* NULL, or gets a bit for each row: 1 << its number, if it was given */
    const struct config_table *const *environment; /* NULL-terminated, for --help; or NULL */
};

enum {
    OPTIONS_GO = -1,
    OPTIONS_DONE = 0,  /* exit status after --help or --version */
    OPTIONS_USAGE = 2, /* exit status of a command line that can't be used */
};

/*
 * Reads argv[1] to argv[argc - 1]: options in any order, "--" ends them; if one is given twice, the
 * last one counts, unless its row's `parse` gathers them. What is not given gets its fallback.
 * `values` is the struct that the tables' offsets are in; strings in it point into argv, or are the
 * table's own. The operands are moved to the end of argv: (*argv)[0] is the first of the *argc that
 * there are.
 *
 * Every command has --help and --version too, and those with `state` --state. Returns
 * OPTIONS_GO, or the exit status to end with: OPTIONS_DONE after --help or --version, OPTIONS_USAGE
 * after a line on standard error.
 */
int options_read(const struct options_table *table, void *values, int *argc, char ***argv);

/* Says on stderr that `argument` is not expected, and how to find help; returns OPTIONS_USAGE. */
int options_unknown(const char *command, const char *argument);

/* Prints the command's --help, at most 80 columns wide. */
void options_print_help(FILE *to, const struct options_table *table);

/* Prints `text` broken into lines of at most 80 columns, each begun with `indent` blanks. */
void options_print_wrapped(FILE *to, unsigned indent, const char *text);

#endif
