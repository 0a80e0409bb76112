/*
 * Goal: what a program's processes say of their processor time is what the kernel says, counted
 * once, whoever of them ends; their memory is that of the living.
 */
#include "lib/program_usage.h"

#include "tests/unit/metrics_fixture.h"

#include <sys/resource.h>
#include <time.h>

static const struct metrics_family_def cpu = {.name = "program_cpu_seconds_total"};
static const struct metrics_family_def memory = {.name = "program_resident_memory_bytes"};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec time;

    assert_int_equal(clock_gettime(clock, &time), 0);
    return clock_timespec_ns(&time) / CLOCK_NS_PER_MS;
}

/* Works for so much processor time, and longer than a period, so that the next look is due. */
static void work(uint64_t ms)
{
    const uint64_t begin = clock_ms(CLOCK_PROCESS_CPUTIME_ID), began = clock_ms(CLOCK_MONOTONIC);

    while (clock_ms(CLOCK_PROCESS_CPUTIME_ID) < begin + ms ||
           clock_ms(CLOCK_MONOTONIC) < began + PROGRAM_USAGE_PERIOD_MS + 20)
        ;
}

static uint64_t used_us(const struct fixture *f)
{
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_family *family = fixture_family(reader, &cpu);
    uint64_t steps = 0;

    assert_true(family->resolution == 1e-6);
    if (family->series_count > 0)
        steps = metrics_reader_counter(reader, family->series[0]);
    metrics_reader_close(reader);
    return steps;
}

static int64_t resident(const struct fixture *f)
{
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_family *family = fixture_family(reader, &memory);
    const int64_t bytes = metrics_reader_live_gauge(reader, family->series[0]);

    metrics_reader_close(reader);
    return bytes;
}

static uint64_t kernel_us(int who)
{
    struct rusage usage;

    assert_int_equal(getrusage(who, &usage), 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void test_own_time_and_that_of_children(void **state)
{
    struct fixture *f = *state;
    struct program_usage usage;
    int status;

    struct metrics *metrics = fixture_open(f);
    program_usage_init(&usage, metrics, "job");
    assert_int_equal(used_us(f), 0);
    program_usage_tell(&usage);
    work(30);
    const uint64_t before = kernel_us(RUSAGE_SELF) + kernel_us(RUSAGE_CHILDREN);
    program_usage_tell(&usage);
    const uint64_t first = used_us(f);
    assert_true(first >= before);
    assert_true(first <= kernel_us(RUSAGE_SELF) + kernel_us(RUSAGE_CHILDREN));
    program_usage_tell(&usage);
    assert_int_equal(used_us(f), first);

    const pid_t child = fork();
    if (child == 0) {
        work(50);
        _exit(0);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    program_usage_tell(&usage);
    assert_true(used_us(f) >= first + 40000);
    metrics_close(metrics);
}

static void test_memory_is_that_of_the_living(void **state)
{
    enum { BYTES = 64 << 20 };
    struct fixture *f = *state;
    struct program_usage usage;

    struct metrics *metrics = fixture_open(f);
    program_usage_init(&usage, metrics, "job");
    program_usage_tell(&usage);
    const int64_t before = resident(f);
    if (before == 0)
        skip(); /* no /proc */
    char *const block = malloc(BYTES);
    assert_non_null(block);
    memset(block, 1, BYTES);
    work(1);
    program_usage_tell(&usage);
    assert_true(resident(f) >= before + BYTES / 2);
    assert_int_equal(block[BYTES - 1], 1);
    free(block);
    metrics_close(metrics);
    assert_int_equal(resident(f), 0);
}

/* `microtrace run`: its children's, from the start on. */
static void test_children_of_a_run(void **state)
{
    struct fixture *f = *state;

    struct metrics *metrics = fixture_open(f);
    program_usage_count_children(metrics, "job");
    assert_true(used_us(f) == kernel_us(RUSAGE_CHILDREN));
    metrics_close(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_own_time_and_that_of_children),
        TEST(test_memory_is_that_of_the_living),
        TEST(test_children_of_a_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
