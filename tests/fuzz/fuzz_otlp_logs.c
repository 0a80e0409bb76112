/*
 * Lines of a log spool, split as the agent does: each record becomes part of a request that is one
 * JSON object within the bound that the agent's buffer has, and that protobuf can say too, with its
 * resource and its record as if it stood alone; a line that can't be taken apart is named.
 */
#include "lib/base/json_scan.h"
#include "lib/spool/lines.h"
#include "lib/trace/resource.h"
#include "metrics-agent/export/otlp_logs.h"
#include "metrics-agent/export/otlp_protobuf.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

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

static const struct resource own = {.json = "{\"attributes\":[]}", .length = 17};

/* A line's resource and record are the same whatever lines are beside it. */
static void check_alone(const char *body, size_t len, const struct otlp_line *line, char *alone,
                        size_t cap)
{
    static const char opening[] = "{\"resourceLogs\":[", scopes[] = ",\"scopeLogs\":[";
    static const char records[] = "\"logRecords\":[", closing[] = "]}]}]}";
    size_t bad;
    const size_t alone_len = otlp_logs_encode(alone, cap, line, 1, &own, &bad);
    const char *const end = alone + alone_len - (sizeof(closing) - 1);
    const char *const resource = alone + sizeof(opening) - 1;
    const char *const scope = memmem(alone, alone_len, scopes, sizeof(scopes) - 1);
    const char *record = memmem(alone, alone_len, records, sizeof(records) - 1);

    assert(alone_len > 0 && scope > resource && record != NULL);
    record += sizeof(records) - 1;
    assert(end > record && memcmp(end, closing, sizeof(closing) - 1) == 0);
    assert(memmem(body, len, resource, (size_t)(scope - resource)) != NULL);
    assert(memmem(body, len, record, (size_t)(end - record)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spool_lines batch;
    static struct otlp_line lines[SPOOL_LINES_MAX];
    const char *const text = (const char *)data;
    size_t count = 0, cap = 256, len, wire_len, bad;
    struct otlp_fault fault;
    unsigned char *wire;
    char *out, *alone;

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
    alone = malloc(cap);
    wire = malloc(cap);
    assert(out != NULL && alone != NULL && wire != NULL);
    len = otlp_logs_encode(out, cap, lines, count, &own, &bad);
    if (len == 0) {
        assert(bad < count);
    } else {
        assert(json_scan_line(out, len) == JSON_SCAN_OBJECT);
        for (size_t i = 0; i < count; i++)
            check_alone(out, len, &lines[i], alone, cap);
        if (otlp_protobuf_encode(wire, cap, &wire_len, otlp_schema_request(SPOOL_LOGS),
                                 (struct text){out, len}, &fault) == 0)
            assert(wire_len <= len);
    }
    free(out);
    free(alone);
    free(wire);
    return 0;
}
