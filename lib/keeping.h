/*
 * Keeps or discards the local traces of a program by its rules (lib/trace/keep.h), with all that
 * hangs on it: spans that have ended before the decision, exemplars that must not point to a trace
 * that nobody will find, and the counts. For one thread at a time.
 */
#ifndef LIB_KEEPING_H
#define LIB_KEEPING_H

#include "lib/metrics/metrics.h"
#include "lib/trace/held.h"
#include "lib/trace/keep.h"
#include "lib/trace/span.h"

#include <stddef.h>
#include <stdint.h>

enum {
    /* Further ones before a decision are none; the values count all the same. */
    KEEPING_EXEMPLARS_MAX = 64,
};

struct keeping_exemplar {
    const struct span *root;
    struct metrics_histogram *histogram;
    double value;
    struct span_id span_id;
    uint64_t unix_ns;
};

struct keeping {
    const struct keep *rules;
    struct metrics_counter *kept[KEEP_REASONS], *discarded;
    size_t exemplar_count;
    struct keeping_exemplar exemplars[KEEPING_EXEMPLARS_MAX];
    struct held held;
};

/* Takes a span that is to be written now. */
typedef void keeping_take(void *context, const struct span *span);

/* `rules` and `metrics` outlive it. The counters exist from here on. */
void keeping_init(struct keeping *keeping, const struct keep *rules, struct metrics *metrics);

/* A recorded span without a parent in this process has begun. */
void keeping_begin(const struct keeping *keeping, struct span *root);

/*
 * A recorded span has ended. Gives `take` what is to be written: the span, if its trace is kept,
 * and all that waited for it; or nothing. A local root gets the attribute microtrace.keep.reason,
 * if there are rules. A trace that needs more room than there is (lib/trace/held.h) is kept.
 */
void keeping_end(struct keeping *keeping, struct span *span, keeping_take *take, void *context);

/* Observes `value`, with the span as its exemplar as soon as its trace is known to be kept. */
void keeping_observe(struct keeping *keeping, struct metrics_histogram *histogram, double value,
                     const struct span *span);

/* Takes out all spans that wait, whose roots nobody will end; `take` may be NULL. */
void keeping_clear(struct keeping *keeping, keeping_take *take, void *context);

#endif
