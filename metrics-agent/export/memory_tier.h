/*
 * The tier in memory (docs/spool.md, section "Two tiers"), MICROTRACE_RUN_DIR/spool: that the
 * directory is there means to writers that they append there. The agent makes it, moves to the disk
 * what can't be sent soon, and takes it away where there is to be one tier.
 */
#ifndef METRICS_AGENT_EXPORT_MEMORY_TIER_H
#define METRICS_AGENT_EXPORT_MEMORY_TIER_H

#include "metrics-agent/export/exporter.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEMORY_TIER_WAIT_MS = 10000 /* what has waited so long moves to the disk */ };

struct memory_tier {
    char path[PATH_MAX];
    struct segments_dirs dirs;
    uint64_t max_bytes;
    uint64_t run_ns; /* no look before this */
    bool failed;     /* a segment could not be moved, and that was said */
    bool wanted;     /* there is to be one */
    bool unusable;   /* the directory could not be taken, and that was said */
};

/*
 * Opens it beside the spool's directory `disk_fd`. There is none, and dirs.memory_fd is -1, unless
 * the run directory is in memory (tmpfs) and the spool is not, where MICROTRACE_SPOOL_MEMORY_BYTES
 * is 0, or while the agent only drains; a directory that an agent before has left is read and
 * emptied then (dirs.leaving_memory). What is wrong with it is said; it is no failure.
 */
void memory_tier_open(struct memory_tier *tier, const struct exporter_shared *shared, int disk_fd);

void memory_tier_close(struct memory_tier *tier);

/*
 * Whether there is to be one, there is none since its directory could not be taken, and now it can:
 * writers take a directory that was put right as the sign that somebody reads it. It is not opened.
 */
bool memory_tier_can_open(struct memory_tier *tier);

/*
 * Whether the path is still the directory's. If not, it is made anew where it can be, and
 * dirs.memory_fd is that one or -1.
 */
bool memory_tier_check(struct memory_tier *tier);

/*
 * Moves what has to be moved, of all signals: one segment, then it is time for others. Returns when
 * to call again (monotonic ns).
 */
uint64_t memory_tier_run(struct memory_tier *tier, struct exporter *exporters, size_t count,
                         uint64_t now_ns);

/* The agent ends: moves everything, and takes the directory away where nothing is left in it. */
void memory_tier_leave(struct memory_tier *tier, struct exporter *exporters, size_t count);

#endif
