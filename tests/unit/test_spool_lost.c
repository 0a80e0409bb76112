/*
 * Goal: wherever an append is cut off, what the writer counts as lost and what a reader counts in
 * the rest is all that there was.
 */
#include "lib/spool/lines.h"
#include "tests/unit/unit.h"

#define SPAN        "{\"startTimeUnixNano\":\"1\"}"
#define LINE(spans) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" spans "]}]}]}\n"
#define LOG         "{\"asctime\":\"2026-01-01T00:00:00.000Z\",\"message\":\"m\"}\n"

static struct spool_lines batch;

static void all_is_counted_once(void **state)
{
    static const struct {
        enum spool_signal signal;
        const char *text;
        uint64_t records;
    } cases[] = {
        {SPOOL_TRACES, LINE(SPAN), 1},
        {SPOOL_TRACES, LINE(SPAN) LINE(SPAN "," SPAN "," SPAN) LINE(SPAN), 5},
        {SPOOL_LOGS, LOG LOG LOG, 3},
    };

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        const char *const text = cases[c].text;
        const size_t len = __builtin_strlen(text);

        for (size_t wrote = 0; wrote <= len; wrote++) {
            uint64_t there = 0;

            spool_lines_split(&batch, cases[c].signal, text, wrote, 0, true);
            assert_int_equal(batch.consumed, wrote);
            for (size_t i = 0; i < batch.count; i++)
                there += batch.items[i].records;
            assert_int_equal(there + spool_lines_lost(cases[c].signal, text, len, wrote),
                             cases[c].records);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_counted_once),
    };

    return cmocka_run_group_tests_name("spool_lost", tests, NULL, NULL);
}
