/*
 * Which segments go when the spool is larger than MICROTRACE_SPOOL_MAX_BYTES, or its file system
 * is full.
 */
#ifndef METRICS_AGENT_EXPORT_RETENTION_H
#define METRICS_AGENT_EXPORT_RETENTION_H

#include "metrics-agent/export/exporter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Deletes the oldest sealed segment of all signals, counting what was not delivered as dropped,
 * until the spool is within `max_bytes` or EXPORTER_STEP_MS are over. With no sealed one left the
 * largest active file is sealed. Returns whether there is nothing left to do.
 */
bool retention_enforce_cap(struct exporter *exporters, size_t count, uint64_t max_bytes);

/*
 * Deletes the oldest of the delivered records that are kept, until they are within
 * MICROTRACE_SPOOL_KEEP_BYTES, and leave all that waits its room in the spool and in memory, and
 * what comes two segments' room on the disk.
 */
void retention_limit_kept(struct exporter *exporters, size_t count);

/*
 * For a full file system: deletes what is kept, and gives back what delivered records take, without
 * waiting for a segment to become full. An active file whose lines are all settled is sealed, to be
 * deleted once no writer has it open; until then the settled part of a sealed segment is punched
 * out.
 */
void retention_make_room(struct exporter *exporters, size_t count);

#endif
