/*
 * The batch that an exporter has in hand: cut from the spool, and settled in the books item by item
 * as what was sent of it is answered.
 */
#ifndef METRICS_AGENT_EXPORT_EXPORTER_BATCH_H
#define METRICS_AGENT_EXPORT_EXPORTER_BATCH_H

#include "metrics-agent/export/exporter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Cuts a batch from the oldest segment that has something complete. Returns false where there is
 * nothing, or e->look_ns says to try again at once.
 */
bool exporter_batch_read(struct exporter *exporter);

/*
 * Settles the items up to `end`: the records among them are delivered, or `rejected` of them
 * rejected; all else is kept apart, a refused one with `detail`.
 */
void exporter_batch_settle(struct exporter *exporter, size_t end, uint64_t rejected,
                           const char *detail);

/* There is no batch any more. */
void exporter_batch_none(struct exporter *exporter);

#endif
