/*
 * The lines of a waterfall: text that is put together, and written broken behind a tree's lines.
 */
#ifndef CLI_WATERFALL_LINE_H
#define CLI_WATERFALL_LINE_H

#include "cli/waterfall.h"

#include <stddef.h>
#include <stdio.h>

#define WATERFALL_DIM    "\033[2m"
#define WATERFALL_BOLD   "\033[1m"
#define WATERFALL_RED    "\033[31m"
#define WATERFALL_YELLOW "\033[33m"
#define WATERFALL_PLAIN  "\033[0m"

enum {
    WATERFALL_LINE_STEP = 3,     /* columns of a level, and of what goes on in the next line */
    WATERFALL_LINE_MAX = 8192,   /* bytes of a text */
    WATERFALL_LINE_ROOM_MIN = 9, /* columns of a text, however deep it stands */
};

/* What stands before a row or a text: all columns of the tree but the last, and that one, which is
 * another on the lines after the first. */
struct waterfall_start {
    char text[WATERFALL_WIDTH_MAX * 3];
    const char *first, *others;
    unsigned columns;
};

/* Adds a column of the tree; it becomes the last one. */
void waterfall_line_column(struct waterfall_start *start, const char *first, const char *others);

/* A text that is put together; what finds no room is left out. Starts zeroed. */
struct waterfall_line {
    char text[WATERFALL_LINE_MAX];
    size_t len;
};

void waterfall_line_add(struct waterfall_line *line, const char *text);

/* Adds NAME=VALUE, in quotes where it needs them, behind a blank unless it is the first. */
void waterfall_line_add_pair(struct waterfall_line *line, const struct view_pair *pair);

/* `code`, or "" without colours. */
const char *waterfall_line_colour(const struct waterfall_style *style, const char *code);

/*
 * Writes `text` in the colour `code` behind `lead`, which has `lead_columns`, broken into as many
 * lines as the style allows; if that is not all of it the last ends with "...".
 */
void waterfall_line_print(FILE *to, const struct waterfall_style *style,
                          const struct waterfall_start *start, const char *lead,
                          unsigned lead_columns, const char *code, const char *text);

#endif
