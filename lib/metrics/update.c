/* The updates of lib/metrics/metrics.h that are too long to be inline. */
#include "lib/metrics/file.h"
#include "lib/metrics/metrics.h"

#include <math.h>
#include <string.h>

/* What one observation adds to the stored sum at most: the sum has room for two of these. */
#define STEPS_MAX 0x1p62

void metrics_gauge_set(struct metrics_gauge *gauge, double value)
{
    uint64_t bits;

    if (gauge == NULL)
        return;
    memcpy(&bits, &value, sizeof(bits));
    atomic_store_explicit(atomic_load_explicit(&gauge->cell, memory_order_acquire), bits,
                          memory_order_relaxed);
}

void metrics_gauge_add(struct metrics_gauge *gauge, double delta)
{
    uint64_t bits;

    if (gauge == NULL)
        return;
    _Atomic uint64_t *cell = atomic_load_explicit(&gauge->cell, memory_order_acquire);
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);

    do {
        double value;
        memcpy(&value, &old, sizeof(value));
        value += delta;
        memcpy(&bits, &value, sizeof(bits));
    } while (!atomic_compare_exchange_weak_explicit(cell, &old, bits, memory_order_relaxed,
                                                    memory_order_relaxed));
}

/* The first bucket whose upper bound is not below `value`; without branches that depend on it. */
static inline uint32_t bucket_of(const double *bounds, uint32_t count, double value)
{
    const double *low = bounds;

    if (count == 0)
        return 0;
    while (count > 1) {
        uint32_t half = count / 2;
        low = low[half - 1] < value ? low + half : low;
        count -= half;
    }
    return (uint32_t)(low - bounds) + (*low < value);
}

/* Returns the bucket. */
static inline uint32_t observe(const struct metrics_histogram *histogram, double value)
{
    _Atomic uint64_t *cells = atomic_load_explicit(&histogram->cells, memory_order_acquire);
    uint32_t bucket = bucket_of(histogram->bounds, histogram->bound_count, value);
    double steps = value * histogram->steps_per_unit;

    atomic_fetch_add_explicit(&cells[bucket], 1, memory_order_relaxed);
    if (steps >= -STEPS_MAX && steps <= STEPS_MAX) {
        int64_t rounded = (int64_t)(steps < 0 ? steps - 0.5 : steps + 0.5);
        atomic_fetch_add_explicit(&cells[histogram->bound_count + 1], (uint64_t)rounded,
                                  memory_order_relaxed);
    }
    return bucket;
}

void metrics_observe(struct metrics_histogram *histogram, double value)
{
    if (histogram != NULL && !isnan(value))
        observe(histogram, value);
}

/*
 * Two writers may mix their words, and one may be killed between them: the check word, over all
 * others, then belongs to neither, and readers pass over the cell until the next write.
 */
static void leave_exemplar(struct metrics_exemplar_cell *cell, double value,
                           const struct trace_id *trace, const struct span_id *span,
                           uint64_t unix_ns)
{
    uint64_t bits, trace_words[2], span_word;

    memcpy(&bits, &value, sizeof(bits));
    memcpy(trace_words, trace->bytes, sizeof(trace_words));
    memcpy(&span_word, span->bytes, sizeof(span_word));
    atomic_store_explicit(&cell->value, bits, memory_order_relaxed);
    atomic_store_explicit(&cell->unix_ns, unix_ns, memory_order_relaxed);
    atomic_store_explicit(&cell->trace[0], trace_words[0], memory_order_relaxed);
    atomic_store_explicit(&cell->trace[1], trace_words[1], memory_order_relaxed);
    atomic_store_explicit(&cell->span, span_word, memory_order_relaxed);
    atomic_store_explicit(
        &cell->check,
        metrics_file_exemplar_check(bits, unix_ns, trace_words[0], trace_words[1], span_word),
        memory_order_release);
}

void metrics_observe_exemplar(struct metrics_histogram *histogram, double value,
                              const struct trace_id *trace, const struct span_id *span,
                              uint64_t unix_ns)
{
    if (histogram == NULL || isnan(value))
        return;
    uint32_t bucket = observe(histogram, value);
    struct metrics_exemplar_cell *cells =
        atomic_load_explicit(&histogram->exemplars, memory_order_acquire);
    if (cells != NULL)
        leave_exemplar(&cells[bucket], value, trace, span, unix_ns);
}

void metrics_exemplar(struct metrics_histogram *histogram, double value,
                      const struct trace_id *trace, const struct span_id *span, uint64_t unix_ns)
{
    if (histogram == NULL || isnan(value))
        return;
    struct metrics_exemplar_cell *cells =
        atomic_load_explicit(&histogram->exemplars, memory_order_acquire);
    if (cells != NULL)
        leave_exemplar(&cells[bucket_of(histogram->bounds, histogram->bound_count, value)], value,
                       trace, span, unix_ns);
}
