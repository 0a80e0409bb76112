#include "cli/load_histogram.h"

#include <math.h>

enum { STEPS = 1 << LOAD_HISTOGRAM_STEP_BITS };

static unsigned index_of(uint64_t ns)
{
    unsigned index, shift;

    if (ns < STEPS)
        return (unsigned)ns;
    shift = 63 - (unsigned)__builtin_clzll(ns) - LOAD_HISTOGRAM_STEP_BITS;
    index = (shift + 1) * STEPS + (unsigned)(ns >> shift) % STEPS;
    return index < LOAD_HISTOGRAM_BUCKETS ? index : LOAD_HISTOGRAM_BUCKETS - 1;
}

static double middle_of(unsigned index)
{
    const unsigned octave = index / STEPS;

    if (octave == 0)
        return index;
    return ((double)(STEPS + index % STEPS) + 0.5) * (double)(UINT64_C(1) << (octave - 1));
}

void load_histogram_add(struct load_histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->sum_ns += (double)ns;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
    histogram->buckets[index_of(ns)]++;
}

void load_histogram_merge(struct load_histogram *into, const struct load_histogram *from)
{
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

double load_histogram_quantile(const struct load_histogram *histogram, double q)
{
    const double rank = fmax(1, ceil(q * (double)histogram->count));
    uint64_t seen = 0;

    if (histogram->count == 0)
        return 0;
    for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if ((double)seen >= rank)
            return fmin(middle_of(i), (double)histogram->max_ns);
    }
    return (double)histogram->max_ns;
}
