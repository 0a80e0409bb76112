/*
 * Any bytes as the records of a spool that somebody looks at: nothing is read beyond them, the walk
 * through the tree comes to its end, and what is shown commands no terminal.
 */
#include "cli/waterfall.h"
#include "tests/fuzz/fuzz.h"
#include "view/trace_ids.h"
#include "view/view_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED(
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
        "\"value\":{\"stringValue\":\"a\"}},{\"key\":\"host.name\",\"value\":{\"stringValue\":"
        "\"h\"}}]},\"scopeSpans\":[{\"spans\":[{\"spanId\":\"aaaaaaaaaaaaaaaa\",\"name\":"
        "\"\\u001b[31m\",\"startTimeUnixNano\":\"100\",\"endTimeUnixNano\":\"200\","
        "\"attributes\":[{\"key\":\"url.path\",\"value\":{\"stringValue\":\"/x y\"}}],"
        "\"events\":[{\"timeUnixNano\":\"150\",\"name\":\"e\"}],\"status\":{\"code\":2,"
        "\"message\":\"m\"}}]}]}]}\n"
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"spanId\":\"bbbbbbbbbbbbbbbb\","
        "\"parentSpanId\":\"aaaaaaaaaaaaaaaa\",\"startTimeUnixNano\":\"9\",\"kind\":3},{"
        "\"spanId\":\"cccccccccccccccc\",\"parentSpanId\":\"cccccccccccccccc\"}]}]}]}\n"),
    FUZZ_SEED("{\"asctime\":\"2026-01-01T00:00:00.000Z\",\"levelname\":\"ERROR\",\"name\":\"n\","
              "\"message\":\"m\",\"trace_id\":\"" ID "\",\"span_id\":\"aaaaaaaaaaaaaaaa\"}\n"
              "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{\"kvlistValue\":{}},"
              "\"severityNumber\":17,\"timeUnixNano\":\"5\"}]}]}]}\n"),
    {NULL, 0},
};

static bool take_span(void *context, const struct record_parts *parts)
{
    view_trace_add_span(context, parts);
    return true;
}

static bool take_log(void *context, const struct record_parts *parts)
{
    view_trace_add_log(context, parts, parts->record.len % 2 == 0);
    return true;
}

static void add(struct view_trace *trace, enum spool_signal signal, const char *text, size_t len)
{
    static struct spool_lines batch;
    static struct record_walk walk;

    spool_lines_split(&batch, signal, text, len, 0, true);
    for (size_t i = 0; i < batch.count; i++) {
        if (batch.items[i].kind == SPOOL_LINE_RECORD)
            (void)record_walk_each(&walk, signal, &batch, text, i,
                                   signal == SPOOL_TRACES ? take_span : take_log, trace);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct waterfall_style style = {.width = 40 + (unsigned)size % 200, .utf8 = size % 2 == 0};
    struct arena arena = {.max = 8 << 20};
    struct trace_ids ids = {.count = 0};
    struct view_trace trace;
    char *shown = NULL;
    size_t len = 0;
    FILE *const to = open_memstream(&shown, &len);
    /* Of the exact size: a byte beyond it is somebody else's. */
    char *const text = malloc(size + 1);

    assert(to != NULL && text != NULL);
    memcpy(text, data, size);
    text[size] = '\n';
    (void)trace_ids_add(&ids, text_of(ID));
    (void)trace_ids_may_be_in(&ids, (struct text){text, size});
    view_trace_init(&trace, &arena, ID);
    add(&trace, SPOOL_TRACES, text, size + 1);
    add(&trace, SPOOL_LOGS, text, size + 1);
    view_trace_build(&trace);
    style.all = size % 3 == 0;
    style.lines = 1 + (unsigned)size % 12;
    waterfall_print(to, &style, &trace);
    assert(fclose(to) == 0);
    for (size_t i = 0; i < len; i++)
        assert((unsigned char)shown[i] >= 0x20 || shown[i] == '\n');
    free(shown);
    free(text);
    view_trace_free(&trace);
    arena_free(&arena);
    return 0;
}
