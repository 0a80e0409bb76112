/*
 * Quantiles of a histogram's buckets, as Prometheus' histogram_quantile has them: by linear
 * interpolation within the bucket. Pure.
 */
#ifndef VIEW_QUANTILE_H
#define VIEW_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The value below which a share `q` (0 to 1) of the observations lies. `buckets` are bound_count +
 * 1, not cumulative, the last for values above all bounds: where the quantile lies in that one, it
 * is the highest bound. NAN without observations.
 */
double quantile_of(double q, const uint64_t *buckets, const double *bounds, size_t bound_count);

/*
 * The upper bound of the highest bucket with an observation: INFINITY for the last one, NAN without
 * observations.
 */
double quantile_highest(const uint64_t *buckets, const double *bounds, size_t bound_count);

#endif
