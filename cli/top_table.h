/*
 * The tables of `microtrace top`: each section's rows, for top_picture.c, which decides how many of
 * them there is room for. Pure.
 */
#ifndef CLI_TOP_TABLE_H
#define CLI_TOP_TABLE_H

#include "cli/top_picture.h"

#include <stdbool.h>
#include <stddef.h>

enum top_table {
    TOP_TABLE_ROUTES,
    TOP_TABLE_ERRORS,
    TOP_TABLE_PROGRAMS,
    TOP_TABLE_PROCESSES,
    TOP_TABLE_SIGNALS,
    TOP_TABLE_DROPS,
    TOP_TABLES,
};

/* How many rows the table has, without its heading. */
size_t top_table_rows(enum top_table table, const struct overview *overview);

/* Adds the heading and up to `rows` rows, as there is room in the picture. */
void top_table_add(struct top_picture *picture, const struct top_picture_options *options,
                   enum top_table table, const struct overview *overview, size_t rows);

/* Adds a line, cut at the width, text from elsewhere made safe. */
void top_table_line(struct top_picture *picture, const struct top_picture_options *options,
                    enum top_picture_ink ink, const char *text);

#endif
