/*
 * Lines of a log spool, split as the agent does: each record becomes part of a request that is one
 * JSON object within the bound that the agent's buffer has, and that protobuf can say too; a line
 * that can't be taken apart is named.
 */
#include "lib/base/json_scan.h"
#include "lib/spool/lines.h"
#include "lib/trace/resource.h"
#include "metrics-agent/export/otlp_logs.h"
#include "metrics-agent/export/otlp_protobuf.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define LOG(name, more)                                                                            \
    "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"levelname\":\"INFO\",\"name\":\"" name            \
    "\",\"message\":\"m\",\"request_id\":\"r\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"," \
    "\"span_id\":\"b7ad6b7169203331\"" more "}\n"
#define R(service, more) ",\"resource\":{\"service.name\":\"" service "\"" more "}"

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED(LOG("a", "") LOG("b", ",\"errors\":[{\"type\":\"x\\\"\\\\\"}],\"n\":null")),
    FUZZ_SEED(LOG("a", ",\"i\":-7,\"d\":1e300,\"z\":-0,\"t\":true,\"big\":9223372036854775808")),
    FUZZ_SEED("{\"asctime\":\"soon\", \"message\" : {\"a\":1} ,\"\":\"\\ud83d\"}\n"),
    FUZZ_SEED(LOG("a", R("shop", ",\"n\":2")) LOG("b", R("shop", ",\"n\":2"))
                  LOG("a", R("cart", "")) LOG("a", "")),
    FUZZ_SEED("{\"asctime\":\"\", \"resource\" : {\"a\":null} ,\"name\":\"n\"}\n" LOG(
        "a", ",\"resource\":{\"a\":{}}") LOG("a", ",\"x\":{\"y\":1" R("shop", "") "}")),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spool_lines batch;
    static struct otlp_line lines[SPOOL_LINES_MAX];
    static const struct resource resource = {.json = "{\"attributes\":[]}", .length = 17};
    const char *const text = (const char *)data;
    size_t count = 0, cap = 256, len, wire_len, bad;
    unsigned char *wire;
    char *out;

    spool_lines_split(&batch, SPOOL_LOGS, text, size, true);
    for (size_t i = 0; i < batch.count; i++) {
        const struct spool_line *item = &batch.items[i];

        if (item->kind != SPOOL_LINE_RECORD)
            continue;
        lines[count++] = (struct otlp_line){text + item->start, item->length};
        cap += item->length * OTLP_LOGS_GROWTH;
    }
    if (count == 0)
        return 0;
    out = malloc(cap);
    wire = malloc(cap);
    assert(out != NULL && wire != NULL);
    len = otlp_logs_encode(out, cap, lines, count, &resource, &bad);
    if (len == 0) {
        assert(bad < count);
    } else {
        assert(json_scan_line(out, len) == JSON_SCAN_OBJECT);
        if (otlp_protobuf_encode(wire, cap, &wire_len, SPOOL_LOGS, out, len) == 0)
            assert(wire_len <= len);
    }
    free(out);
    free(wire);
    return 0;
}
