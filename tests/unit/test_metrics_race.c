/*
 * Goal: many processes at once, killed at any moment, on a full disk, forked: totals stay exact,
 * each series is there once, and what a dead process held is free again.
 */
#include "tests/unit/metrics_fixture.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>

enum { PROCESSES = 64, SAME = 50, RANDOM_PER_PROCESS = 1000, RANDOM_SPACE = 4000 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The label set that process `p` takes as its i-th. */
static unsigned pick(uint64_t *state)
{
    return (unsigned)(next_random(state) % RANDOM_SPACE);
}

static uint64_t seed_of(unsigned p)
{
    return 0x9e3779b97f4a7c15u * (p + 1);
}

static void race_process(const struct fixture *f, unsigned p, int gate)
{
    char byte, value[32];

    if (read(gate, &byte, 1) != 0)
        _exit(2);
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    if (metrics == NULL || metrics_problem(metrics) != NULL)
        _exit(3);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    for (unsigned i = 0; i < SAME; i++) {
        snprintf(value, sizeof(value), "%u", i);
        metrics_add(metrics_counter(family, VALUES("same", value)), p + 1);
    }
    uint64_t state = seed_of(p);
    for (unsigned i = 0; i < RANDOM_PER_PROCESS; i++) {
        snprintf(value, sizeof(value), "%u", pick(&state));
        metrics_add(metrics_counter(family, VALUES("random", value)), 1);
    }
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), 1);
    _exit(0);
}

static void test_racing_registrations(void **state)
{
    struct fixture *f = *state;
    static uint64_t expected[RANDOM_SPACE];
    size_t distinct = 0;
    pid_t pids[PROCESSES];
    int gate[2];

    assert_int_equal(pipe(gate), 0);
    for (unsigned p = 0; p < PROCESSES; p++) {
        uint64_t random = seed_of(p);
        for (unsigned i = 0; i < RANDOM_PER_PROCESS; i++)
            distinct += expected[pick(&random)]++ == 0;
        pids[p] = fork();
        assert_true(pids[p] >= 0);
        if (pids[p] == 0) {
            close(gate[1]);
            race_process(f, p, gate[0]);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (unsigned p = 0; p < PROCESSES; p++)
        fixture_wait(pids[p]);

    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_counter);
    struct metrics_reader_info info;
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 0);
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++)
        assert_int_equal(info.refused[i], 0);
    assert_int_equal(family->series_count, SAME + distinct);
    for (size_t i = 0; i < family->series_count; i++) {
        const struct metrics_reader_series *series = family->series[i];
        uint64_t want = strcmp(series->values[0], "same") == 0 ? PROCESSES * (PROCESSES + 1) / 2
                                                               : expected[atoi(series->values[1])];
        assert_int_equal(metrics_reader_counter(reader, series), want);
    }
    metrics_reader_close(reader);
}

static void test_racing_creations(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 25; round++) {
        pid_t pids[8];
        int gate[2];
        assert_int_equal(pipe(gate), 0);
        for (int p = 0; p < 8; p++) {
            pids[p] = fork();
            assert_true(pids[p] >= 0);
            if (pids[p] == 0) {
                char byte;
                close(gate[1]);
                if (read(gate[0], &byte, 1) != 0)
                    _exit(2);
                struct metrics *metrics = metrics_open(f->dir, f->max_series);
                if (metrics == NULL || metrics_problem(metrics) != NULL)
                    _exit(3);
                metrics_add(
                    metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("", "")), 1);
                _exit(0);
            }
        }
        close(gate[0]);
        close(gate[1]);
        for (int p = 0; p < 8; p++)
            fixture_wait(pids[p]);
        assert_int_equal(fixture_counter_value(f, VALUES("", "")), 8);
        assert_int_equal(unlink(f->file), 0);
        assert_int_equal(rmdir(f->dir), 0); /* no temporary file is left */
        assert_int_equal(mkdir(f->dir, 0700), 0);
    }
}

/* How many operations a writer began and ended, in memory that outlives it. */
struct progress {
    _Atomic uint64_t started, finished;
};

static void storm_writer(const struct fixture *f, struct progress *progress)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    struct trace_id trace = {{1}};
    struct span_id span = {{2}};
    char value[32];

    if (metrics == NULL || metrics_problem(metrics) != NULL)
        _exit(3);
    for (unsigned i = 0;; i++) {
        struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
        snprintf(value, sizeof(value), "%u", i % 500);
        atomic_fetch_add(&progress->started, 1);
        metrics_add(metrics_counter(family, VALUES("storm", value)), 1);
        atomic_fetch_add(&progress->finished, 1);
        metrics_observe_exemplar(
            metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES(value)), 0.2,
            &trace, &span, 1);
        metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL),
                               1);
    }
}

static uint64_t storm_total(struct metrics_reader *reader)
{
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_counter);
    uint64_t total = 0;

    for (size_t i = 0; family != NULL && i < family->series_count; i++)
        total += metrics_reader_counter(reader, family->series[i]);
    return total;
}

static void test_kill_storm(void **state)
{
    enum { WRITERS = 8, KILLS = 300 };
    struct fixture *f = *state;
    struct progress *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct metrics_reader *reader;
    struct metrics_reader_info info;
    pid_t pids[WRITERS] = {0};
    uint64_t random = 88172645463325252u, last = 0;

    assert_true(progress != MAP_FAILED);
    metrics_close(fixture_open(f));
    reader = fixture_read(f);
    for (int kills = 0; kills < KILLS; kills++) {
        size_t victim = next_random(&random) % WRITERS;
        for (size_t i = 0; i < WRITERS; i++) {
            if (pids[i] != 0)
                continue;
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0)
                storm_writer(f, progress);
        }
        clock_sleep_ns(next_random(&random) % (4 * CLOCK_NS_PER_MS));
        kill(pids[victim], SIGKILL);
        assert_int_equal(waitpid(pids[victim], NULL, 0), pids[victim]);
        pids[victim] = 0;

        uint64_t finished = atomic_load(&progress->finished);
        assert_int_equal(metrics_reader_refresh(reader), 0);
        uint64_t total = storm_total(reader);
        uint64_t started = atomic_load(&progress->started);
        assert_true(finished <= total && total <= started);
        assert_true(total >= last);
        last = total;
    }
    for (size_t i = 0; i < WRITERS; i++) {
        if (pids[i] != 0) {
            kill(pids[i], SIGKILL);
            assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        }
    }
    assert_int_equal(metrics_reader_refresh(reader), 0);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.corrupt_records, 0);
    assert_int_equal(info.living, 0);
    assert_int_equal(info.refused[METRICS_REFUSED_NO_ROOM], 0);
    assert_true(storm_total(reader) >= atomic_load(&progress->finished));
    metrics_reader_close(reader);
    munmap(progress, sizeof(*progress));
}

/*
 * Runs `child` in a process that is killed once it has said that it is ready. What it started may
 * live until `hold` ends.
 */
static void kill_when_ready(const struct fixture *f,
                            void (*child)(const struct fixture *, int ready, int hold))
{
    int ready[2], hold[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(hold), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ready[0]);
        close(hold[1]);
        child(f, ready[1], hold[0]);
        _exit(1);
    }
    close(ready[1]);
    close(hold[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(fixture_live_value(f) == 5);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(fixture_live_value(f), 0);
    close(hold[1]);
    close(ready[0]);
}

static void be_busy(const struct fixture *f, int ready, int hold)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);

    (void)hold;
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), 5);
    if (write(ready, "1", 1) == 1)
        pause();
}

static void test_live_gauge_ends_with_its_process(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 20; i++)
        kill_when_ready(f, be_busy);
}

/* A child outlives its parent, with the parent's mapping, handles and descriptors. */
static void be_busy_with_child(const struct fixture *f, int ready, int hold)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    struct metrics_live_gauge *live =
        metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL);

    metrics_live_gauge_set(live, 5);
    if (fork() == 0) {
        char byte;
        /* Not the parent's value, and yet a counter of the file. */
        metrics_live_gauge_set(live, 1000);
        metrics_add(metrics_counter(family, VALUES("child", "")), 1);
        if (write(ready, "1", 1) != 1)
            _exit(1);
        _exit(read(hold, &byte, 1) == 0 ? 0 : 1);
    }
    pause();
}

static void test_fork_does_not_hold_the_slot(void **state)
{
    struct fixture *f = *state;

    kill_when_ready(f, be_busy_with_child);
    assert_int_equal(fixture_counter_value(f, VALUES("child", "")), 1);
}

/* The first refresh gives the child a slot, and its own value shows beside the parent's. */
static void test_forked_child_refreshes(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_counter *counter =
        metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("both", ""));
    struct metrics_live_gauge *live =
        metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL);

    metrics_live_gauge_set(live, 2);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        metrics_live_gauge_set(live, 40);
        metrics_add(counter, 1);
        if (!metrics_refresh(metrics) || metrics_problem(metrics) != NULL ||
            fixture_live_value(f) != 42)
            _exit(1);
        metrics_live_gauge_set(live, 100);
        metrics_add(counter, 2);
        _exit(fixture_live_value(f) == 102 ? 0 : 2);
    }
    fixture_wait(pid);
    assert_int_equal(fixture_live_value(f), 2);
    metrics_add(counter, 4);
    assert_int_equal(fixture_counter_value(f, VALUES("both", "")), 7);
    metrics_close(metrics);
}

/* Space that a killed process took and never published is lost, and nothing else. */
static void test_unpublished_space_is_harmless(void **state)
{
    struct fixture *f = *state;
    struct metrics_map map;

    metrics_close(fixture_open(f));
    assert_int_equal(metrics_file_map(&map, f->file, true), METRICS_FILE_OK);
    struct metrics_file_header *header = metrics_file_header(&map);
    memset(map.base + map.at.arena, 0xaa, 512);
    atomic_fetch_add(&header->arena_tail.word, 512);
    atomic_fetch_add(&header->cells_tail.word, 64);
    atomic_fetch_add(&header->exemplars_tail.word, 96);
    metrics_file_unmap(&map);

    struct metrics *metrics = fixture_open(f);
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("", "")), 9);
    metrics_close(metrics);
    assert_int_equal(fixture_counter_value(f, VALUES("", "")), 9);
}

static void test_dead_creators_are_swept(void **state)
{
    struct fixture *f = *state;
    char stale[400], fresh[400];
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    snprintf(stale, sizeof(stale), "%s/" METRICS_FILE_TEMP_PREFIX "1.00", f->dir);
    snprintf(fresh, sizeof(fresh), "%s/" METRICS_FILE_TEMP_PREFIX "2.00", f->dir);
    close(open(stale, O_CREAT | O_WRONLY, 0600));
    close(open(fresh, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(utimensat(AT_FDCWD, stale, old, 0), 0);
    metrics_close(fixture_open(f));
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(access(fresh, F_OK), 0);
}

/* In a mount namespace of its own, if that is allowed. */
static void on_full_tmpfs(const struct fixture *f)
{
    static const char filler[4096] = {1};
    char path[400];

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", f->dir, "tmpfs", 0, "size=1m") < 0)
        _exit(77);
    /* Full before creation: no SIGBUS, a reason, nothing left behind. */
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    if (metrics == NULL || metrics_problem(metrics) == NULL ||
        strstr(metrics_problem(metrics), "No space") == NULL)
        _exit(1);
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("", "")), 1);
    DIR *dir = opendir(f->dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] != '.')
            _exit(2);
    }
    closedir(dir);

    /* Full afterwards: every page was taken at creation. */
    if (mount("none", f->dir, "tmpfs", MS_REMOUNT, "size=12m") < 0)
        _exit(77);
    if (!fixture_refresh(metrics))
        _exit(3);
    if (metrics_problem(metrics) != NULL)
        _exit(4);
    snprintf(path, sizeof(path), "%s/filler", f->dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    while (write(fd, filler, sizeof(filler)) > 0)
        ;
    if (errno != ENOSPC)
        _exit(5);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    for (int i = 0; i < 8191; i++) { /* one is there already */
        char value[32];
        snprintf(value, sizeof(value), "%d", i);
        metrics_add(metrics_counter(family, VALUES("full", value)), 1);
    }
    if (metrics_problem(metrics) != NULL || fixture_counter_value(f, VALUES("full", "8190")) != 1)
        _exit(6);
    _exit(0);
}

static void test_full_tmpfs(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        on_full_tmpfs(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("no right to mount: skipped\n");
        skip();
    }
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_racing_registrations),
        TEST(test_racing_creations),
        TEST(test_kill_storm),
        TEST(test_live_gauge_ends_with_its_process),
        TEST(test_fork_does_not_hold_the_slot),
        TEST(test_forked_child_refreshes),
        TEST(test_unpublished_space_is_harmless),
        TEST(test_dead_creators_are_swept),
        TEST(test_full_tmpfs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
