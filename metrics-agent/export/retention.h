/*
 * MICROTRACE_SPOOL_MAX_BYTES: which segments go when the spool is larger than that.
 */
#ifndef METRICS_AGENT_EXPORT_RETENTION_H
#define METRICS_AGENT_EXPORT_RETENTION_H

#include "metrics-agent/export/exporter.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Deletes the oldest sealed segment of all signals, counting what was not delivered as dropped,
 * until the spool is within `max_bytes`. With no sealed one left the largest active file is sealed.
 */
void retention_enforce_cap(struct exporter *exporters, size_t count, uint64_t max_bytes);

#endif
