#include "view/quantile.h"

#include <math.h>

double quantile_of(double q, const uint64_t *buckets, const double *bounds, size_t bound_count)
{
    uint64_t below = 0, all = 0;
    double rank;
    size_t at = 0;

    for (size_t i = 0; i <= bound_count; i++)
        all += buckets[i];
    if (all == 0 || bound_count == 0)
        return NAN;
    rank = q * (double)all;
    while (at < bound_count && (buckets[at] == 0 || (double)(below + buckets[at]) < rank))
        below += buckets[at++];
    if (at == bound_count)
        return bounds[bound_count - 1];
    if (at == 0 && bounds[0] <= 0)
        return bounds[0];
    const double start = at > 0 ? bounds[at - 1] : 0;
    return start + (bounds[at] - start) * (rank - (double)below) / (double)buckets[at];
}

double quantile_highest(const uint64_t *buckets, const double *bounds, size_t bound_count)
{
    for (size_t i = bound_count + 1; i-- > 0;) {
        if (buckets[i] > 0)
            return i < bound_count ? bounds[i] : INFINITY;
    }
    return NAN;
}
