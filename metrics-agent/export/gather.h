/*
 * How long the agent lets writes gather, once it has been told of one, before it looks at the
 * files. After a pause, and while little is written, that is GATHER_MIN_MS; while much is written
 * each look doubles it up to GATHER_MAX_MS, so that a busy spool costs few wake-ups. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_GATHER_H
#define METRICS_AGENT_EXPORT_GATHER_H

#include <stdint.h>

enum {
    GATHER_MIN_MS = 25, /* so that a burst becomes a batch */
    GATHER_MAX_MS = 200,
    /* In GATHER_MIN_MS, up to which a spool is not busy: about 50 requests a second. */
    GATHER_FEW_BYTES = 4096,
};

/*
 * The wait after a look that came `waited_ms` (GATHER_MIN_MS to GATHER_MAX_MS) after a write and
 * found `grown` bytes more than the look before it. More than `much` are too many to find at once:
 * the wait is halved then, so that a file is sealed and room is made in time.
 */
unsigned gather_next_ms(unsigned waited_ms, uint64_t grown, uint64_t much);

#endif
