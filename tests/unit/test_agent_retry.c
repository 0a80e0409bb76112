/*
 * Goal: each answer of an endpoint means what the OTLP specification says, no request comes before
 * its time, and a partial success is read from any bytes at all.
 */
#include "metrics-agent/export/retry.h"
#include "tests/unit/unit.h"

#include <string.h>

static void statuses(void **state)
{
    long status;

    (void)state;
    for (status = 200; status < 300; status++)
        assert_int_equal(retry_of_status(status), RETRY_DELIVERED);
    assert_int_equal(retry_of_status(429), RETRY_AGAIN);
    assert_int_equal(retry_of_status(502), RETRY_AGAIN);
    assert_int_equal(retry_of_status(503), RETRY_AGAIN);
    assert_int_equal(retry_of_status(504), RETRY_AGAIN);
    assert_int_equal(retry_of_status(400), RETRY_SPLIT);
    assert_int_equal(retry_of_status(413), RETRY_SPLIT);
    assert_int_equal(retry_of_status(422), RETRY_SPLIT);
    for (status = 300; status < 400; status++)
        assert_int_equal(retry_of_status(status), RETRY_HOLD);
    assert_int_equal(retry_of_status(401), RETRY_HOLD);
    assert_int_equal(retry_of_status(404), RETRY_HOLD);
    assert_int_equal(retry_of_status(500), RETRY_HOLD);
    assert_int_equal(retry_of_status(501), RETRY_HOLD);
    assert_int_equal(retry_of_status(0), RETRY_HOLD);
}

static void delays(void **state)
{
    static const struct {
        enum retry_verdict verdict;
        uint64_t first, most;
    } rules[] = {{RETRY_AGAIN, 1000, 30000}, {RETRY_REFUSED, 100, 5000}, {RETRY_HOLD, 5000, 60000}};
    unsigned failures;
    size_t i;
    uint64_t r;

    (void)state;
    for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        for (failures = 1; failures < 100; failures++) {
            for (r = 0; r < 50; r++) {
                uint64_t delay =
                    retry_delay_ms(rules[i].verdict, failures, 0, r * 0x9e3779b97f4a7c15u);

                assert_true(delay >= rules[i].first / 10);
                assert_true(delay <= rules[i].most);
                if (failures == 1)
                    assert_true(delay <= rules[i].first);
            }
        }
    }
}

static void retry_after_is_honoured(void **state)
{
    uint64_t r;

    (void)state;
    for (r = 0; r < 100; r++) {
        assert_true(retry_delay_ms(RETRY_AGAIN, 1, 7, r * 0x9e3779b97f4a7c15u) >= 7000);
        assert_true(retry_delay_ms(RETRY_HOLD, 9, 100, r) >= 100000);
        assert_true(retry_delay_ms(RETRY_AGAIN, 1, UINT64_MAX, r) == 86400000);
    }
}

static uint64_t rejected(const char *answer)
{
    return retry_rejected(answer, strlen(answer));
}

static void partial_success(void **state)
{
    (void)state;
    assert_int_equal(rejected(""), 0);
    assert_int_equal(rejected("{}"), 0);
    assert_int_equal(rejected("{\"partialSuccess\":{}}"), 0);
    assert_int_equal(rejected("{\"partialSuccess\":{\"rejectedSpans\":\"12\"}}"), 12);
    assert_int_equal(
        rejected("{\"partialSuccess\":{\"rejectedSpans\" : 12,\"errorMessage\":\"\"}}"), 12);
    assert_int_equal(rejected("{\"partialSuccess\":{\"rejectedLogRecords\":\"3\"}}"), 3);
    assert_int_equal(rejected("{\"partialSuccess\":{\"rejectedDataPoints\":4}}"), 4);
    assert_int_equal(rejected("{\"rejectedSpans\":\"99999999999999999999999\"}"), UINT64_MAX);
    assert_int_equal(rejected("{\"rejectedSpans\""), 0);
    assert_int_equal(rejected("{\"rejectedSpans\":-1}"), 0);
    assert_int_equal(rejected("{\"rejectedSpans\":[[[{{"), 0);
    assert_int_equal(retry_rejected("\0\"rejectedSpans\":5", 18), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(delays),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(partial_success),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
