/*
 * Where the other programs of this installation are: beside this one.
 */
#ifndef CLI_SIBLING_H
#define CLI_SIBLING_H

#include <limits.h>

/* The path of the program `name`, whether it exists or not. Returns 0, or -1 with errno. */
int sibling_path(char out[PATH_MAX], const char *name);

#endif
