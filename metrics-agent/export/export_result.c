#include "metrics-agent/export/export_result.h"

#include "lib/base/clock.h"

#include <string.h>

void export_result_set(struct export_result *result, const struct transfer_outcome *outcome)
{
    result->at_ms = clock_unix_ns() / CLOCK_NS_PER_MS;
    memcpy(result->code, outcome->code, sizeof(result->code));
    memcpy(result->detail, outcome->detail, sizeof(result->detail));
    result->rejected = outcome->rejected;
}

void export_result_failed(struct export_result *result)
{
    if (result->failing_ms == 0)
        result->failing_ms = result->at_ms;
}
