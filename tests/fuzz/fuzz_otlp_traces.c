/*
 * Lines of a span spool, split as the agent does: what it takes for records is spliced into a
 * request that is one JSON object again, and in protobuf of a bounded length; no byte is passed
 * over.
 */
#include "lib/base/json_scan.h"
#include "lib/spool/lines.h"
#include "metrics-agent/export/otlp_protobuf.h"
#include "metrics-agent/export/otlp_traces.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define SPAN(resource, name)                                                                       \
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":{"                \
    "\"stringValue\":\"" resource "\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"s\"},\"spans\":[" \
    "{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"flags\":257,\"name\":\"" name             \
    "\",\"kind\":2,\"startTimeUnixNano\":\"1735905601234000000\",\"attributes\":[{\"key\":\"d\","  \
    "\"value\":{\"doubleValue\":10.5}},{\"key\":\"i\",\"value\":{\"intValue\":\"-7\"}}],"          \
    "\"status\":{\"code\":2}}]}]}]}\n"

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED(SPAN("a", "one") SPAN("a", "two") SPAN("b", "\\u00fc\\ud83d\\ude00")),
    FUZZ_SEED(SPAN("a", "one") "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[]}]},{}]}\n"),
    FUZZ_SEED("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{},{\"links\":[{\"spanId\":\"0a\"}]"
              "}]}],\"schemaUrl\":null}]}\n"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spool_lines batch;
    static struct otlp_line lines[SPOOL_LINES_MAX];
    const char *const text = (const char *)data;
    size_t count = 0, cap = 64, len, wire_len, end = 0;
    struct otlp_fault fault;
    unsigned char *wire;
    char *out;

    spool_lines_split(&batch, SPOOL_TRACES, text, size, true);
    for (size_t i = 0; i < batch.count; i++) {
        const struct spool_line *item = &batch.items[i];

        assert(item->start >= end && item->start + item->length <= item->end && item->end <= size);
        end = item->end;
        if (item->kind != SPOOL_LINE_RECORD)
            continue;
        lines[count++] = (struct otlp_line){text + item->start, item->length};
        cap += item->length + 64;
    }
    if (count == 0)
        return 0;
    out = malloc(cap);
    wire = malloc(cap * OTLP_PROTOBUF_GROWTH);
    assert(out != NULL && wire != NULL);
    len = otlp_traces_encode(out, cap, lines, count);
    assert(len > 0 && len <= cap);
    assert(json_scan_line(out, len) == JSON_SCAN_OBJECT);
    if (otlp_protobuf_encode(wire, cap * OTLP_PROTOBUF_GROWTH, &wire_len,
                             otlp_schema_request(SPOOL_TRACES), (struct text){out, len},
                             &fault) == 0)
        assert(wire_len <= len * OTLP_PROTOBUF_GROWTH);
    else
        assert(fault.what != NULL && fault.member != NULL);
    (void)otlp_protobuf_rejected(data, size);
    free(out);
    free(wire);
    return 0;
}
