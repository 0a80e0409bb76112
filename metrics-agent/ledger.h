/*
 * What the spool holds as a whole: the numbers that are published of it, and its cap.
 */
#ifndef METRICS_AGENT_LEDGER_H
#define METRICS_AGENT_LEDGER_H

#include "metrics-agent/forward.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Looks at up to `budget` bytes of lines that were not counted yet, and publishes the books. With
 * `age` the oldest waiting record's age too, which reads from its file.
 */
void ledger_publish(struct forward *forward, uint64_t budget, bool age);

/*
 * Deletes the oldest sealed segment of all signals, counting what was not delivered as dropped,
 * until the spool is within `max_bytes`. With no sealed one left the largest active file is sealed.
 */
void ledger_enforce_cap(struct forward *forwards, size_t count, uint64_t max_bytes);

#endif
