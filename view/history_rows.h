/*
 * Rows of the history: names with counts for each of the last 60 minutes, as many rows as there is
 * room for. What finds none is remembered by a hash and its count, so that it takes the place of a
 * row with less to count. Inside of view/history.h. Pure.
 */
#ifndef VIEW_HISTORY_ROWS_H
#define VIEW_HISTORY_ROWS_H

#include "view/overview.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HISTORY_ROWS_MINUTES = 60,
    HISTORY_ROWS_COUNTS_MAX = 24, /* of one row */
    HISTORY_ROWS_OTHERS = 2048,   /* a power of two */
};

struct history_row {
    uint64_t hash; /* of its full names, 0: free */
    char names[2][OVERVIEW_NAME_MAX];
    uint64_t since; /* the minute before which nothing is known of it; 0: all that is known */
};

/*
 * A table. `before` are a row's counters at the last look. Of a minute's counts the first `wide`
 * have 32 bits, the rest 16; what is more than fits counts as the highest number.
 */
struct history_rows {
    unsigned row_max, wide, narrow;
    struct history_row *rows;
    uint64_t *before;        /* [row][wide + narrow] */
    uint32_t *wide_counts;   /* [row][HISTORY_ROWS_MINUTES][wide] */
    uint16_t *narrow_counts; /* [row][HISTORY_ROWS_MINUTES][narrow] */
};

/* What the others, those without a row, had counted a minute ago. */
struct history_others {
    struct {
        uint32_t hash, count;
    } at[HISTORY_ROWS_OTHERS];
    unsigned used;
};

/* What a look is about. */
struct history_rows_look {
    uint64_t first_minute, minute; /* counts are spread over these, both included */
    uint64_t minutes;              /* how many there were, some of which may be forgotten */
    bool first;                    /* of this metrics file: counts are where to begin from */
    bool new_minute;               /* since the last look */
};

/*
 * Adds what a look found under these names (`second` may be ""), by which table its rows are kept:
 * `now` are wide + narrow counters, and the first of them ranks.
 */
void history_rows_add(struct history_rows *rows, struct history_others *others,
                      const struct history_rows_look *look, const char *first, const char *second,
                      const uint64_t *now);

/* Copies a name that is too long up to the last character that fits whole (UTF-8). */
void history_rows_name(char to[OVERVIEW_NAME_MAX], const char *from);

/* The row of these names, or NULL. */
struct history_row *history_rows_find(const struct history_rows *rows, const char *first,
                                      const char *second);

/* Another metrics file: its counters have nothing to do with those before. */
void history_rows_restart(struct history_rows *rows);

/* Empties the minutes from `from` to `to`, both included: they begin. */
void history_rows_begin(struct history_rows *rows, uint64_t from, uint64_t to);

/* The row's count number `count` in that minute. */
uint64_t history_rows_count(const struct history_rows *rows, unsigned row, uint64_t minute,
                            unsigned count);

/* Raises it. */
void history_rows_raise(struct history_rows *rows, unsigned row, uint64_t minute, unsigned count,
                        uint64_t by);

/* The sum of a count over these minutes, both included. */
uint64_t history_rows_sum(const struct history_rows *rows, unsigned row, uint64_t from, uint64_t to,
                          unsigned count);

#endif
