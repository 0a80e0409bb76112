/*
 * Any bytes as what `expect` reads: a selector, the lines of a snapshot, the records of a spool and
 * what is typed to compare them with. Nothing is read beyond them; what is printed of a record is
 * JSON, and equal to itself.
 */
#include "cli/expect_match.h"
#include "cli/expect_selector.h"
#include "cli/record_json.h"
#include "lib/base/json_walk.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("a_total{b=\"c\\n\\\\\",d!='e',f=~`g|h.*`,i!~\"\",}"),
    FUZZ_SEED("a_total{b=\"c\\n\\\\\",d=\"e\"} 1.5e3 17\n# HELP a b\nh_bucket{le=\"+Inf\"} 3\n"),
    FUZZ_SEED("{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"r\",\"value\":{"
              "\"int_value\":\"1\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"s\"},\"spans\":[{"
              "\"traceId\":\"AB\",\"name\":\"a\\u0062\",\"kind\":\"SPAN_KIND_SERVER\","
              "\"startTimeUnixNano\":1e9,\"attributes\":[{\"key\":\"k\",\"value\":{\"arrayValue\":{"
              "\"values\":[{\"doubleValue\":\"NaN\"},{\"kvlistValue\":{}}]}}}],\"events\":[{}],"
              "\"links\":[{\"spanId\":\"x\"}],\"status\":{\"code\":2}}]}]}]}\n"),
    FUZZ_SEED("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{\"stringValue\":"
              "\"b\"},\"severityNumber\":9}]}]}]}\n{\"asctime\":\"x\",\"message\":[1,-0.5]}\n"),
    {NULL, 0},
};

static void try_selector(const char *text)
{
    static struct expect_selector selector;
    char error[EXPECT_SELECTOR_ERROR_MAX];
    struct expect_sample sample;
    const size_t len = strlen(text);
    size_t met;

    /* A pattern that takes a year belongs to whoever has typed it. */
    if (strchr(text, '~') != NULL && strpbrk(text, "*+?{(") != NULL)
        return;
    if (expect_selector_parse(&selector, text, error) != 0) {
        assert(strnlen(error, sizeof(error)) > 0 && strnlen(error, sizeof(error)) < sizeof(error));
        return;
    }
    if (expect_sample_parse(&sample, text, len) == 1) {
        met = expect_selector_meets(&selector, &sample, NULL);
        assert(met <= selector.count + 1);
    }
    expect_selector_free(&selector);
}

static void try_samples(const char *text, size_t len)
{
    const char *const end = text + len;

    while (text < end) {
        const char *const newline = memchr(text, '\n', (size_t)(end - text));
        const size_t line = (size_t)((newline != NULL ? newline : end) - text);
        struct expect_sample sample;

        if (expect_sample_parse(&sample, text, line) == 1) {
            assert(sample.series.at >= text && sample.series.at + sample.series.len <= text + line);
            (void)expect_sample_label(&sample, "le");
        }
        text += line + 1;
    }
}

static void take(void *context, struct text plain)
{
    const char *const typed = context;
    static struct expect_match match;
    struct json_fault fault;

    match.count = match.learned = 0;
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_ATTRIBUTE, "attr k", "k", typed});
    (void)expect_match_add(&match,
                           (struct expect_condition){EXPECT_MATCH_REQUEST, "request", "k", typed});
    (void)expect_match_learn(&match, plain);
    (void)expect_match_met(&match, plain);
    assert(json_walk_valid(plain, false, &fault));
    (void)expect_match_equal(typed, plain);
}

static void try_records(enum spool_signal signal, const char *text, size_t len, char *typed)
{
    static struct spool_lines batch;
    static struct record_json json;

    spool_lines_split(&batch, signal, text, len, 0, true);
    for (size_t i = 0; i < batch.count; i++) {
        if (batch.items[i].kind == SPOOL_LINE_RECORD)
            (void)record_json_each(&json, signal, &batch, text, i, take, typed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1);

    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    try_selector(text);
    try_samples(text, size);
    try_records(SPOOL_TRACES, text, size, text);
    try_records(SPOOL_LOGS, text, size, text);
    (void)expect_match_equal(text, text_of("[1]"));
    free(text);
    return 0;
}
