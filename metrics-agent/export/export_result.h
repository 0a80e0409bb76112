/*
 * How a signal's last export request ended, for the agent's status file. Times are Unix time in
 * milliseconds.
 */
#ifndef METRICS_AGENT_EXPORT_EXPORT_RESULT_H
#define METRICS_AGENT_EXPORT_EXPORT_RESULT_H

#include "metrics-agent/export/transfer.h"

#include <stdint.h>

struct export_result {
    uint64_t at_ms; /* 0 before the first */
    char code[TRANSFER_CODE_MAX];
    char detail[TRANSFER_DETAIL_MAX];
    uint64_t rejected;   /* records that the answer rejected */
    uint64_t failing_ms; /* since when requests have failed in a row; 0 after a success */
};

/* Takes over what the outcome says. */
void export_result_set(struct export_result *result, const struct transfer_outcome *outcome);

/* The request that was set last is a failure: nothing was delivered, and it is tried again. */
void export_result_failed(struct export_result *result);

#endif
