#include "view/history.h"

#include "lib/base/clock.h"
#include "view/history_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* docs/page.md and the figures of the agent's memory tell it. */
static_assert(sizeof(struct history) <= HISTORY_BYTES_MAX, "an hour takes at most 512 KiB");
/* A range of an hour needs 60 whole points. */
static_assert(HISTORY_CELLS == HISTORY_ROWS_MINUTES * HISTORY_CELLS_A_MINUTE, "an hour");

#define PERIOD_NS ((uint64_t)HISTORY_PERIOD_S * CLOCK_NS_PER_S)
#define GAP_NS    ((uint64_t)HISTORY_GAP_S * CLOCK_NS_PER_S)

static void begin_cell(struct history_cell *cell)
{
    memset(cell, 0, sizeof *cell);
    cell->busy = cell->idle = NAN;
    for (int i = 0; i < SPOOL_SIGNALS; i++)
        cell->backlogs[i] = cell->bytes[i] = NAN;
}

static void forget_now(struct history *h, const char *problem)
{
    (void)snprintf(h->problem, sizeof h->problem, "%s", problem);
    h->process_count = h->processes_all = 0;
    h->now = (struct history_now){.busy = NAN, .idle = NAN};
    for (int i = 0; i < HISTORY_PROGRAMS; i++)
        h->program_now[i].busy = h->program_now[i].idle = NAN;
}

struct history *history_new(void)
{
    struct history *const h = calloc(1, sizeof *h);

    if (h == NULL)
        return NULL;
    h->routes = (struct history_rows){.row_max = HISTORY_ROUTES,
                                      .wide = HISTORY_ROUTE_COUNTS,
                                      .rows = h->route_rows,
                                      .before = h->route_before,
                                      .wide_counts = h->route_counts};
    h->errors = (struct history_rows){.row_max = HISTORY_ERRORS,
                                      .wide = 1,
                                      .rows = h->error_rows,
                                      .before = h->error_before,
                                      .wide_counts = h->error_counts};
    h->drops = (struct history_rows){.row_max = HISTORY_DROPS,
                                     .wide = 1,
                                     .rows = h->drop_rows,
                                     .before = h->drop_before,
                                     .wide_counts = h->drop_counts};
    h->programs = (struct history_rows){.row_max = HISTORY_PROGRAMS,
                                        .wide = HISTORY_PROGRAM_WIDE,
                                        .narrow = HISTORY_PROGRAM_COUNTS - HISTORY_PROGRAM_WIDE,
                                        .rows = h->program_rows,
                                        .before = h->program_before,
                                        .wide_counts = h->program_wide,
                                        .narrow_counts = h->program_narrow};
    h->cell = HISTORY_FIRST_CELL;
    for (uint64_t i = 0; i < HISTORY_CELLS; i++)
        begin_cell(&h->cells[i]);
    forget_now(h, "the metrics file was not looked at yet");
    return h;
}

void history_free(struct history *history)
{
    free(history);
}

static uint64_t minute_of(uint64_t cell)
{
    return cell / HISTORY_CELLS_A_MINUTE;
}

static void begin_minutes(struct history *h, uint64_t from, uint64_t to)
{
    history_rows_begin(&h->routes, from, to);
    history_rows_begin(&h->errors, from, to);
    history_rows_begin(&h->drops, from, to);
    history_rows_begin(&h->programs, from, to);
    for (uint64_t minute = from; minute <= to; minute++)
        h->looks[minute % HISTORY_ROWS_MINUTES] = 0;
}

/* Goes on to the cell of this moment, through those that nobody looked in. */
static void advance(struct history *h, uint64_t monotonic_ns)
{
    uint64_t cell, from, minute;

    if (h->anchor_ns == 0) {
        /* Looks fall into the middle of a cell: coming early or late, they stay in it. */
        h->anchor_ns = monotonic_ns > PERIOD_NS / 2 ? monotonic_ns - PERIOD_NS / 2 : 1;
        return;
    }
    cell = monotonic_ns < h->anchor_ns
               ? h->cell
               : HISTORY_FIRST_CELL + (monotonic_ns - h->anchor_ns) / PERIOD_NS;
    if (cell <= h->cell)
        return;
    from = cell - h->cell < HISTORY_CELLS ? h->cell + 1 : cell - (HISTORY_CELLS - 1);
    for (uint64_t i = from; i <= cell; i++)
        begin_cell(history_cell_at(h, i));
    minute = minute_of(cell);
    if (minute > minute_of(h->cell)) {
        from = minute_of(h->cell) + 1;
        if (minute - from >= HISTORY_ROWS_MINUTES)
            from = minute - (HISTORY_ROWS_MINUTES - 1);
        begin_minutes(h, from, minute);
    }
    h->cell = cell;
}

static uint32_t capped(uint64_t count)
{
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

/* Spreads what was counted since the last look over the cells since then. */
static void count(struct history *h, uint64_t interval_ns)
{
    const uint64_t first = h->cell > h->look_cell ? h->look_cell + 1 : h->cell;
    const uint64_t cells = h->cell - first + 1;
    const uint64_t kept = cells < HISTORY_CELLS ? first : h->cell - (HISTORY_CELLS - 1);
    const uint64_t ms = interval_ns / CLOCK_NS_PER_MS;
    const bool late = interval_ns > GAP_NS;

    for (uint64_t i = kept; i <= h->cell; i++) {
        struct history_cell *const cell = history_cell_at(h, i);
        const bool last = i == h->cell;

        for (int k = 0; k < HISTORY_COUNTS; k++) {
            const uint64_t grown =
                h->now.counts[k] > h->before[k] ? h->now.counts[k] - h->before[k] : 0;
            const uint64_t each = grown / cells;

            cell->counts[k] = capped(cell->counts[k] + (last ? grown - each * (cells - 1) : each));
        }
        cell->ms = capped(cell->ms + (last ? ms - ms / cells * (cells - 1) : ms / cells));
        cell->counted = !late;
        cell->gap = late;
    }
}

static void measure(struct history *h)
{
    struct history_cell *const cell = history_cell_at(h, h->cell);

    cell->busy = (float)h->now.busy;
    cell->idle = (float)h->now.idle;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        if (!h->now.signals[i].known)
            continue;
        cell->backlogs[i] = (float)h->now.signals[i].backlog;
        cell->bytes[i] = (float)h->now.signals[i].bytes;
    }
}

/*
 * Whether what the counters have grown by is known: it is the file of the last look, or one so
 * young that all of it was counted since. Else its counters are where to begin from.
 */
static bool growth_is_known(struct history *h, const struct metrics_reader *reader,
                            uint64_t monotonic_ns, uint64_t unix_ns)
{
    struct metrics_reader_info info;
    uint64_t age_ns;

    metrics_reader_info(reader, &info);
    if (h->instance_id[0] != '\0' && strcmp(h->instance_id, info.instance_id) == 0 &&
        h->created_ns == info.created_unix_ns)
        return true;
    memcpy(h->instance_id, info.instance_id, sizeof h->instance_id);
    h->created_ns = info.created_unix_ns;
    history_rows_restart(&h->routes);
    history_rows_restart(&h->errors);
    history_rows_restart(&h->drops);
    history_rows_restart(&h->programs);
    memset(&h->others, 0, sizeof h->others);
    memset(h->dead_starts, 0, sizeof h->dead_starts);
    age_ns = unix_ns - info.created_unix_ns;
    if (info.created_unix_ns > unix_ns || age_ns > GAP_NS || age_ns > monotonic_ns)
        return false;
    memset(h->before, 0, sizeof h->before);
    h->look_cell = h->cell;
    h->look_ns = monotonic_ns - age_ns;
    return true;
}

static struct history_rows_look look_at(const struct history *h, bool known)
{
    const uint64_t minute = minute_of(h->cell), last = minute_of(h->look_cell);
    struct history_rows_look look = {
        .first_minute = minute, .minute = minute, .minutes = 1, .first = !known};

    if (!known || last >= minute)
        return look;
    look.new_minute = true;
    look.first_minute = last + 1;
    look.minutes = minute - last;
    if (look.minutes > HISTORY_ROWS_MINUTES)
        look.first_minute = minute - (HISTORY_ROWS_MINUTES - 1);
    return look;
}

void history_sample(struct history *h, const struct metrics_reader *reader, uint64_t monotonic_ns,
                    uint64_t unix_ns)
{
    struct history_rows_look look;
    bool known;

    h->sequence++;
    h->at_ns = unix_ns;
    advance(h, monotonic_ns);
    if (metrics_reader_state(reader) != METRICS_FILE_OK) {
        forget_now(h, metrics_reader_problem(reader));
        return;
    }
    known = growth_is_known(h, reader, monotonic_ns, unix_ns);
    look = look_at(h, known);
    history_read(h, reader, &look, &h->now);
    history_processes(h, reader, monotonic_ns, !known);
    if (metrics_reader_lost(reader)) {
        forget_now(h, "the metrics file was truncated while it was read");
        return;
    }
    h->problem[0] = '\0';
    if (known && monotonic_ns >= h->look_ns)
        count(h, monotonic_ns - h->look_ns);
    measure(h);
    h->looks[minute_of(h->cell) % HISTORY_ROWS_MINUTES]++;
    for (int k = 0; k < HISTORY_COUNTS; k++) {
        /* While a dead process's slot is claimed, its death is not counted for a moment. */
        if (k != HISTORY_DIED || !known || h->now.counts[k] > h->before[k])
            h->before[k] = h->now.counts[k];
    }
    h->look_cell = h->cell;
    h->look_ns = monotonic_ns;
}
