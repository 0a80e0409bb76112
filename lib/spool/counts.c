#include "lib/spool/counts.h"

const char *spool_counts_reason(enum spool_drop drop)
{
    static const char *const reasons[SPOOL_DROPS] = {"cap", "torn", "deleted", "quarantine_failed"};

    return reasons[drop];
}

uint64_t spool_counts_settled(const struct spool_counts *counts)
{
    uint64_t sum = counts->delivered + counts->rejected + counts->quarantined;
    int i;

    for (i = 0; i < SPOOL_DROPS; i++)
        sum += counts->dropped[i];
    return sum;
}
