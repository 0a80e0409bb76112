/*
 * Goal: whatever bytes stand in a spool file, each record comes out whole and alone, each piece of
 * a torn one is told from it, and nothing is passed over: the items cover every line.
 */
#include "lib/base/json_scan.h"
#include "lib/spool/lines.h"
#include "lib/spool/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPAN(name)                                                                                 \
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[]},\"scopeSpans\":[{\"scope\":{\"name\":"  \
    "\"microtrace\",\"version\":\"0.1.0\"},\"spans\":[{\"name\":\"" name "\"}]}]}]}"
#define LOG(message) "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"message\":\"" message "\"}"

static struct spool_lines batch;

/* Whether a line holds no records, or blanks alone. */
static bool holds_none(const char *text, size_t len)
{
    static struct spool_lines one;

    spool_lines_split(&one, SPOOL_TRACES, text, len, 0, true);
    return one.count == 0 && one.consumed == len;
}

static void split_n(enum spool_signal signal, const char *text, size_t len, bool complete)
{
    size_t i, end = 0;

    spool_lines_split(&batch, signal, text, len, 0, complete);
    for (i = 0; i < batch.count; i++) {
        const struct spool_line *item = &batch.items[i];
        const bool first = i == 0 || batch.items[i - 1].last;

        assert_true(item->records > 0 && item->start >= item->line_start &&
                    item->start + item->length <= item->line_start + item->line_length);
        assert_true(item->end == (item->last ? item->end : item->line_start));
        assert_true(item->end <= len);
        if (!first)
            assert_true(item->start >= batch.items[i - 1].start + batch.items[i - 1].length &&
                        item->line_start == batch.items[i - 1].line_start);
        else
            assert_true(end == item->line_start || holds_none(text + end, item->line_start - end));
        if (item->last) {
            assert_true(item->end >= item->line_start + item->line_length);
            end = item->end;
        }
    }
    assert_true(batch.consumed >= end && batch.consumed <= len);
}

static void split(enum spool_signal signal, const char *text, bool complete)
{
    split_n(signal, text, strlen(text), complete);
}

/* One letter an item: r record, t torn, m malformed, c control, u utf8, o oversize. */
static void expect(const char *kinds)
{
    static const char letters[] = "rtmcuoX";
    char found[SPOOL_LINES_MAX + 1];
    size_t i;

    for (i = 0; i < batch.count; i++)
        found[i] = letters[batch.items[i].kind];
    found[batch.count] = '\0';
    assert_string_equal(found, kinds);
}

static void whole_lines(void **state)
{
    (void)state;
    split(SPOOL_TRACES, SPAN("a") "\n" SPAN("b") "\n" SPAN("c"), false);
    expect("rr");
    assert_int_equal(batch.consumed, 2 * (sizeof(SPAN("a"))));
    split(SPOOL_LOGS, LOG("a") "\n" LOG("\\u0000 {\\\"asctime\\\":") "\n", false);
    expect("rr");
    split(SPOOL_LOGS, "", true);
    expect("");
}

static void blank_lines_are_no_records(void **state)
{
    (void)state;
    split(SPOOL_LOGS, "\n\n" LOG("a") "\n\n" LOG("b") "\n\n", false);
    expect("rr");
    assert_int_equal(batch.consumed, strlen("\n\n" LOG("a") "\n\n" LOG("b") "\n\n"));
    split(SPOOL_LOGS, "\n\n\n", false);
    expect("");
    assert_int_equal(batch.consumed, 3);
}

/* Cut a record at every byte and join what follows to it, with and without a newline between. */
static void every_cut(void **state)
{
    static const struct {
        enum spool_signal signal;
        const char *record;
    } cases[] = {{SPOOL_TRACES, SPAN("q\\\"\\\\ \xc3\xbc {[")}, {SPOOL_LOGS, LOG("\\u00fc\\\\")}};
    char text[2048];
    size_t i, cut;

    (void)state;
    for (i = 0; i < 2; i++) {
        size_t len = strlen(cases[i].record);

        for (cut = 1; cut < len; cut++) {
            int n = snprintf(text, sizeof text, "%.*s%s\n%s\n", (int)cut, cases[i].record,
                             cases[i].record, cases[i].record);

            split_n(cases[i].signal, text, (size_t)n, false);
            expect("trr");
            assert_int_equal(batch.items[1].line_length, len);
            assert_memory_equal(text + batch.items[1].line_start, cases[i].record, len);

            n = snprintf(text, sizeof text, "%.*s\n%s\n", (int)cut, cases[i].record,
                         cases[i].record);
            split_n(cases[i].signal, text, (size_t)n, false);
            assert_int_equal(batch.count, 2);
            assert_int_not_equal(batch.items[0].kind, SPOOL_LINE_RECORD);
            assert_int_equal(batch.items[1].kind, SPOOL_LINE_RECORD);

            /* The tail of a record whose start is gone. */
            n = snprintf(text, sizeof text, "%s\n%s\n", cases[i].record + cut, cases[i].record);
            split_n(cases[i].signal, text, (size_t)n, false);
            assert_int_equal(batch.count, 2);
            assert_int_not_equal(batch.items[0].kind, SPOOL_LINE_RECORD);
            assert_int_equal(batch.items[1].kind, SPOOL_LINE_RECORD);
        }
    }
}

static void unterminated_rest(void **state)
{
    (void)state;
    split(SPOOL_LOGS, LOG("a") "\n{\"asctime\":\"20", false);
    expect("r");
    split(SPOOL_LOGS, LOG("a") "\n{\"asctime\":\"20", true);
    expect("rt");
    split(SPOOL_LOGS, LOG("a") "\n" LOG("only the newline is missing"), true);
    expect("rr");
    split(SPOOL_LOGS, "{\"asctime\":\"20" LOG("a"), true);
    expect("tr");
}

static void hostile_lines(void **state)
{
    static const char nul[] = "{\"asctime\":\"\0\"}\n\0\0\0" LOG("after") "\n";

    (void)state;
    split(SPOOL_LOGS, "x\n[]\n{}\n{\"a\":1}\n" LOG("a") "x\n{\"asctime\":]}\n", false);
    expect("mmmmmm");
    split(SPOOL_LOGS, "{\"asctime\":\"\xff\"}\n{\"asctime\":\"\xed\xa0\x80\"}\n\xc0\n", false);
    expect("uum");
    split_n(SPOOL_LOGS, nul, sizeof nul - 1, false);
    expect("ctr");
    /* One that holds no record is nothing. */
    split(SPOOL_TRACES, "{\"resourceSpans\":[]}\n{\"resourceSpans\":[{}],\"a\":1}\n \r\n", false);
    expect("");
    assert_int_equal(batch.consumed,
                     strlen("{\"resourceSpans\":[]}\n{\"resourceSpans\":[{}],\"a\":1}\n \r\n"));
    split(SPOOL_TRACES, "{\"resourceSpans\":{}}\n{\"resourceLogs\":[{}]}\n", false);
    expect("mm");
}

static void long_lines(void **state)
{
    size_t len = SPOOL_LINE_MAX + 100;
    char *text = malloc(len + 64);

    (void)state;
    memset(text, 'x', len);
    split_n(SPOOL_LOGS, text, len, false);
    assert_true(batch.overlong);
    split_n(SPOOL_LOGS, "\nx", 2, false);
    assert_false(batch.overlong);
    text[len] = '\n';
    split_n(SPOOL_LOGS, text, len + 1, false);
    expect("o");
    /* The longest record. */
    memcpy(text, "{\"asctime\":\"", 12);
    memcpy(text + SPOOL_LINES_RECORD_MAX - 2, "\"}\n", 3);
    split_n(SPOOL_LOGS, text, SPOOL_LINES_RECORD_MAX + 1, false);
    expect("r");
    memcpy(text + SPOOL_LINES_RECORD_MAX - 2, "xxx", 3);
    memcpy(text + SPOOL_LINES_RECORD_MAX - 1, "\"}\n", 3);
    split_n(SPOOL_LOGS, text, SPOOL_LINES_RECORD_MAX + 2, false);
    expect("o");
    free(text);
}

static void no_more_than_a_batch(void **state)
{
    size_t line = strlen(LOG("a") "\n"), lines = SPOOL_LINES_MAX + 5, i;
    char *text = malloc(line * lines);

    (void)state;
    for (i = 0; i < lines; i++)
        memcpy(text + i * line, LOG("a") "\n", line);
    split_n(SPOOL_LOGS, text, line * lines, true);
    assert_int_equal(batch.count, SPOOL_LINES_MAX);
    assert_int_equal(batch.consumed, SPOOL_LINES_MAX * line);
    free(text);
}

/* Objects and arrays in turn; the closing bracket of level `wrong` is of the other kind. */
static size_t nested(char *text, unsigned levels, unsigned wrong)
{
    size_t len = 0;

    for (unsigned i = 0; i < levels; i++)
        len += (size_t)sprintf(text + len, i % 3 == 0 ? "{\"a\":" : "[");
    text[len++] = '1';
    while (levels-- > 0)
        text[len++] = (levels % 3 == 0) != (levels == wrong) ? '}' : ']';
    return len;
}

static void nesting(void **state)
{
    char text[JSON_SCAN_DEPTH_MAX * 8];

    (void)state;
    for (unsigned levels = 1; levels <= JSON_SCAN_DEPTH_MAX; levels++) {
        assert_int_equal(json_scan_line(text, nested(text, levels, levels)), JSON_SCAN_OBJECT);
        assert_int_equal(json_scan_line(text, nested(text, levels, levels) - 1), JSON_SCAN_CUT);
        for (unsigned wrong = 0; wrong < levels; wrong++)
            assert_int_equal(json_scan_line(text, nested(text, levels, wrong)),
                             JSON_SCAN_MALFORMED);
    }
    assert_int_equal(json_scan_line(text, nested(text, JSON_SCAN_DEPTH_MAX + 1, UINT32_MAX)),
                     JSON_SCAN_MALFORMED);
    assert_int_equal(json_scan_line("{\"a\":[{}]}  ", 12), JSON_SCAN_OBJECT);
    assert_int_equal(json_scan_line("{\"a\":[{}]", 9), JSON_SCAN_CUT);
    assert_int_equal(json_scan_line("{\"a\":[}]", 8), JSON_SCAN_MALFORMED);
}

/* Random mutations of good lines: never out of bounds, never stuck, always covered. */
static void mutations(void **state)
{
    static const char good[] = SPAN("a") "\n" SPAN("b") "\n" SPAN("c") "\n";
    unsigned seed = 12345, round;

    (void)state;
    for (round = 0; round < 20000; round++) {
        char *text = malloc(sizeof good);
        size_t len = 1 + (size_t)rand_r(&seed) % (sizeof good - 1);
        int changes = rand_r(&seed) % 4;

        memcpy(text, good, sizeof good);
        while (changes-- > 0)
            text[(size_t)rand_r(&seed) % len] = (char)rand_r(&seed);
        text = realloc(text, len);
        split_n(SPOOL_TRACES, text, len, round % 2 == 0);
        if (round % 2 == 0 && batch.count < SPOOL_LINES_MAX)
            assert_int_equal(batch.consumed, len);
        free(text);
    }
}

static void counting(void **state)
{
    size_t after;

    (void)state;
    assert_int_equal(spool_lines_count(SPOOL_LOGS, "a\n\nb\nc", 6, &after), 2);
    assert_int_equal(after, 5);
    assert_int_equal(spool_lines_count(SPOOL_LOGS, "abc", 3, &after), 0);
    assert_int_equal(after, 0);
    assert_int_equal(spool_lines_count(SPOOL_LOGS, "", 0, &after), 0);
}

#define MULTI(list) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" list "]}]}]}"

/* A line of many records is cut in several batches, each of which begins where the last ended. */
static void records_of_one_line(void **state)
{
    enum { SPANS = 2 * SPOOL_LINES_MAX + 100 };
    char *text = malloc(SPANS * 24 + 200);
    size_t len, after, from = 0, seen = 0;
    uint32_t skip = 0;

    (void)state;
    len = (size_t)sprintf(text, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[");
    for (int i = 0; i < SPANS; i++)
        len += (size_t)sprintf(text + len, "%s{\"name\":\"%d\"}", i > 0 ? "," : "", i);
    len += (size_t)sprintf(text + len, "]}]}]}\n" SPAN("last") "\n");
    assert_int_equal(spool_lines_count(SPOOL_TRACES, text, len, &after), SPANS + 1);
    while (from < len) {
        spool_lines_split(&batch, SPOOL_TRACES, text + from, len - from, skip, false);
        assert_true(batch.count > 0);
        for (size_t i = 0; i < batch.count; i++, seen++) {
            char name[32];

            (void)snprintf(name, sizeof(name), "{\"name\":\"%d\"}", (int)seen);
            if (seen == SPANS)
                (void)snprintf(name, sizeof(name), "{\"name\":\"last\"}");
            assert_memory_equal(text + from + batch.items[i].start, name, strlen(name));
        }
        skip = spool_lines_open(&batch, skip);
        from += batch.consumed;
    }
    assert_int_equal(seen, SPANS + 1);
    assert_int_equal(skip, 0);
    free(text);
}

/* More heads than a batch has room for: each batch goes on behind those that were read. */
static void heads_of_one_line(void **state)
{
    enum { HEADS = 2 * SPOOL_LINES_HEADS_MAX + 10, EACH = 3 };
    static char text[HEADS * 200];
    size_t len, seen = 0, from = 0;
    uint32_t skip = 0;

    (void)state;
    len = (size_t)sprintf(text, "{\"resourceSpans\":[");
    for (int i = 0; i < HEADS; i++)
        len += (size_t)sprintf(
            text + len, "%s{\"resource\":{\"n\":%d},\"scopeSpans\":[{\"spans\":[{},{},{}]}]}",
            i > 0 ? "," : "", i);
    len += (size_t)sprintf(text + len, "]}\n");
    while (from < len) {
        spool_lines_split(&batch, SPOOL_TRACES, text + from, len - from, skip, false);
        assert_true(batch.count > 0);
        for (size_t i = 0; i < batch.count; i++, seen++) {
            char resource[64];
            const struct spool_head *const head = &batch.heads[batch.items[i].head].around;
            const int length =
                snprintf(resource, sizeof(resource), "\"resource\":{\"n\":%d}", (int)seen / EACH);

            assert_int_equal(head->resource[0].len, length);
            assert_memory_equal(head->resource[0].at, resource, (size_t)length);
        }
        skip = spool_lines_open(&batch, skip);
        from += batch.consumed;
    }
    assert_int_equal(seen, HEADS * EACH);
}

/* A line that breaks behind more records than a batch holds gives none of them, and is not stuck.
 */
static void broken_behind_a_full_batch(void **state)
{
    static const char *const ends[] = {
        "]},{\"spans\":1 2}]}]}",
        "]}]},{\"scopeSpans\":1 2}]}",
        ",{} {}]}]}]}",
        "]}]}] 1}",
    };
    static char text[SPOOL_LINES_MAX * 4 + 1000];

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        /* With and without a line before it that makes its head known. */
        for (int known = 0; known < 2; known++) {
            size_t len = known ? (size_t)sprintf(text, MULTI("{}") "\n") : 0;
            const size_t first = len;

            len +=
                (size_t)sprintf(text + len, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}");
            for (int n = 1; n < SPOOL_LINES_MAX; n++)
                len += (size_t)sprintf(text + len, ",{}");
            len += (size_t)sprintf(text + len, "%s\n", ends[i]);
            split_n(SPOOL_TRACES, text, len, false);
            assert_int_equal(batch.count, known + 1);
            assert_int_equal(batch.items[known].kind, SPOOL_LINE_MALFORMED);
            assert_int_equal(batch.items[known].line_start, first);
            assert_int_equal(batch.consumed, len);
        }
    }
}

/* Blanks before a line belong to none of its records: all positions in it are at its start. */
static void blanks_before_a_long_line(void **state)
{
    static char text[SPOOL_LINES_MAX * 8];
    size_t len = (size_t)sprintf(text, " \t{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}");

    (void)state;
    for (int n = 1; n < SPOOL_LINES_MAX + 10; n++)
        len += (size_t)sprintf(text + len, ",{}");
    len += (size_t)sprintf(text + len, "]}]}]}\n");
    split_n(SPOOL_TRACES, text, len, false);
    assert_int_equal(batch.count, SPOOL_LINES_MAX);
    assert_int_equal(batch.consumed, 2);
    for (size_t i = 0; i < batch.count; i++)
        assert_int_equal(batch.items[i].end, batch.consumed);
    spool_lines_split(&batch, SPOOL_TRACES, text + 2, len - 2, SPOOL_LINES_MAX, false);
    assert_int_equal(batch.count, 10);
    assert_int_equal(batch.consumed, len - 2);
}

/* What a line counts for is the same before it is read and after, and behind one like it. */
static void counts_are_the_records(void **state)
{
    static const struct {
        enum spool_signal signal;
        const char *line;
        size_t records;
    } cases[] = {
        {SPOOL_TRACES, SPAN("a"), 1},
        {SPOOL_TRACES, MULTI("{\"startTimeUnixNano\":\"1\"},{\"startTimeUnixNano\":\"2\"}"), 2},
        {SPOOL_TRACES, MULTI("{},{},{}"), 3},
        {SPOOL_TRACES, "{ \"resourceSpans\" : [ {\"scopeSpans\":[{\"spans\":[{},{}]}]}, 1 ] }", 3},
        {SPOOL_TRACES, MULTI(""), 0},
        {SPOOL_LOGS, LOG("a"), 1},
        {SPOOL_LOGS, "{\"message\":\"x\",\"asctime\":\"y\"}", 1},
        {SPOOL_LOGS, "{\"x\":1,\"resourceLogs\":[],\"asctime\":\"y\"}", 1},
        {SPOOL_LOGS, "{\"resourceLogs\":[]}", 0},
        {SPOOL_LOGS, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{},{}]}]}]}", 2},
        {SPOOL_METRICS,
         "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"a\",\"gauge\":{"
         "\"dataPoints\":[{},{},{}]}},{\"sum\":{\"dataPoints\":[{}]}},{\"name\":\"none\"}]}]}]}",
         5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1024];
        const size_t len =
            (size_t)snprintf(text, sizeof(text), "%s\n%s\n", cases[i].line, cases[i].line);
        size_t after, records = 0, counted = 0, all = 2 * cases[i].records;

        assert_int_equal(spool_lines_count(cases[i].signal, text, len, &after), all);
        split_n(cases[i].signal, text, len, false);
        for (size_t k = 0; k < batch.count; k++) {
            assert_int_equal(batch.items[k].kind, SPOOL_LINE_RECORD);
            records += batch.items[k].records;
            counted += batch.items[k].counted;
        }
        assert_int_equal(records, all);
        assert_int_equal(counted, all);
        assert_int_equal(batch.consumed, len);
    }
}

/* What follows a known head is proved to the last bracket, or not taken by it. */
static void nothing_hides_behind_a_known_head(void **state)
{
    static const char *const others[] = {
        MULTI("{}]}],\"x\":[{\"y\":[{}"), /* the list ends before the end that fits */
        MULTI("{}]},{\"spans\":[{}"),
        MULTI("{}]}]},{\"scopeSpans\":[{\"spans\":[{}"),
    };
    static const size_t spans[] = {1, 2, 2};
    char text[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const int len =
            snprintf(text, sizeof(text), "%s\n%s\n%s\n", MULTI("{}"), others[i], MULTI("{},{}"));

        split_n(SPOOL_TRACES, text, (size_t)len, false);
        assert_int_equal(batch.count, 1 + spans[i] + 2);
        for (size_t k = 0; k < batch.count; k++) {
            assert_int_equal(batch.items[k].kind, SPOOL_LINE_RECORD);
            assert_int_equal(batch.items[k].length, 2);
        }
    }
    /* Not JSON, though its brackets fit. */
    (void)snprintf(text, sizeof(text), "%s\n%s\n", MULTI("{}"), MULTI("{},,{}"));
    split(SPOOL_TRACES, text, false);
    expect("rm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lines),
        cmocka_unit_test(blank_lines_are_no_records),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(unterminated_rest),
        cmocka_unit_test(hostile_lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(no_more_than_a_batch),
        cmocka_unit_test(nesting),
        cmocka_unit_test(mutations),
        cmocka_unit_test(counting),
        cmocka_unit_test(records_of_one_line),
        cmocka_unit_test(heads_of_one_line),
        cmocka_unit_test(broken_behind_a_full_batch),
        cmocka_unit_test(blanks_before_a_long_line),
        cmocka_unit_test(counts_are_the_records),
        cmocka_unit_test(nothing_hides_behind_a_known_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
