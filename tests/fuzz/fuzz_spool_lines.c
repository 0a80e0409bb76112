/*
 * Any bytes as a stretch of a spool: the items cover every line of it and nothing twice, a record
 * is one JSON object, cutting the same bytes in two pieces gives the same records, and the cut
 * knows what its lines were counted as.
 */
#include "lib/base/json_scan.h"
#include "lib/spool/lines.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define LOG "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"message\":\"a\"}"

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED(LOG "\n" LOG "\n\n" LOG "\n"),
    FUZZ_SEED("{\"asctime\":\"20" LOG "\n{\"asctime\":\"\xc3\xbc\"}\nx\n" LOG),
    FUZZ_SEED("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{},{}]}]}]}\n"
              "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{}]}]}]}\n"
              "{ \"x\":1, \"resourceLogs\" : [ {}, 1 ] }\r\n"),
    FUZZ_SEED("{\"asctime\":\"\0\"}\n{\"asctime\":[{]}\n{\"asctime\":\"\xff\"}\n"),
    {NULL, 0},
};

/* Checks one cut, and returns the number of records in it. */
static size_t check(const struct spool_lines *batch, const char *text, size_t size)
{
    size_t end = 0, records = 0;

    for (size_t i = 0; i < batch->count; i++) {
        const struct spool_line *item = &batch->items[i];

        assert(item->start >= end && item->start + item->length <= size && item->end <= size);
        assert(item->last ? item->end > item->start : item->end == item->line_start);
        end = item->start + item->length;
        if (item->kind != SPOOL_LINE_RECORD)
            continue;
        records += item->records;
        assert(json_scan_line(text + item->line_start, item->line_length) == JSON_SCAN_OBJECT);
        assert(memchr(text + item->start, '\n', item->length) == NULL);
    }
    assert(batch->consumed >= end && batch->consumed <= size);
    return records;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct spool_lines whole, first, second;
    const char *const text = (const char *)data;
    size_t all, parts, counted = 0, after;

    spool_lines_split(&whole, SPOOL_LOGS, text, size, 0, true);
    all = check(&whole, text, size);
    assert(whole.consumed == size || whole.count == SPOOL_LINES_MAX ||
           whole.head_count == SPOOL_LINES_HEADS_MAX);

    for (size_t i = 0; i < whole.count; i++)
        counted += whole.items[i].counted;
    if (whole.consumed == size)
        assert(counted == spool_lines_count(SPOOL_LOGS, text, size, &after));

    /* As the agent sees it while the file grows: up to the middle, then from there on. */
    spool_lines_split(&first, SPOOL_LOGS, text, size / 2, 0, false);
    parts = check(&first, text, size / 2);
    spool_lines_split(&second, SPOOL_LOGS, text + first.consumed, size - first.consumed,
                      spool_lines_open(&first, 0), true);
    parts += check(&second, text + first.consumed, size - first.consumed);
    if (whole.consumed == size)
        assert(parts == all);
    return 0;
}
