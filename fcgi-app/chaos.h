/*
 * Faults on demand: which analyses are delayed, fail or end their process, and how the world is
 * told that it was on purpose (docs/chaos.md).
 */
#ifndef FCGI_APP_CHAOS_H
#define FCGI_APP_CHAOS_H

#include "fcgi-app/errors.h"
#include "lib/control/chaos.h"
#include "lib/trace/span.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct metrics;
struct settings;

enum chaos_kind {
    CHAOS_DELAY,
    CHAOS_ERROR,
    CHAOS_ABORT,
    CHAOS_KINDS,
};

/* "delay", "error", "abort": values of the label and the attribute `kind`. */
extern const char *const chaos_kind_names[CHAOS_KINDS];

struct chaos {
    struct chaos_control control;
    uint64_t unseeded; /* this process's own seed, if none is set */
    bool told;         /* of damaged words: it is said once */
};

/* The faults of one analysis. A delay may come before an error or an abort, never both of these. */
struct chaos_faults {
    bool inject[CHAOS_KINDS];
    double delay_ms; /* 0 without a delay */
};

/* Begins to follow what is set at run time in `metrics`, which outlives it. */
void chaos_attach(struct chaos *chaos, const struct settings *settings, struct metrics *metrics);

/* The faults of analysis `number` by `set`: always the same for the same seed and number. */
struct chaos_faults chaos_decide(const struct chaos_set *set, uint64_t number);

/*
 * Injects what is due into the analysis that `span` is of: counts and logs each fault, waits
 * through a delay, and puts the attributes on the span. Returns ERRORS_NONE, or ERRORS_CHAOS_ERROR
 * or ERRORS_CHAOS_ABORT if the analysis is to end here; the span then has its status.
 */
enum errors_kind chaos_inject(struct exchange *exchange, struct span *span);

#endif
