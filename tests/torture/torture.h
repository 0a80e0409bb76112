/* What the torture tests share. They run in a short form, and with TORTURE=full in their full one.
 */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include "tests/unit/metrics_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define TORTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

__attribute__((unused)) static bool torture_full(void)
{
    const char *form = getenv("TORTURE");

    return form != NULL && strcmp(form, "full") == 0;
}

/* xorshift64; the state is never 0. */
__attribute__((unused)) static uint64_t torture_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Memory that outlives the processes which write it. */
__attribute__((unused)) static void *torture_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

/*
 * fork; the child ends with its parent, so that a failed test leaves nobody running. Never returns
 * an error.
 */
__attribute__((unused)) static pid_t torture_fork(void)
{
    pid_t parent = getpid(), pid = fork();

    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
        _exit(99);
    if (pid < 0)
        fail_msg("fork failed");
    return pid;
}

/* That nothing in the file is damaged, refused or held by a dead process. */
__attribute__((unused)) static void torture_sound(const struct metrics_reader *reader)
{
    struct metrics_reader_info info;

    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 0);
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++)
        assert_int_equal(info.refused[i], 0);
}

#endif
