/*
 * MICROTRACE_ROUTES: the operator's names for paths that no script has of its own, because a front
 * controller (index.php) serves them all. Pure.
 */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "lib/base/text.h"

#include <stddef.h>

enum {
    ROUTES_MAX = 64,          /* patterns in a list */
    ROUTES_PATTERN_MAX = 127, /* bytes of a pattern, and of a name */
    ROUTES_NONE = -1,
};

/* One entry, borrowed from the list. */
struct routes_entry {
    struct text pattern;
    char name[ROUTES_PATTERN_MAX + 1];
};

struct routes {
    size_t count;
    struct routes_entry entries[ROUTES_MAX];
};

/*
 * Reads a list with commas of PATTERN or PATTERN=NAME; blanks around an entry do not count. A
 * pattern begins with "/". Its segment "{name}" stands for one segment that is not empty, and "*"
 * at its end for any rest, also an empty one. Without a NAME the pattern is the name. NULL is an
 * empty list. Returns 0, or -1 if the list is malformed, too long, or not UTF-8.
 */
int routes_parse(struct routes *routes, const char *list);

/*
 * The number of the first entry that the whole path fits, or ROUTES_NONE. A slash at the end of a
 * path is significant.
 */
int routes_find(const struct routes *routes, struct text path);

#endif
