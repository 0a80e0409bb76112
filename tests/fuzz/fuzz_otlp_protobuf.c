/*
 * Any text as a request of each signal: what is taken for one is JSON, its encoding has a bounded
 * length and needs no byte of room more than it has; what is not is refused with a reason.
 */
#include "lib/base/json_walk.h"
#include "metrics-agent/export/otlp_protobuf.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define SCOPE "\"scope\":{\"name\":\"s\",\"dropped_attributes_count\":\"1e1\"},"

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("{\"resourceSpans\":[{\"scopeSpans\":[{" SCOPE
              "\"spans\":[{\"traceId\":\"0a\\u0030b\","
              "\"kind\":\"SPAN_KIND_SERVER\",\"x\":[{\"y\":null}],\"end_time_unix_nano\":10.0e-1,"
              "\"attributes\":[{\"key\":\"k\",\"value\":{\"arrayValue\":{\"values\":[{\"bytesValue"
              "\":\"\\/-_+\"},{\"doubleValue\":\"NaN\"},{}]}}}],\"status\":null}]}]}]}"),
    FUZZ_SEED("{ \"resource_logs\" : [ { \"scopeLogs\" : [ { \"logRecords\" : [ { \"body\" : { "
              "\"kvlistValue\" : { \"values\" : [ { \"value\" : { \"intValue\" : \"-1E2\" } } ] } "
              "} , \"severityNumber\" : 9 } ] } ] } ] }"),
    FUZZ_SEED("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"histogram\":{\"dataPoints"
              "\":[{\"bucketCounts\":[1,\"2\"],\"explicitBounds\":[0.5],\"min\":1}]}},{\"sum\":{"
              "\"dataPoints\":[{\"asInt\":-7}],\"isMonotonic\":true}},{\"exponentialHistogram\":{"
              "\"dataPoints\":[{\"scale\":-1,\"positive\":{\"offset\":3}}]}}]}]}]}"),
    {NULL, 0},
};

static void check(const struct otlp_message *request, struct text json)
{
    const size_t cap = json.len * OTLP_PROTOBUF_GROWTH;
    unsigned char *const wire = malloc(cap + 1);
    struct otlp_fault fault = {NULL, NULL};
    struct json_fault json_fault;
    size_t len, again;

    assert(wire != NULL);
    if (otlp_protobuf_encode(wire, cap, &len, request, json, &fault) == 0) {
        assert(json_walk_valid(json, false, &json_fault));
        assert(len <= cap);
        if (len > 0)
            assert(otlp_protobuf_encode(wire, len - 1, &again, request, json, &fault) == -1);
    } else {
        assert(fault.member != NULL && fault.what != NULL);
        assert(strcmp(fault.what, "too long for a request") != 0);
    }
    free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct text json = {(const char *)data, size};

    check(otlp_schema_request(SPOOL_TRACES), json);
    check(otlp_schema_request(SPOOL_LOGS), json);
    check(otlp_schema_metrics_request(), json);
    return 0;
}
