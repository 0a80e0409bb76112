/*
 * Durations in bounded memory: a log-linear histogram, 32 steps in each power of two from 1 ns to
 * 73 minutes, so that a quantile is off by 1/64 of itself at most.
 */
#ifndef CLI_LOAD_HISTOGRAM_H
#define CLI_LOAD_HISTOGRAM_H

#include <stdint.h>

enum {
    LOAD_HISTOGRAM_STEP_BITS = 5,
    LOAD_HISTOGRAM_OCTAVES = 38,
    LOAD_HISTOGRAM_BUCKETS = LOAD_HISTOGRAM_OCTAVES << LOAD_HISTOGRAM_STEP_BITS,
};

/* All zero is empty. */
struct load_histogram {
    uint64_t count;
    double sum_ns;
    uint64_t max_ns;
    uint64_t buckets[LOAD_HISTOGRAM_BUCKETS];
};

/* What is longer than the last bucket's counts there; max_ns has it exactly. */
void load_histogram_add(struct load_histogram *histogram, uint64_t ns);

/* Adds all of `from` to `into`. */
void load_histogram_merge(struct load_histogram *into, const struct load_histogram *from);

/* The nanoseconds below or at which the share `q` (0 to 1) of the durations lies; 0 when empty. */
double load_histogram_quantile(const struct load_histogram *histogram, double q);

#endif
