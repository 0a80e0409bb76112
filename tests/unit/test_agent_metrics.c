/*
 * Goal: what the agent reads back from the metrics file is a count or nothing. A series that was
 * refused, or a number that no host reaches, never becomes a part of its checkpoint.
 */
#include "metrics-agent/agent_metrics.h"
#include "tests/unit/metrics_fixture.h"

#include <errno.h>
#include <limits.h>

static const struct spool_counts counts = {.delivered = 10, .quarantined = 2, .dropped = {3, 0, 1}};
static const struct spool_counts untouched = {.delivered = 1, .rejected = 2, .dropped = {4, 5, 6}};

static void publish(struct agent_metrics *m)
{
    const struct agent_metrics_numbers numbers = {.counts = &counts, .backlog = 4, .bytes = 100};

    agent_metrics_publish(m, SPOOL_TRACES, &numbers);
}

static void assert_unknown(const struct agent_metrics *m)
{
    struct spool_counts read = untouched;

    assert_false(agent_metrics_counts(m, SPOOL_TRACES, &read));
    assert_memory_equal(&read, &untouched, sizeof(read));
}

static void assert_known(const struct agent_metrics *m)
{
    struct spool_counts read = untouched;
    uint64_t written;

    assert_true(agent_metrics_counts(m, SPOOL_TRACES, &read));
    assert_memory_equal(&read, &counts, sizeof(read));
    assert_true(agent_metrics_written(m, SPOOL_TRACES, &written));
    assert_int_equal(written, 20);
}

/* For each room that a file can have: all of the numbers, or none. */
static void refused_series_are_unknown(void **state)
{
    struct fixture *f = *state;
    unsigned unknown = 0, known = 0;

    for (uint32_t room = 1; room <= 60; room++) {
        struct agent_metrics m;
        struct spool_counts read = untouched;
        uint64_t written = 77;

        assert_int_equal(agent_metrics_open(&m, f->dir, room), 0);
        assert_null(metrics_problem(m.metrics));
        publish(&m);
        for (int again = 0; again < 2; again++) {
            if (agent_metrics_counts(&m, SPOOL_TRACES, &read)) {
                assert_known(&m);
                known++;
            } else {
                assert_unknown(&m);
                unknown++;
            }
            assert_true(agent_metrics_written(&m, SPOOL_TRACES, &written) ? written == 20
                                                                          : written == 77);
            publish(&m);
        }
        agent_metrics_close(&m);
        assert_int_equal(unlink(f->file), 0);
    }
    assert_true(unknown > 0 && known > 0);
}

static void a_refused_series_works_in_the_next_file(void **state)
{
    struct fixture *f = *state;
    struct agent_metrics m;

    assert_int_equal(agent_metrics_open(&m, f->dir, 1), 0);
    assert_unknown(&m);
    assert_int_equal(unlink(f->file), 0);
    metrics_close(metrics_open(f->dir, 0));
    assert_true(fixture_refresh(m.metrics));
    publish(&m);
    assert_known(&m);
    agent_metrics_close(&m);
}

/* What a damaged file says is not believed, and put right. */
static void an_implausible_count_is_unknown(void **state)
{
    struct fixture *f = *state;
    struct agent_metrics m;
    uint64_t written = 77;

    assert_int_equal(agent_metrics_open(&m, f->dir, 0), 0);
    publish(&m);
    metrics_counter_set(m.signals[SPOOL_TRACES].dropped[0], 0x3ff0000000000000);
    metrics_counter_set(m.signals[SPOOL_TRACES].written, UINT64_MAX);
    assert_unknown(&m);
    assert_false(agent_metrics_written(&m, SPOOL_TRACES, &written));
    assert_int_equal(written, 77);
    publish(&m);
    assert_known(&m);
    agent_metrics_close(&m);
}

/* The sanitizer has an allocator of its own. */
#ifndef __SANITIZE_ADDRESS__
static long callocs_left = LONG_MAX;

/* The sanitizer has an allocator of its own. */
#    ifndef __SANITIZE_ADDRESS__
void *__libc_calloc(size_t count, size_t size);

/* The program's own, in place of the library's: fails once callocs_left have been given. */
void *calloc(size_t count, size_t size)
{
    if (callocs_left <= 0) {
        errno = ENOMEM;
        return NULL;
    }
    callocs_left--;
    return __libc_calloc(count, size);
}
#    endif

/* No handle is missing for good because memory was out in that moment: all are there, or none. */
static void without_memory_it_has_all_series_or_does_not_open(void **state)
{
    struct fixture *f = *state;
    bool opened = false, failed = false, enough = false;

#    ifdef __SANITIZE_ADDRESS__
    skip();
#    endif
    for (long n = 0; !enough; n++) {
        struct agent_metrics m;

        assert_true(n < 100);
        callocs_left = n;
        const int result = agent_metrics_open(&m, f->dir, 0);
        enough = callocs_left > 0;
        callocs_left = LONG_MAX;
        if (result != 0) {
            failed = true;
            continue;
        }
        opened = true;
        while (metrics_problem(m.metrics) != NULL)
            assert_true(fixture_refresh(m.metrics));
        publish(&m);
        assert_known(&m);
        for (int reason = 1; reason <= SPOOL_OVERSIZE; reason++) {
            uint64_t lost;

            assert_true(agent_metrics_lost(&m, SPOOL_LOGS, (enum spool_result)reason, &lost));
        }
        agent_metrics_close(&m);
        assert_int_equal(unlink(f->file), 0);
    }
    assert_true(opened && failed);
}
#endif

static double build_info(const struct fixture *f)
{
    const struct metrics_family_def def = {.name = "microtrace_build_info"};
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_series *series =
        fixture_series(reader, &def, VALUES(MICROTRACE_VERSION));
    const double value = series != NULL ? metrics_reader_gauge(reader, series) : -1;

    metrics_reader_close(reader);
    return value;
}

static void a_new_file_is_told_who_we_are(void **state)
{
    struct fixture *f = *state;
    struct agent_metrics m;

    assert_int_equal(agent_metrics_open(&m, f->dir, 0), 0);
    assert_true(build_info(f) == 1);
    assert_int_equal(unlink(f->file), 0);
    assert_true(fixture_refresh(m.metrics));
    publish(&m);
    assert_true(build_info(f) == 1);
    agent_metrics_close(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused_series_are_unknown),
        TEST(a_refused_series_works_in_the_next_file),
        TEST(an_implausible_count_is_unknown),
#ifndef __SANITIZE_ADDRESS__
        TEST(without_memory_it_has_all_series_or_does_not_open),
#endif
        TEST(a_new_file_is_told_who_we_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
