/*
 * Goal: the agent looks within 25 ms at what was written after a pause or is written slowly, less
 * and less often while the spool is busy, and more often again before there is too much to find.
 */
#include "metrics-agent/export/gather.h"
#include "tests/unit/unit.h"

enum { MUCH = 1 << 20 };

static void a_pause_ends_every_wait(void **state)
{
    (void)state;
    for (unsigned ms = GATHER_MIN_MS; ms <= GATHER_MAX_MS; ms++)
        assert_int_equal(gather_next_ms(ms, 0, MUCH), GATHER_MIN_MS);
}

/* One request of 4 KB every 50 ms, whenever the looks are. */
static void slow_writes_wait_for_nobody(void **state)
{
    (void)state;
    for (unsigned ms = GATHER_MIN_MS; ms <= GATHER_MAX_MS; ms++)
        assert_int_equal(gather_next_ms(ms, (uint64_t)4000 * (ms / 50 + 1), MUCH), GATHER_MIN_MS);
}

static void writes_that_go_on_gather_longer(void **state)
{
    unsigned ms = GATHER_MIN_MS, looks = 0;

    (void)state;
    while (ms < GATHER_MAX_MS) {
        const unsigned next = gather_next_ms(ms, 200 * ms, MUCH);

        assert_true(next > ms && next <= GATHER_MAX_MS);
        ms = next;
        looks++;
    }
    assert_true(looks <= 4);
    assert_int_equal(gather_next_ms(ms, 200 * ms, MUCH), GATHER_MAX_MS);
}

/* At a steady rate the wait settles where a look finds no more than much. */
static void a_fast_writer_is_looked_at_in_time(void **state)
{
    (void)state;
    for (uint64_t per_ms = 256; per_ms <= MUCH; per_ms *= 2) {
        unsigned ms = GATHER_MAX_MS;

        for (int look = 0; look < 20; look++)
            ms = gather_next_ms(ms, per_ms * ms, MUCH);
        assert_true(ms == GATHER_MIN_MS || per_ms * ms <= MUCH);
        assert_true(ms == GATHER_MAX_MS || per_ms * ms > MUCH / 4);
        assert_int_equal(gather_next_ms(ms, per_ms * ms, MUCH), ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_ends_every_wait),
        cmocka_unit_test(slow_writes_wait_for_nobody),
        cmocka_unit_test(writes_that_go_on_gather_longer),
        cmocka_unit_test(a_fast_writer_is_looked_at_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
