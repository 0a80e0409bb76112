/*
 * One picture of `microtrace top`: lines of text that fit a screen, from what there is to say of an
 * instance. Pure: no terminal, no clock. Text from elsewhere is safe to show
 * (lib/base/printable.h).
 */
#ifndef CLI_TOP_PICTURE_H
#define CLI_TOP_PICTURE_H

#include "view/overview.h"
#include "view/verdict.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TOP_PICTURE_WIDTH_MIN = 20,
    TOP_PICTURE_WIDTH_MAX = 300,
    TOP_PICTURE_LINE_MAX = 1536, /* bytes, with a NUL */
    TOP_PICTURE_LINES_MAX = 320,
};

/* How a whole line looks. */
enum top_picture_ink {
    TOP_PICTURE_PLAIN,
    TOP_PICTURE_STRONG,
    TOP_PICTURE_FAINT,
    TOP_PICTURE_HEADING,
    TOP_PICTURE_GOOD,
    TOP_PICTURE_WARNING,
    TOP_PICTURE_WRONG,
};

/* By what routes are sorted, highest first; paths by name. */
enum top_picture_sort {
    TOP_PICTURE_BY_RATE,
    TOP_PICTURE_BY_CLIENT_ERRORS,
    TOP_PICTURE_BY_SERVER_ERRORS,
    TOP_PICTURE_BY_P95,
    TOP_PICTURE_BY_PATH,
    TOP_PICTURE_SORTS,
};

struct top_picture_options {
    unsigned width, height; /* columns and lines; a height of 0 has no end */
    bool utf8;
    bool keys; /* it is told which there are */
    bool paused, help;
    enum top_picture_sort sort;
    const char *where; /* which instance: its run directory */
};

struct top_picture {
    size_t count;
    struct {
        enum top_picture_ink ink;
        char text[TOP_PICTURE_LINE_MAX];
    } lines[TOP_PICTURE_LINES_MAX];
};

/* `overview` is changed: its routes are sorted. */
void top_picture_draw(struct top_picture *picture, const struct top_picture_options *options,
                      struct overview *overview, const struct verdict *verdict);

#endif
