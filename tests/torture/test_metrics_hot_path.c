/*
 * Goal: through a handle, and at a look-up of a series that is known, the metrics make no system
 * call at all: a tracer stops at each one.
 */
#include "tests/torture/torture.h"

#include <sys/ptrace.h>

enum { UPDATES = 100000 };

static void update(struct metrics *metrics, unsigned updates)
{
    const struct trace_id trace = {{1}};
    const struct span_id span = {{2}};
    struct metrics_family *family = metrics_declare(metrics, &fixture_histogram);
    struct metrics_counter *counter =
        metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("GET", "/"));
    struct metrics_gauge *gauge = metrics_gauge(metrics_declare(metrics, &fixture_gauge), NULL);
    struct metrics_live_gauge *live =
        metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL);
    struct metrics_histogram *histogram = metrics_histogram(family, VALUES("/"));

    raise(SIGSTOP);
    for (unsigned i = 0; i < updates; i++) {
        metrics_live_gauge_set(live, 1);
        metrics_add(counter, 1);
        metrics_gauge_add(gauge, 0.5);
        metrics_observe(histogram, 0.3);
        metrics_observe_exemplar(histogram, 0.7, &trace, &span, i);
        metrics_observe(metrics_histogram(family, VALUES("/")), 2);
        metrics_live_gauge_set(live, 0);
    }
    raise(SIGSTOP);
}

/* How often a child stops at a system call around that many updates. */
static size_t stops_around(const struct fixture *f, unsigned updates)
{
    size_t stops = 0;
    int status;
    pid_t pid = torture_fork();

    if (pid == 0) {
        struct metrics *metrics = metrics_open(f->dir, f->max_series);
        if (metrics == NULL || metrics_problem(metrics) != NULL)
            _exit(3);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        update(metrics, updates);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("# no right to trace a child\n");
        skip();
    }
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD), 0);
    for (;;) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGSTOP)
            break;
        assert_int_equal(WSTOPSIG(status), SIGTRAP | 0x80);
        stops++;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    do
        assert_int_equal(waitpid(pid, &status, 0), pid);
    while (WIFSTOPPED(status));
    return stops;
}

static void test_no_system_call(void **state)
{
    struct fixture *f = *state;
    /* What raise() itself asks for, which shows that the tracer sees calls at all. */
    size_t without = stops_around(f, 0);

    assert_true(without > 0);
    assert_int_equal(stops_around(f, UPDATES), without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TORTURE_TEST(test_no_system_call)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
