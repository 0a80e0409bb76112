/* What the parts of view/history.h share. */
#ifndef VIEW_HISTORY_PRIVATE_H
#define VIEW_HISTORY_PRIVATE_H

#include "view/history.h"
#include "view/history_rows.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HISTORY_CELLS = HISTORY_RANGE_MAX_S / HISTORY_PERIOD_S,
    HISTORY_CELLS_A_MINUTE = 60 / HISTORY_PERIOD_S,
    HISTORY_FIRST_CELL = HISTORY_CELLS, /* so that an hour before the first one has a number */
    HISTORY_ROUTES = 36,
    HISTORY_ERRORS = 24,
    HISTORY_DROPS = OVERVIEW_DROPS_MAX,
    HISTORY_PROGRAMS = OVERVIEW_PROGRAMS_MAX,
    HISTORY_RUN_BOUNDS_MAX = 19,
    HISTORY_DEAD_MAX = 16,
    HISTORY_DEAD_S = 60, /* how long a process that died is told of */
};

/* The totals of a cell. */
enum history_count {
    HISTORY_LATENCY, /* buckets */
    HISTORY_QUEUE = HISTORY_LATENCY + OVERVIEW_BUCKETS,
    HISTORY_REQUESTS = HISTORY_QUEUE + OVERVIEW_BUCKETS,
    HISTORY_CLIENT_ERRORS,
    HISTORY_SERVER_ERRORS,
    HISTORY_ABANDONED,
    HISTORY_DIED,
    HISTORY_INJECTED,
    HISTORY_CALLS,
    HISTORY_CALL_FAILURES,
    HISTORY_WRITTEN, /* by signal */
    HISTORY_DELIVERED = HISTORY_WRITTEN + SPOOL_SIGNALS,
    HISTORY_COUNTS = HISTORY_DELIVERED + SPOOL_SIGNALS,
};

/* The counts of a route, an error, a drop, a program. */
enum {
    HISTORY_ROUTE_REQUESTS,
    HISTORY_ROUTE_CLIENT_ERRORS,
    HISTORY_ROUTE_SERVER_ERRORS,
    HISTORY_ROUTE_LATENCY, /* buckets */
    HISTORY_ROUTE_COUNTS = HISTORY_ROUTE_LATENCY + OVERVIEW_BUCKETS,

    HISTORY_PROGRAM_RUNS = 0,
    HISTORY_PROGRAM_FAILURES,
    HISTORY_PROGRAM_BUSY, /* summed over the looks of the minute; not a counter */
    HISTORY_PROGRAM_WIDE,
    HISTORY_PROGRAM_SECONDS = HISTORY_PROGRAM_WIDE, /* buckets */
    HISTORY_PROGRAM_COUNTS = HISTORY_PROGRAM_SECONDS + HISTORY_RUN_BOUNDS_MAX + 1,
};

static_assert((int)HISTORY_ROUTE_COUNTS <= (int)HISTORY_ROWS_COUNTS_MAX &&
                  (int)HISTORY_PROGRAM_COUNTS <= (int)HISTORY_ROWS_COUNTS_MAX,
              "room for a row's counters");

/* Five seconds. */
struct history_cell {
    uint32_t counts[HISTORY_COUNTS]; /* by how much the counters grew */
    uint32_t ms;                     /* in which they did */
    float busy, idle;                /* NAN where nothing tells */
    float backlogs[SPOOL_SIGNALS], bytes[SPOOL_SIGNALS];
    bool counted; /* by looks in time */
    bool gap;     /* by a late look: a share of what grew meanwhile */
};

struct history_program {
    float busy, idle;
    double last_success_s, last_failure_s;
};

struct history_dead {
    struct overview_process process;
    uint64_t died_ns; /* monotonic, when it was noticed; 0: an empty place */
};

/* What a look found, beside the rows. */
struct history_now {
    uint64_t counts[HISTORY_COUNTS]; /* the counters */
    bool requests_known;             /* there is a program that counts requests */
    double busy, idle;
    struct overview_signal signals[SPOOL_SIGNALS]; /* what metrics tell of them */
    bool chaos_on;
    double chaos_probability, chaos_error_rate, chaos_abort_rate;
    bool breaker_used;
    int breaker;
};

struct history {
    uint64_t sequence, at_ns;
    uint64_t anchor_ns; /* monotonic time at which HISTORY_FIRST_CELL begins; 0: no look yet */
    uint64_t cell;      /* of the last look */
    char problem[512];  /* of the last look */

    /* The metrics file of the last look that could read one. */
    char instance_id[IDS_UUID_TEXT + 1]; /* "": none yet */
    uint64_t created_ns;
    uint64_t look_cell, look_ns;     /* when that was */
    uint64_t before[HISTORY_COUNTS]; /* its counters */
    struct history_now now;
    size_t run_bound_count;
    double run_bounds[HISTORY_RUN_BOUNDS_MAX];

    struct history_cell cells[HISTORY_CELLS];
    uint16_t looks[HISTORY_ROWS_MINUTES]; /* in that minute */
    struct history_rows routes, errors, drops, programs;
    struct history_others others;
    struct history_program program_now[HISTORY_PROGRAMS];

    struct overview_process processes[OVERVIEW_PROCESSES_MAX];
    size_t process_count, processes_all;
    uint64_t dead_starts[METRICS_FILE_SLOTS]; /* of processes whose death was noticed */
    struct history_dead dead[HISTORY_DEAD_MAX];

    /* The rows' memory. */
    struct history_row route_rows[HISTORY_ROUTES], error_rows[HISTORY_ERRORS],
        drop_rows[HISTORY_DROPS], program_rows[HISTORY_PROGRAMS];
    uint64_t route_before[HISTORY_ROUTES * HISTORY_ROUTE_COUNTS], error_before[HISTORY_ERRORS],
        drop_before[HISTORY_DROPS], program_before[HISTORY_PROGRAMS * HISTORY_PROGRAM_COUNTS];
    uint32_t route_counts[HISTORY_ROUTES * HISTORY_ROWS_MINUTES * HISTORY_ROUTE_COUNTS],
        error_counts[HISTORY_ERRORS * HISTORY_ROWS_MINUTES],
        drop_counts[HISTORY_DROPS * HISTORY_ROWS_MINUTES],
        program_wide[HISTORY_PROGRAMS * HISTORY_ROWS_MINUTES * HISTORY_PROGRAM_WIDE];
    uint16_t program_narrow[HISTORY_PROGRAMS * HISTORY_ROWS_MINUTES *
                            (HISTORY_PROGRAM_COUNTS - HISTORY_PROGRAM_WIDE)];
};

static inline struct history_cell *history_cell_at(struct history *history, uint64_t cell)
{
    return &history->cells[cell % HISTORY_CELLS];
}

/* Reads what the metrics file says now, and adds it to the rows. */
void history_read(struct history *history, const struct metrics_reader *reader,
                  const struct history_rows_look *look, struct history_now *now);

/* Who lives, and who has died since the last look (view/history_processes.c). */
void history_processes(struct history *history, const struct metrics_reader *reader,
                       uint64_t monotonic_ns, bool first);

#endif
