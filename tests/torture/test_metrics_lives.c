/*
 * Goal: what lives and dies, and who may: live gauges fall back to 0 with their process, however it
 * ended, in other pid namespaces and with children of any kind left behind; writers and readers are
 * different users of one group, whatever their umask.
 */
#include "tests/torture/torture.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <spawn.h>

enum { WRITER = 61001, READER = 61002, STRANGER = 61003, GROUP = 62000, OTHER_GROUP = 62001 };

/* Says that it is ready, and waits to be killed. */
static void stay(int ready)
{
    if (write(ready, "1", 1) == 1)
        for (;;)
            pause();
    _exit(5);
}

static struct metrics *be_busy(const struct fixture *f, int64_t value)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);

    if (metrics == NULL || metrics_problem(metrics) != NULL)
        _exit(3);
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL),
                           value);
    return metrics;
}

static void wait_ready(int fd)
{
    char byte;

    assert_int_equal(read(fd, &byte, 1), 1);
}

static void reap_killed(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

/* The first process of a pid namespace of its own: its pid there is 1, like its neighbour's. */
static pid_t start_in_namespace(const struct fixture *f, int64_t value, int ready)
{
    pid_t pid = torture_fork();

    if (pid == 0) {
        if (unshare(CLONE_NEWPID) < 0)
            _exit(77);
        pid_t inner = fork();
        if (inner == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getpid() != 1)
                _exit(6);
            be_busy(f, value);
            stay(ready);
        }
        int status;
        _exit(inner > 0 && waitpid(inner, &status, 0) == inner && WIFSIGNALED(status) ? 0 : 7);
    }
    return pid;
}

static void test_pid_namespaces(void **state)
{
    struct fixture *f = *state;
    int ready[2], status;
    pid_t pids[2];

    metrics_close(fixture_open(f));
    if (geteuid() != 0) {
        print_message("# no right to make a pid namespace\n");
        skip();
    }
    assert_int_equal(pipe(ready), 0);
    for (int i = 0; i < 2; i++)
        pids[i] = start_in_namespace(f, i == 0 ? 5 : 30, ready[1]);
    close(ready[1]);
    char byte;
    for (int i = 0; i < 2; i++) {
        if (read(ready[0], &byte, 1) == 1)
            continue;
        for (int k = 0; k < 2; k++)
            assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 77);
        print_message("# no right to make a pid namespace\n");
        close(ready[0]);
        skip();
    }
    assert_int_equal(fixture_live_value(f), 35);

    /* From inside a third one, where neither of them is visible. */
    pid_t looker = torture_fork();
    if (looker == 0) {
        if (unshare(CLONE_NEWPID) < 0)
            _exit(1);
        pid_t inner = fork();
        if (inner == 0)
            _exit(fixture_live_value(f) == 35 ? 0 : 1);
        _exit(waitpid(inner, &status, 0) == inner && status == 0 ? 0 : 1);
    }
    fixture_wait(looker);

    for (int i = 0; i < 2; i++) {
        reap_killed(pids[i]);
        /* The namespace's first process gets its death signal a moment later. */
        uint64_t deadline = clock_monotonic_ns() + 10000000000u;
        while (fixture_live_value(f) != (i == 0 ? 30 : 0))
            assert_true(clock_monotonic_ns() < deadline);
    }
    close(ready[0]);
}

/* Programs that a busy process started, in all the ways there are, live on after it. */
static void be_busy_and_start_others(const struct fixture *f, int ready, int hold)
{
    static char name[] = "cat";
    static char *const args[] = {name, NULL};
    extern char **environ;
    posix_spawn_file_actions_t actions;
    pid_t pid;

    be_busy(f, 5);
    /* They read from `hold` until the test closes its end. */
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, hold, 0) != 0 ||
        posix_spawnp(&pid, "cat", &actions, NULL, args, environ) != 0)
        _exit(8);
    if (fork() == 0) {
        dup2(hold, 0);
        execvp("cat", args);
        _exit(9);
    }
    if (vfork() == 0) {
        dup2(hold, 0);
        execvp("cat", args);
        _exit(9);
    }
    for (int i = 0; i < 3; i++) {
        char byte;
        if (fork() == 0)
            _exit(read(hold, &byte, 1) == 0 ? 0 : 1);
    }
    stay(ready);
}

static void test_children_hold_nothing(void **state)
{
    struct fixture *f = *state;
    int ready[2], hold[2];

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
    pid_t pid = torture_fork();
    if (pid == 0) {
        close(hold[1]);
        be_busy_and_start_others(f, ready[1], hold[0]);
    }
    wait_ready(ready[0]);
    close(hold[0]);
    assert_int_equal(fixture_live_value(f), 5);
    reap_killed(pid);
    /* A child between fork and exec has the parent's descriptor for a moment. */
    uint64_t deadline = clock_monotonic_ns() + 10000000000u;
    while (fixture_live_value(f) != 0)
        assert_true(clock_monotonic_ns() < deadline);
    close(hold[1]);
    close(ready[0]);
    close(ready[1]);
}

/* More deaths than there are slots, several at a time: none is ever lost. */
static void test_slots_come_back(void **state)
{
    enum { AT_ONCE = 40 };
    struct fixture *f = *state;

    for (int round = 0; round < 20; round++) {
        pid_t pids[AT_ONCE];
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        for (int i = 0; i < AT_ONCE; i++) {
            pids[i] = torture_fork();
            if (pids[i] == 0) {
                be_busy(f, i);
                stay(ready[1]);
            }
        }
        for (int i = 0; i < AT_ONCE; i++)
            wait_ready(ready[0]);
        assert_int_equal(fixture_live_value(f), AT_ONCE * (AT_ONCE - 1) / 2);
        for (int i = 0; i < AT_ONCE; i++)
            reap_killed(pids[i]);
        assert_int_equal(fixture_live_value(f), 0);
        close(ready[0]);
        close(ready[1]);
    }
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_NO_SLOT), 0);
}

/* --- Users ---------------------------------------------------------------------------------- */

static void become(uid_t user, gid_t group, gid_t extra)
{
    umask(077);
    if (setgroups(extra == 0 ? 0 : 1, &extra) < 0 || setresgid(group, group, group) < 0 ||
        setresuid(user, user, user) < 0)
        _exit(77);
}

static int add_as_user(const struct fixture *f, uint64_t n)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);

    if (metrics == NULL || metrics_problem(metrics) != NULL)
        return 3;
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("u", "")), n);
    metrics_close(metrics);
    return 0;
}

static int run_as(uid_t user, gid_t group, gid_t extra, const struct fixture *f,
                  int (*run)(const struct fixture *))
{
    int status;
    pid_t pid = torture_fork();

    if (pid == 0) {
        become(user, group, extra);
        _exit(run(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int write_one(const struct fixture *f)
{
    return add_as_user(f, 1);
}

static int read_and_write(const struct fixture *f)
{
    if (fixture_counter_value(f, VALUES("u", "")) != 1)
        return 4;
    return add_as_user(f, 10);
}

/* Nothing to find for somebody outside the group, and no harm. */
static int be_refused(const struct fixture *f)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    struct metrics_reader *reader = metrics_reader_open(f->dir);

    if (metrics == NULL || metrics_problem(metrics) == NULL || reader == NULL ||
        metrics_reader_refresh(reader) == 0)
        return 3;
    if (strstr(metrics_problem(metrics), "Permission denied") == NULL ||
        strstr(metrics_reader_problem(reader), "Permission denied") == NULL)
        return 4;
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("u", "")), 100);
    metrics_close(metrics);
    metrics_reader_close(reader);
    return 0;
}

static void test_users_of_one_group(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    if (geteuid() != 0 || chown(f->dir, 0, GROUP) < 0 || chmod(f->dir, 02770) < 0) {
        print_message("# no right to become other users\n");
        skip();
    }
    /* The writer's own group is another one: the directory's decides. */
    int status = run_as(WRITER, OTHER_GROUP, GROUP, f, write_one);
    if (status == 77) {
        print_message("# no right to become other users\n");
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(st.st_uid, WRITER);
    assert_int_equal(st.st_gid, GROUP);
    assert_int_equal(run_as(READER, GROUP, 0, f, read_and_write), 0);
    assert_int_equal(run_as(STRANGER, OTHER_GROUP, 0, f, be_refused), 0);
    assert_int_equal(fixture_counter_value(f, VALUES("u", "")), 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TORTURE_TEST(test_pid_namespaces),
        TORTURE_TEST(test_children_hold_nothing),
        TORTURE_TEST(test_slots_come_back),
        TORTURE_TEST(test_users_of_one_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
