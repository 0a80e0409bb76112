/*
 * What there is to say of an instance at one moment, and how it went in the minutes before: data
 * alone, filled by view/history.h, shown by the agent's page and by `microtrace top`.
 */
#ifndef VIEW_OVERVIEW_H
#define VIEW_OVERVIEW_H

#include "lib/families.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OVERVIEW_POINTS = 60, /* of a line, over the range that is looked at */
    OVERVIEW_BUCKETS = FAMILIES_LATENCY_BOUNDS + 1,
    OVERVIEW_ROUTES_MAX = 32,
    OVERVIEW_ERRORS_MAX = 16,
    OVERVIEW_PROGRAMS_MAX = 32,
    OVERVIEW_PROCESSES_MAX = 64,
    OVERVIEW_DROPS_MAX = 16,
    OVERVIEW_NAME_MAX = 64, /* bytes of a name, with its NUL; longer ones are cut */
};

/* Oldest first; NAN where nothing is known: the agent was not there yet, or nothing came. */
struct overview_line {
    float points[OVERVIEW_POINTS];
};

/* Of the range; those with most requests first. */
struct overview_route {
    char method[OVERVIEW_NAME_MAX], path[OVERVIEW_NAME_MAX];
    double rate, client_errors, server_errors; /* a second; of these, answers of 4xx and 5xx */
    double p95_s, slowest_s; /* NAN without requests; the upper bound of the highest bucket used */
    struct overview_line rates;
};

struct overview_error {
    char kind[OVERVIEW_NAME_MAX]; /* label `exception` of errors_total */
    double count;                 /* in the range */
    struct overview_line rates;
};

/* A program with workers, or one that `microtrace run` runs. */
struct overview_program {
    char name[OVERVIEW_NAME_MAX];
    double busy, idle;                     /* workers that live now; NAN: it has none, ever */
    double runs, failures;                 /* in the range */
    double run_p95_s;                      /* NAN without runs */
    double last_success_s, last_failure_s; /* Unix time, 0 for none */
    struct overview_line activity;         /* busy workers, or of one without, runs a minute */
};

struct overview_process {
    uint32_t pid;            /* as its own pid namespace has it; 0 if it is not known */
    bool busy, died;         /* died: within the last minute, without closing its telemetry */
    uint64_t since_ns;       /* Unix time, 0 if it is not known */
    uint64_t resident_bytes; /* 0 if it is not known */
    bool worker;             /* it answers requests: `name` is its program's, by its own word */
    char name[OVERVIEW_NAME_MAX]; /* else the command's, as the kernel has it; "" if neither */
};

struct overview_drop {
    char reason[OVERVIEW_NAME_MAX];
    uint64_t records; /* ever, while the metrics file lives */
    double lately;    /* in the range */
};

/* The books of a signal, ever, and how sending goes now. */
struct overview_signal {
    bool known; /* an agent keeps its books in this metrics file; else all but drops is 0 */
    uint64_t written, delivered, rejected, quarantined, dropped, backlog;
    double delivered_rate, written_rate; /* a second, over the last half minute */
    double oldest_s; /* age of the oldest record that waits; 0 where none does */
    double bytes, limit_bytes, kept_bytes;
    double full_in_s; /* at the present pace until records are dropped for room; INFINITY, or NAN */
    struct overview_line backlogs;
};

struct overview {
    uint64_t at_ns;    /* Unix time of the last sample, 0 if there is none */
    uint64_t sequence; /* of the last sample: grows with each */
    unsigned range_s;  /* that lines and "in the range" are about: 300, 900 or 3600 */
    unsigned known_s;  /* of which so much has been seen */
    unsigned
        rows_s; /* the same for rows, whose ranges begin with a whole minute: up to 59 s more */
    char problem[512]; /* why the metrics file can't be read; "" if it can */
    /* Now: over the last 15 s. */
    double rate;       /* requests a second; NAN where nothing counts any, or nothing is known */
    double good_share; /* 1 - 5xx / all, NAN without requests */
    double p50_s, p95_s, p99_s, queue_p95_s; /* NAN without requests */
    double busy, idle;                       /* NAN where no program has workers */
    /* Over the range: what the counters grew by. */
    double requests, client_errors, server_errors, abandoned, died;
    double range_p50_s, range_p95_s, range_p99_s;
    struct overview_line rates, server_error_shares, p50s, p95s, p99s, queue_p95s, busies, workers,
        deaths;
    /* Requests of each bucket, not cumulative, by points: heat[point][bucket]. */
    float heat[OVERVIEW_POINTS][OVERVIEW_BUCKETS];
    struct overview_route routes[OVERVIEW_ROUTES_MAX];
    size_t route_count;
    struct overview_error errors[OVERVIEW_ERRORS_MAX];
    size_t error_count;
    struct overview_program programs[OVERVIEW_PROGRAMS_MAX];
    size_t program_count;
    struct overview_process processes[OVERVIEW_PROCESSES_MAX];
    size_t process_count, processes_all;
    struct overview_signal signals[SPOOL_SIGNALS];
    struct overview_drop drops[OVERVIEW_DROPS_MAX];
    size_t drop_count;
    /* Chaos and breaker: to see, not to set. */
    bool chaos_on;
    double chaos_probability, chaos_error_rate, chaos_abort_rate;
    double chaos_injected;       /* in the range */
    bool breaker_used;           /* calls are made, or were */
    int breaker;                 /* circuit_breaker_state: 0 closed, 1 open, 2 half-open */
    double calls, call_failures; /* in the range */
};

#endif
