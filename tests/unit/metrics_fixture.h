/* What the tests of the metrics file share: a directory of its own for each, families, reading. */
#ifndef TESTS_UNIT_METRICS_FIXTURE_H
#define TESTS_UNIT_METRICS_FIXTURE_H

#include "lib/base/clock.h"
#include "lib/metrics/file.h"
#include "lib/metrics/metrics.h"
#include "lib/metrics/reader.h"
#include "lib/metrics/words.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define VALUES(...) ((const char *const[]){__VA_ARGS__})

struct fixture {
    char dir[256];
    char file[300];
    uint32_t max_series; /* of a file that is made; 0: the default */
};

__attribute__((unused)) static int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const char *base = getenv("TMPDIR");

    if (f == NULL)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "%s/metrics.XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->file, sizeof(f->file), "%s/" METRICS_FILE_NAME, f->dir);
    *state = f;
    return 0;
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    DIR *dir = opendir(f->dir);

    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir != NULL)
        closedir(dir);
    int result = rmdir(f->dir);
    free(f);
    return result;
}

__attribute__((unused)) static const struct metrics_family_def fixture_counter = {
    .name = "test_requests_total",
    .help = "Requests.",
    .kind = METRICS_COUNTER,
    .labels = {"method", "path"},
};

__attribute__((unused)) static const struct metrics_family_def fixture_gauge = {
    .name = "test_temperature_celsius",
    .help = "Temperature.",
    .unit = "celsius",
    .kind = METRICS_GAUGE,
};

__attribute__((unused)) static const struct metrics_family_def fixture_live = {
    .name = "test_in_progress",
    .help = "Requests in progress.",
    .kind = METRICS_LIVE_GAUGE,
};

__attribute__((unused)) static const struct metrics_family_def fixture_histogram = {
    .name = "test_latency_seconds",
    .help = "Latency.",
    .unit = "seconds",
    .kind = METRICS_HISTOGRAM,
    .labels = {"path"},
    .bounds = (const double[]){0.1, 0.5, 1},
    .bound_count = 3,
};

__attribute__((unused)) static struct metrics *fixture_open(const struct fixture *f)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);

    assert_non_null(metrics);
    if (metrics_problem(metrics) != NULL)
        fail_msg("%s", metrics_problem(metrics));
    return metrics;
}

/* Waits until a refresh attaches anew; a look at the file is made once a second. */
__attribute__((unused)) static bool fixture_refresh(struct metrics *metrics)
{
    uint64_t deadline = clock_monotonic_ns() + 10000000000u;

    while (!metrics_refresh(metrics)) {
        if (clock_monotonic_ns() > deadline)
            return false;
        clock_sleep_ns(20 * CLOCK_NS_PER_MS);
    }
    return true;
}

__attribute__((unused)) static struct metrics_reader *fixture_read(const struct fixture *f)
{
    struct metrics_reader *reader = metrics_reader_open(f->dir);

    assert_non_null(reader);
    if (metrics_reader_refresh(reader) < 0)
        fail_msg("%s", metrics_reader_problem(reader));
    return reader;
}

__attribute__((unused)) static const struct metrics_reader_family *
fixture_family(const struct metrics_reader *reader, const struct metrics_family_def *def)
{
    return metrics_reader_find_family(reader, def->name, strlen(def->name));
}

/* The series of the family with these values, or NULL. */
__attribute__((unused)) static const struct metrics_reader_series *
fixture_series(const struct metrics_reader *reader, const struct metrics_family_def *def,
               const char *const *values)
{
    const struct metrics_reader_family *family = fixture_family(reader, def);

    for (size_t i = 0; family != NULL && i < family->series_count; i++) {
        size_t k = 0;
        while (values != NULL && k < family->label_count &&
               strcmp(family->series[i]->values[k], values[k]) == 0)
            k++;
        if (k == family->label_count)
            return family->series[i];
    }
    return NULL;
}

__attribute__((unused)) static uint64_t fixture_counter_value(const struct fixture *f,
                                                              const char *const *values)
{
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_series *series = fixture_series(reader, &fixture_counter, values);

    assert_non_null(series);
    uint64_t value = metrics_reader_counter(reader, series);
    metrics_reader_close(reader);
    return value;
}

__attribute__((unused)) static int64_t fixture_live_value(const struct fixture *f)
{
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_series *series = fixture_series(reader, &fixture_live, NULL);

    assert_non_null(series);
    int64_t value = metrics_reader_live_gauge(reader, series);
    metrics_reader_close(reader);
    return value;
}

__attribute__((unused)) static uint64_t fixture_refused(const struct fixture *f,
                                                        enum metrics_refused why)
{
    struct metrics_reader_info info;
    struct metrics_reader *reader = fixture_read(f);

    metrics_reader_info(reader, &info);
    metrics_reader_close(reader);
    return info.refused[why];
}

/* Waits for a child and wants it to have ended with 0. */
__attribute__((unused)) static void fixture_wait(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
