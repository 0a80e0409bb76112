/*
 * Goal: a process that ends without closing its metrics is counted, however soon another one takes
 * its place, once; one that ends in good order, or that only inherited what it has, is not.
 */
#include "tests/unit/metrics_fixture.h"

#include <signal.h>

/* What a process does that ends: in good order, without closing, and as a mere fork of another. */
static void end_one(const struct fixture *f, bool closes)
{
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct metrics *const m = metrics_open(f->dir, 0);

        if (closes)
            metrics_close(m);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void test_who_ends_without_closing_died(void **state)
{
    enum { MANY = METRICS_FILE_SLOTS + 20 };
    const struct fixture *const f = *state;
    struct metrics *const m = metrics_open(f->dir, 0), *const other = metrics_open(f->dir, 0);
    const pid_t child = fork();

    if (child == 0)
        _exit(0); /* has opened nothing of its own */
    assert_int_equal(waitpid(child, NULL, 0), child);
    end_one(f, true);
    assert_int_equal(metrics_died(m), 0);
    end_one(f, false);
    assert_int_equal(metrics_died(m), 1);
    assert_int_equal(metrics_died(other), 1);
    /* More than there are slots: those that were claimed again are remembered. */
    for (int i = 0; i < MANY; i++)
        end_one(f, i % 2 == 0);
    assert_int_equal(metrics_died(m), 1 + MANY / 2);
    metrics_close(other);
    assert_int_equal(metrics_died(m), 1 + MANY / 2);
    metrics_close(m);
    assert_int_equal(metrics_died(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_ends_without_closing_died, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
