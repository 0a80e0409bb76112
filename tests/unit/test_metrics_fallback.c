/*
 * Goal: where the file can't be used, metrics go on in private memory and say why; a file that is
 * not ours is left alone; a file that comes, goes or is truncated is noticed.
 */
#include "tests/unit/metrics_fixture.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>

static void put_file(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

/* Everything works in private memory; the file keeps its bytes; a usable file is noticed. */
static void check_degraded(struct fixture *f, const char *reason)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    uint64_t value;

    assert_non_null(metrics);
    assert_non_null(metrics_problem(metrics));
    if (strstr(metrics_problem(metrics), reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", metrics_problem(metrics), reason);
    assert_int_equal(strlen(metrics_instance_id(metrics)), IDS_UUID_TEXT);
    struct metrics_counter *counter =
        metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("GET", "/"));
    metrics_add(counter, 2);
    assert_true(metrics_counter_read(counter, &value));
    assert_int_equal(value, 2);
    metrics_observe(metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("/")),
                    1);
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), 1);
    atomic_store(metrics_words_at(metrics_words(metrics), 3), 1);
    assert_false(metrics_refresh(metrics));
    metrics_close(metrics);
}

static void test_foreign_files_are_left_alone(void **state)
{
    struct fixture *f = *state;
    char read_back[64];

    put_file(f->file, "hello, world, this is not metrics", 33);
    check_degraded(f, "not a metrics file");
    int fd = open(f->file, O_RDONLY);
    assert_int_equal(read(fd, read_back, sizeof(read_back)), 33);
    assert_memory_equal(read_back, "hello, world, this is not metrics", 33);
    close(fd);
    put_file(f->file, "", 0);
    check_degraded(f, "not a metrics file");
    unlink(f->file);
    assert_int_equal(mkfifo(f->file, 0600), 0);
    check_degraded(f, "not a metrics file");
    unlink(f->file);
    assert_int_equal(symlink("/dev/zero", f->file), 0);
    check_degraded(f, "not a metrics file");
}

static void test_missing_directory(void **state)
{
    struct fixture f = **(struct fixture **)state;

    strcat(f.dir, "/no/such");
    check_degraded(&f, "No such file");
}

/* What was counted while the file could not be used is told in the next one. */
static void test_updates_without_a_file_are_told(void **state)
{
    struct fixture *f = *state;
    static const struct metrics_family_def owned = {
        .name = "test_owned_total", .help = "Set by its owner.", .kind = METRICS_COUNTER};

    metrics_close(fixture_open(f)); /* tells of what earlier tests have left */
    unlink(f->file);
    put_file(f->file, "x", 1);
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    assert_non_null(metrics_problem(metrics));
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("a", "")), 3);
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("b", "")), 4);
    metrics_observe(metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("")), 9);
    metrics_gauge_set(metrics_gauge(metrics_declare(metrics, &fixture_gauge), NULL), 100);
    metrics_counter_set(metrics_counter(metrics_declare(metrics, &owned), NULL), 1000);
    unlink(f->file);

    /* The same process tells it once it has the file ... */
    assert_true(fixture_refresh(metrics));
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_NO_FILE), 8);
    metrics_close(metrics);
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_NO_FILE), 8);

    /* ... or whoever opens it next. */
    unlink(f->file);
    put_file(f->file, "x", 1);
    metrics = metrics_open(f->dir, f->max_series);
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("a", "")), 2);
    metrics_close(metrics);
    unlink(f->file);
    metrics_close(fixture_open(f));
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_NO_FILE), 2);
    metrics_close(fixture_open(f));
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_NO_FILE), 2);
}

/* Truncated under our feet: stores go on, into nothing, and it is told. */
static void test_truncation_under_a_writer(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    struct metrics_counter *counter = metrics_counter(family, VALUES("GET", "/"));
    struct metrics_histogram *histogram =
        metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("/"));
    uint64_t value = 77;

    assert_int_equal(truncate(f->file, 4096), 0);
    metrics_add(counter, 1);
    metrics_add(counter, 1);
    metrics_observe(histogram, 1);
    metrics_counter(family, VALUES("GET", "/new"));
    metrics_declare(metrics, &fixture_gauge);
    assert_non_null(metrics_problem(metrics));
    /* The zeros that it was cut down to are nobody's count. */
    assert_false(metrics_counter_read(counter, &value));
    assert_int_equal(value, 77);
    assert_true(fixture_refresh(metrics));
    assert_non_null(strstr(metrics_problem(metrics), "shorter"));
    metrics_add(counter, 3);
    assert_true(metrics_counter_read(counter, &value));
    assert_int_equal(value, 3);
    metrics_close(metrics);
    check_degraded(f, "shorter");
}

static void test_room_for_series(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t asked, expected;
    } rows[] = {{0, METRICS_SERIES_DEFAULT}, {1, 1}, {100, 100}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct metrics_reader_info info;
        f->max_series = rows[i].asked;
        metrics_close(fixture_open(f));
        struct metrics_reader *reader = fixture_read(f);
        metrics_reader_info(reader, &info);
        metrics_reader_close(reader);
        assert_int_equal(info.max_series, rows[i].expected);
        unlink(f->file);
    }
}

/*
 * A write beyond the limit on file sizes would end the process (SIGXFSZ): it gets private memory.
 * A file that is there already can be used.
 */
static void test_file_size_limit(void **state)
{
    struct fixture *f = *state;

    for (int there = 0; there < 2; there++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            const struct rlimit limit = {.rlim_cur = 20000, .rlim_max = 20000};
            if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                _exit(2);
            struct metrics *metrics = metrics_open(f->dir, 0);
            metrics_add(
                metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("a", "")), 1);
            const char *problem = metrics_problem(metrics);
            bool right = there ? problem == NULL
                               : problem != NULL && strstr(problem, strerror(EFBIG)) != NULL &&
                                     access(f->file, F_OK) < 0;
            _exit(right ? 0 : 1);
        }
        fixture_wait(pid);
        if (!there)
            metrics_close(fixture_open(f));
    }
    assert_int_equal(fixture_counter_value(f, VALUES("a", "")), 1);
}

/* Requests call it: a look at the file is a system call, and made once a second. */
static void test_a_refresh_looks_once_a_second(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    uint64_t deadline = clock_monotonic_ns() + 60000000000u;
    bool told = false;

    /* A machine that stands still for the second tells nothing. */
    for (int tries = 0; tries < 10 && !told; tries++) {
        uint64_t looked_ns;
        bool again;

        assert_int_equal(unlink(f->file), 0);
        do {
            clock_sleep_ns(5 * CLOCK_NS_PER_MS);
            looked_ns = clock_monotonic_ns();
            assert_true(looked_ns < deadline);
        } while (!metrics_refresh(metrics));
        assert_int_equal(unlink(f->file), 0);
        again = metrics_refresh(metrics);
        told = clock_monotonic_ns() - looked_ns < 900 * (uint64_t)CLOCK_NS_PER_MS;
        assert_false(told && again);
        assert_true(again || fixture_refresh(metrics));
    }
    assert_true(told);
    metrics_close(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_foreign_files_are_left_alone),
        TEST(test_missing_directory),
        TEST(test_updates_without_a_file_are_told),
        TEST(test_truncation_under_a_writer),
        TEST(test_room_for_series),
        TEST(test_file_size_limit),
        TEST(test_a_refresh_looks_once_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
