/*
 * What the spool holds, counted and published as metrics.
 */
#ifndef METRICS_AGENT_EXPORT_ACCOUNTING_H
#define METRICS_AGENT_EXPORT_ACCOUNTING_H

#include "metrics-agent/export/exporter.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Looks at up to `budget` bytes of lines that were not counted yet, and publishes the counts. With
 * `age` the oldest waiting record's age too, which reads from its file. Returns whether all lines
 * have been counted.
 */
bool accounting_publish(struct exporter *exporter, uint64_t budget, bool age);

#endif
