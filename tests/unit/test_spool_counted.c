/*
 * Goal: cutting lines tells what counting them would have found, whatever is wrong with them, so
 * that the agent counts none a second time when it settles it.
 */
#include "lib/spool/lines.h"
#include "tests/unit/unit.h"

#include <string.h>

#define LOG(message)  "{\"asctime\":\"2025-01-03T12:00:01.234Z\",\"message\":\"" message "\"}"
#define SPANS(list)   "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" list "]}]}]}"
#define STARTED(time) "{\"startTimeUnixNano\":" time "}"

static struct spool_lines batch;

/* The split tells what counting would find, so that nobody counts once more to settle. */
static void the_split_knows_what_was_counted(void **state)
{
    static const struct {
        enum spool_signal signal;
        const char *text;
        size_t counted; /* of the lines that have their end */
    } cases[] = {
        {SPOOL_LOGS, LOG("a") "\n\n" LOG("b") "\n", 2},
        {SPOOL_LOGS, LOG("a") "\n" LOG("b"), 1},
        {SPOOL_LOGS, "{\"asctime\":\"20" LOG("a") "\n" LOG("b") "\n", 2},
        {SPOOL_LOGS, "{\"asctime\":\"20{\"asctime\":\"20" LOG("a") "\nx\n", 2},
        {SPOOL_LOGS, "x\n{\n{\"asctime\":\"\x01\"}\n", 3},
        {SPOOL_TRACES, SPANS(STARTED("1")) "\n" SPANS("{},{}") "\n" SPANS("{}") "\n", 4},
        {SPOOL_TRACES, "{\"resourceSpans\":[{\"startTimeUnixNano\":1" SPANS(STARTED("2")) "\n", 2},
        /* An element that can't be taken apart is one record; its times are counted before that. */
        {SPOOL_TRACES,
         "{\"resourceSpans\":[{\"scopeSpans\":[1],\"x\":[{\"startTimeUnixNano\":1},"
         "{\"startTimeUnixNano\":1}]}]}\n",
         2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t len = strlen(cases[i].text);
        size_t after, counted = 0;

        assert_int_equal(spool_lines_count(cases[i].signal, cases[i].text, len, &after),
                         cases[i].counted);
        spool_lines_split(&batch, cases[i].signal, cases[i].text, len, 0, true);
        for (size_t k = 0; k < batch.count; k++) {
            assert_true(batch.items[k].last || batch.items[k].counted == 0);
            counted += batch.items[k].counted;
        }
        assert_int_equal(counted, cases[i].counted);
        assert_int_equal(batch.consumed, len);
    }
}

/* A batch may be halved between a torn piece and the line behind it: each has its own share. */
static void a_torn_piece_has_its_share(void **state)
{
    static const struct {
        enum spool_signal signal;
        const char *text;
        uint32_t torn, piece, behind; /* records of the piece; what both were counted as */
    } cases[] = {
        {SPOOL_TRACES, "{\"resourceSpans\":[{\"startTimeUnixNano\":1" SPANS(STARTED("2")) "\n", 1,
         1, 1},
        {SPOOL_TRACES,
         "{\"resourceSpans\":[" STARTED("1") "," STARTED("1") SPANS(STARTED("2")) "\n", 2, 2, 1},
        {SPOOL_TRACES, "{\"resourceSpans\":[{\"a" SPANS(STARTED("2") "," STARTED("2")) "\n", 1, 1,
         1},
        {SPOOL_LOGS, "{\"asctime\":\"20" LOG("a") "\n", 1, 1, 0},
        {SPOOL_LOGS, "{\"asctime\":\"20" LOG("a"), 1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        spool_lines_split(&batch, cases[i].signal, cases[i].text, strlen(cases[i].text), 0, true);
        assert_int_equal(batch.items[0].kind, SPOOL_LINE_TORN);
        assert_int_equal(batch.items[0].records, cases[i].torn);
        assert_int_equal(batch.items[0].counted, cases[i].piece);
        assert_int_equal(batch.items[batch.count - 1].counted, cases[i].behind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_split_knows_what_was_counted),
        cmocka_unit_test(a_torn_piece_has_its_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
