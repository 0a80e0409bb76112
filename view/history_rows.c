#include "view/history_rows.h"

#include "lib/metrics/file.h"

#include <string.h>

enum { RECENT_MINUTES = 5 };

static uint64_t hash_of(const char *first, const char *second)
{
    const uint64_t hash =
        metrics_file_hash(metrics_file_hash(METRICS_FILE_HASH_SEED, first, strlen(first) + 1),
                          second, strlen(second));

    return hash != 0 ? hash : 1;
}

static unsigned count_of(const struct history_rows *rows)
{
    return rows->wide + rows->narrow;
}

static uint64_t *before_of(const struct history_rows *rows, unsigned row)
{
    return rows->before + (size_t)row * count_of(rows);
}

static size_t place(unsigned row, uint64_t minute, unsigned width)
{
    return ((size_t)row * HISTORY_ROWS_MINUTES + minute % HISTORY_ROWS_MINUTES) * width;
}

uint64_t history_rows_count(const struct history_rows *rows, unsigned row, uint64_t minute,
                            unsigned count)
{
    if (count < rows->wide)
        return rows->wide_counts[place(row, minute, rows->wide) + count];
    return rows->narrow_counts[place(row, minute, rows->narrow) + count - rows->wide];
}

void history_rows_raise(struct history_rows *rows, unsigned row, uint64_t minute, unsigned count,
                        uint64_t by)
{
    const uint64_t most = count < rows->wide ? UINT32_MAX : UINT16_MAX;
    const uint64_t known = history_rows_count(rows, row, minute, count);
    const uint64_t sum = by < most - known ? known + by : most;

    if (count < rows->wide)
        rows->wide_counts[place(row, minute, rows->wide) + count] = (uint32_t)sum;
    else
        rows->narrow_counts[place(row, minute, rows->narrow) + count - rows->wide] = (uint16_t)sum;
}

uint64_t history_rows_sum(const struct history_rows *rows, unsigned row, uint64_t from, uint64_t to,
                          unsigned count)
{
    uint64_t sum = 0;

    for (uint64_t minute = from; minute <= to; minute++)
        sum += history_rows_count(rows, row, minute, count);
    return sum;
}

void history_rows_begin(struct history_rows *rows, uint64_t from, uint64_t to)
{
    for (unsigned row = 0; row < rows->row_max; row++) {
        for (uint64_t minute = from; minute <= to; minute++) {
            memset(rows->wide_counts + place(row, minute, rows->wide), 0,
                   rows->wide * sizeof *rows->wide_counts);
            if (rows->narrow > 0)
                memset(rows->narrow_counts + place(row, minute, rows->narrow), 0,
                       rows->narrow * sizeof *rows->narrow_counts);
        }
    }
}

void history_rows_restart(struct history_rows *rows)
{
    memset(rows->before, 0, (size_t)rows->row_max * count_of(rows) * sizeof *rows->before);
}

static struct history_row *find(const struct history_rows *rows, uint64_t hash)
{
    for (unsigned i = 0; i < rows->row_max; i++) {
        if (rows->rows[i].hash == hash)
            return &rows->rows[i];
    }
    return NULL;
}

struct history_row *history_rows_find(const struct history_rows *rows, const char *first,
                                      const char *second)
{
    return find(rows, hash_of(first, second));
}

/* The place of a hash among the others, or an empty one; NULL if there is none. */
static uint32_t *other_of(struct history_others *others, uint64_t full, bool *known)
{
    const uint32_t hash = (uint32_t)(full >> 32) | 1;

    for (unsigned i = 0; i < HISTORY_ROWS_OTHERS; i++) {
        const unsigned at = (hash + i) % HISTORY_ROWS_OTHERS;

        *known = others->at[at].hash == hash;
        if (*known)
            return &others->at[at].count;
        if (others->at[at].hash == 0) {
            /* Full tables make long searches: a quarter stays empty. */
            if (others->used >= HISTORY_ROWS_OTHERS / 4 * 3)
                return NULL;
            others->used++;
            others->at[at].hash = hash;
            return &others->at[at].count;
        }
    }
    return NULL;
}

/* Remembers the counter of one without a row. Returns by how much it has grown since. */
static uint32_t remember(struct history_others *others, uint64_t hash, uint64_t count, bool first)
{
    bool known;
    uint32_t *const before = other_of(others, hash, &known);
    uint32_t grown;

    if (before == NULL)
        return 0;
    grown = known ? (uint32_t)count - *before : first ? 0 : (uint32_t)count;
    *before = (uint32_t)count;
    return grown;
}

void history_rows_name(char to[OVERVIEW_NAME_MAX], const char *from)
{
    size_t length = strnlen(from, OVERVIEW_NAME_MAX - 1);

    /* Back to where the first character that is cut off begins. */
    while (length > 0 && from[length] != '\0' && ((unsigned char)from[length] & 0xc0) == 0x80)
        length--;
    memcpy(to, from, length);
    to[length] = '\0';
}

static void take(struct history_rows *rows, unsigned row, uint64_t hash, const char *first,
                 const char *second, const uint64_t *from)
{
    struct history_row *const r = &rows->rows[row];

    memset(r, 0, sizeof *r);
    r->hash = hash;
    history_rows_name(r->names[0], first);
    history_rows_name(r->names[1], second);
    memset(rows->wide_counts + place(row, 0, rows->wide), 0,
           (size_t)HISTORY_ROWS_MINUTES * rows->wide * sizeof *rows->wide_counts);
    if (rows->narrow > 0)
        memset(rows->narrow_counts + place(row, 0, rows->narrow), 0,
               (size_t)HISTORY_ROWS_MINUTES * rows->narrow * sizeof *rows->narrow_counts);
    if (from != NULL)
        memcpy(before_of(rows, row), from, count_of(rows) * sizeof *from);
    else
        memset(before_of(rows, row), 0, count_of(rows) * sizeof *from);
}

/* At the first look nothing else is known: those that have counted most since the file exists. */
static int weakest_ever(const struct history_rows *rows, uint64_t count)
{
    int weakest = -1;

    for (unsigned i = 0; i < rows->row_max; i++) {
        if (*before_of(rows, i) < count) {
            count = *before_of(rows, i);
            weakest = (int)i;
        }
    }
    return weakest;
}

/*
 * The row that a name which counted `grown` in the last minute is worth more than: in the last
 * minutes, and at that pace in the hour.
 */
static int weakest_lately(const struct history_rows *rows, uint64_t minute, uint32_t grown)
{
    uint64_t least = grown;
    int weakest = -1;

    for (unsigned i = 0; i < rows->row_max; i++) {
        const uint64_t recent = history_rows_sum(rows, i, minute - RECENT_MINUTES, minute, 0);

        if (recent < least &&
            history_rows_sum(rows, i, minute - (HISTORY_ROWS_MINUTES - 1), minute, 0) <
                (uint64_t)grown * (HISTORY_ROWS_MINUTES / RECENT_MINUTES)) {
            least = recent;
            weakest = (int)i;
        }
    }
    return weakest;
}

/* Finds a row for a name that has none. Returns its number, or -1. */
static int make_room(struct history_rows *rows, struct history_others *others,
                     const struct history_rows_look *look, uint64_t hash, const uint64_t *now,
                     bool *is_new)
{
    struct history_row *const unused = find(rows, 0);
    uint32_t grown;
    int row;

    *is_new = unused != NULL;
    if (unused != NULL)
        return (int)(unused - rows->rows);
    if (look->first) {
        row = weakest_ever(rows, *now);
    } else {
        bool known;

        if (!look->new_minute) {
            /* New ones are remembered from their beginning on. */
            uint32_t *const count = other_of(others, hash, &known);
            if (count != NULL && !known)
                *count = 0;
            return -1;
        }
        grown = remember(others, hash, *now, false);
        row = weakest_lately(rows, look->minute, grown);
    }
    if (row < 0) {
        if (look->first)
            (void)remember(others, hash, *now, true);
        return -1;
    }
    (void)remember(others, rows->rows[row].hash, *before_of(rows, (unsigned)row), true);
    return row;
}

/* Spreads what a counter has grown by over the minutes of a look. */
static void spread(struct history_rows *rows, unsigned row, const struct history_rows_look *look,
                   unsigned count, uint64_t grown)
{
    const uint64_t each = grown / look->minutes;

    for (uint64_t minute = look->first_minute; minute < look->minute; minute++)
        history_rows_raise(rows, row, minute, count, each);
    history_rows_raise(rows, row, look->minute, count, grown - each * (look->minutes - 1));
}

void history_rows_add(struct history_rows *rows, struct history_others *others,
                      const struct history_rows_look *look, const char *first, const char *second,
                      const uint64_t *now)
{
    const uint64_t hash = hash_of(first, second);
    struct history_row *row = find(rows, hash);
    uint64_t *before;

    if (row == NULL) {
        bool is_new;
        const int number = make_room(rows, others, look, hash, now, &is_new);

        if (number < 0)
            return;
        /* A name that was not there at the last look has counted all it has since then. */
        take(rows, (unsigned)number, hash, first, second, look->first || !is_new ? now : NULL);
        row = &rows->rows[number];
        row->since = look->first || is_new ? 0 : look->minute;
    }
    before = before_of(rows, (unsigned)(row - rows->rows));
    for (unsigned i = 0; i < count_of(rows); i++) {
        if (!look->first && now[i] > before[i])
            spread(rows, (unsigned)(row - rows->rows), look, i, now[i] - before[i]);
        before[i] = now[i];
    }
}
