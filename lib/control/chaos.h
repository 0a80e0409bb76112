/*
 * Which faults are injected on purpose, for all processes of an instance at once: words of the
 * metrics file (docs/metrics-file.md, "Shared words") that `microtrace chaos` writes and every
 * process reads for each analysis. What was set at run time overrides the environment until it is
 * taken back, and outlives every process.
 *
 * Readers never wait: a new set is written beside the current one and becomes valid by one store.
 * While nothing changes, reading costs one load.
 *
 * Each set carries a checksum, and its limits are checked: what a damaged file holds counts as off.
 */
#ifndef LIB_CONTROL_CHAOS_H
#define LIB_CONTROL_CHAOS_H

#include "lib/metrics/words.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CHAOS_CONTROL_WORD = 16, /* the first index for metrics_words_at */
    CHAOS_CONTROL_WORDS = 16,
    CHAOS_CONTROL_DELAY_MAX_MS = 60000,
};

enum chaos_state {
    CHAOS_UNSET, /* at run time: the environment applies */
    CHAOS_OFF,
    CHAOS_ON,
};

/* Shares go from 0 to 1 and are kept in steps of 1e-9. */
struct chaos_set {
    enum chaos_state state;
    double probability;     /* share of the analyses that are delayed ... */
    uint32_t delay_low_ms;  /* ... uniformly from here ... */
    uint32_t delay_high_ms; /* ... to there, at most CHAOS_CONTROL_DELAY_MAX_MS */
    double error_rate;      /* share that ends as an error */
    double abort_rate;      /* share that ends with its process */
    uint64_t seed;          /* the same seed gives the same faults; 0 in an environment without */
    bool fixed;             /* an environment's only: nothing that is set at run time counts */
};

/* One process's view. */
struct chaos_control {
    const struct metrics_words *words;
    const _Atomic uint64_t *seen; /* the words when last read: others mean a new file */
    struct chaos_set set;         /* the set in force, as last read */
    bool run_time;                /* it was set at run time */
    bool damaged;                 /* what was set at run time can't be believed: chaos is off */
    struct chaos_set environment; /* this process's own */
    uint64_t generation;          /* of the set at run time */
};

/*
 * Starts to use `words`, which outlive it; called once. Stores this process's environment (state
 * CHAOS_OFF or CHAOS_ON) there for chaos_control_status, and again in each new metrics file.
 */
void chaos_control_attach(struct chaos_control *control, const struct metrics_words *words,
                          const struct chaos_set *environment);

/*
 * Call it for each analysis: brings control->set up to date. Returns false if no faults are wanted,
 * else true and the analysis's number, unique within this set: from 0 up, in the order of the calls
 * over all processes.
 */
bool chaos_control_next(struct chaos_control *control, uint64_t *number);

/*
 * Takes the lock for setting something at run time, and waits for it. `path` is the metrics file.
 * Returns a descriptor, to be closed, or -1 and errno. The kernel releases the lock of a killed
 * process.
 */
int chaos_control_lock(const char *path);

/*
 * Puts `set` into force; CHAOS_UNSET returns control to the environment. Analyses are numbered from
 * 0 again. The caller holds the lock. Values out of range are clamped.
 */
void chaos_control_write(const struct metrics_words *shared, const struct chaos_set *set);

/* Numbers the analyses of the environment's set from 0 again: called when an instance starts. */
void chaos_control_restart(const struct metrics_words *words);

struct chaos_status {
    struct chaos_set run_time;    /* CHAOS_UNSET: the environment applies */
    bool damaged;                 /* `run_time` could not be believed, and is CHAOS_OFF */
    struct chaos_set environment; /* CHAOS_UNSET: no process has stored it, or it is damaged */
    uint64_t numbered;            /* analyses numbered under the set in force */
};

void chaos_control_status(const struct metrics_words *shared, struct chaos_status *status);

#endif
