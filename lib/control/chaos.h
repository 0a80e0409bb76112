/*
 * Which faults are injected on purpose, for all processes of an instance at once: words of the
 * metrics file (docs/metrics-file.md, "Shared words") that `microtrace chaos` writes and every
 * process looks at for each analysis. What was set at run time wins over the environment until it
 * is taken back, and outlives every process.
 *
 * Readers never wait: a set is written beside the one that holds and becomes valid by one store. As
 * long as nothing was set anew, a look costs one load.
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
    CHAOS_UNSET, /* at run time: the environment holds */
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
};

/* One process's view. */
struct chaos_control {
    const struct metrics_words *words;
    const _Atomic uint64_t *seen; /* the words as they lay at the last look: others are new ones */
    struct chaos_set set;         /* what holds, as of the last look */
    bool run_time;                /* it was set at run time */
    struct chaos_set environment; /* this process's own */
    uint64_t generation;          /* of the set at run time */
};

/*
 * Begins to look at `words`, once; they outlive it. Tells there what this process's environment
 * says (state CHAOS_OFF or CHAOS_ON), for chaos_control_status, and again in each new metrics file.
 */
void chaos_control_attach(struct chaos_control *control, const struct metrics_words *words,
                          const struct chaos_set *environment);

/*
 * To be called for each analysis: brings control->set up to date. Returns false where no faults are
 * asked for, else true and the analysis's number, which no other one of this set has: from 0 up, in
 * the order in which they ask, whichever process they are in.
 */
bool chaos_control_next(struct chaos_control *control, uint64_t *number);

/*
 * Takes the lock that whoever sets something at run time holds, and waits for it. `path` is the
 * metrics file. Returns a descriptor, to be closed, or -1 and errno. The kernel frees a killed
 * holder's.
 */
int chaos_control_lock(const char *path);

/*
 * Sets what holds from now on; CHAOS_UNSET gives it back to the environment. Analyses are numbered
 * from 0 again. The caller holds the lock. Values out of range are cut.
 */
void chaos_control_write(const struct metrics_words *shared, const struct chaos_set *set);

/* Numbers the analyses of the environment's set from 0 again: for whoever starts an instance. */
void chaos_control_restart(const struct metrics_words *words);

struct chaos_status {
    struct chaos_set run_time;    /* CHAOS_UNSET: the environment holds */
    struct chaos_set environment; /* CHAOS_UNSET: no process has told yet */
    uint64_t numbered;            /* analyses that the set which holds was asked about */
};

void chaos_control_status(const struct metrics_words *shared, struct chaos_status *status);

#endif
