/*
 * Records that nobody can use, kept for people: <spool>/<signal>.quarantine.jsonl, one JSON object
 * a line: asctime, reason, detail, length, record. At MICROTRACE_SPOOL_SEGMENT_BYTES the file
 * becomes <signal>.quarantine.old.jsonl, in place of an older one, so that it never fills the disk.
 */
#ifndef METRICS_AGENT_EXPORT_QUARANTINE_H
#define METRICS_AGENT_EXPORT_QUARANTINE_H

#include "lib/telemetry.h"

#include <stddef.h>
#include <stdint.h>

struct quarantine {
    int dir_fd;
    enum spool_signal signal;
    uint64_t max_bytes;
};

/*
 * Adds one record, `len` bytes as they stand in the spool. `reason` is spool_line_reason's,
 * `detail` what the endpoint said, why there is no protobuf of it, or "". Returns 0, or -1 with
 * errno; the record is given up either way.
 */
int quarantine_add(const struct quarantine *quarantine, const char *reason, const char *detail,
                   const char *record, size_t len, uint64_t full_len);

#endif
