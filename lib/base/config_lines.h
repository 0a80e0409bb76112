/*
 * The lines of a settings file, NAME=VALUE, as systemd reads them from an EnvironmentFile=
 * (systemd.exec(5)): blank lines, and lines whose first character is # or ;, are skipped. Blanks
 * around name and value do not count. A value, or parts of it one after the other, may stand in
 * single quotes, where every character is itself, or in double quotes, where a backslash takes
 * their meaning from ", \, ` and $; quoted text may go on over lines. Outside of quotes a backslash
 * takes the meaning of any character, and at the end of a line that of the line's end.
 */
#ifndef LIB_BASE_CONFIG_LINES_H
#define LIB_BASE_CONFIG_LINES_H

#include <stdbool.h>

/* What is left to read. */
struct config_lines {
    char *at, *end; /* changed by reading; there is room for a NUL at `end` */
    unsigned line;  /* the number of the line at `at` */
};

struct config_line {
    unsigned number;     /* of the line where it begins, from 1 */
    const char *name;    /* NUL-terminated, in the text */
    const char *value;   /* the same */
    const char *problem; /* NULL, or why it can't be used: name and value are not set then */
};

/*
 * Reads the next setting. Returns false at the end. A quote that is not closed takes all that
 * follows with it.
 */
bool config_lines_next(struct config_lines *lines, struct config_line *out);

#endif
