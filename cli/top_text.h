/*
 * Figures as the columns of `microtrace top` have them: short, and "-" for what is not known. Pure.
 */
#ifndef CLI_TOP_TEXT_H
#define CLI_TOP_TEXT_H

#include "view/overview.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    TOP_TEXT_MAX = 32,
    TOP_TEXT_SPARK_MAX = 3 * OVERVIEW_POINTS + 1, /* bytes of a line and its NUL */
};

/* Three digits, or whole with thousands ("1,234"), or with k, M, G from ten million on. */
void top_text_number(char out[TOP_TEXT_MAX], double value);

/* A count: the same without decimals. */
void top_text_count(char out[TOP_TEXT_MAX], double value);

/* A share as "0.10 %". */
void top_text_share(char out[TOP_TEXT_MAX], double share);

/* "1.52 ms", "5h 07m"; INFINITY is "> 10 s", what is above all bounds of a histogram. */
void top_text_seconds(char out[TOP_TEXT_MAX], double seconds, bool utf8);

/* How long something has been: "12 s", "5m 10s". */
void top_text_age(char out[TOP_TEXT_MAX], double seconds);

/* "9.3 MiB"; 0 is not known. */
void top_text_bytes(char out[TOP_TEXT_MAX], double bytes);

/*
 * A line in at most `columns` characters, scaled to its highest point: blocks where `utf8`, else
 * ASCII; a blank where nothing is known. Returns how many it took: a divisor of OVERVIEW_POINTS, or
 * 0 where there is not even room for ten.
 */
unsigned top_text_spark(char out[TOP_TEXT_SPARK_MAX], const struct overview_line *line,
                        unsigned columns, bool utf8);

#endif
