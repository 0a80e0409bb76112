/*
 * A trace as a waterfall: a row for each span, with a bar at its time, and below it attributes, log
 * records and events.
 */
#ifndef CLI_WATERFALL_H
#define CLI_WATERFALL_H

#include "view/view_trace.h"

#include <stdbool.h>
#include <stdio.h>

enum { WATERFALL_WIDTH_MIN = 40, WATERFALL_WIDTH_MAX = 500, WATERFALL_ROWS_MAX = 2000 };

struct waterfall_style {
    unsigned width; /* columns, WATERFALL_WIDTH_MIN to WATERFALL_WIDTH_MAX */
    bool utf8;      /* box-drawing characters, else ASCII */
    bool colours;
    bool all;       /* all attributes, else those that tell what happened */
    unsigned lines; /* of a message or a list of attributes at most */
};

/* Of a trace that was built. Of its spans at most WATERFALL_ROWS_MAX are shown. */
void waterfall_print(FILE *to, const struct waterfall_style *style, struct view_trace *trace);

#endif
