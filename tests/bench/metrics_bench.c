/*
 * What the metrics file costs: processor time of an operation, medians of several rounds.
 * Only what forks is timed by the clock.
 *
 *     metrics_bench [inc|observe|lookup|contended|attach|scrape|calls]...
 *
 * `calls` measures nothing: it writes a line to stderr, makes 28 million updates, and writes
 * another, so that a tracer shows what system calls are in between.
 *
 * Prints lines of `name value unit`. Works in a directory of its own under TMPDIR (best a tmpfs).
 */
#include "lib/base/clock.h"
#include "lib/metrics/exposition.h"
#include "lib/metrics/file.h"
#include "lib/metrics/metrics.h"
#include "tests/bench/measure.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 8 };

static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};

static const struct metrics_family_def requests_def = {
    .name = "bench_requests_total",
    .help = "Requests.",
    .kind = METRICS_COUNTER,
    .labels = {"method", "path", "status"},
};

static const struct metrics_family_def latency_def = {
    .name = "bench_latency_seconds",
    .help = "Latency.",
    .unit = "seconds",
    .kind = METRICS_HISTOGRAM,
    .labels = {"method", "path"},
    .bounds = bounds,
    .bound_count = sizeof(bounds) / sizeof(bounds[0]),
};

static char dir[4096];

static void new_directory(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(dir, sizeof(dir), "%s/metrics_bench.XXXXXX", base == NULL ? "/dev/shm" : base);
    if (mkdtemp(dir) == NULL)
        die(dir);
}

static void remove_directory(void)
{
    char path[sizeof(dir) + 32];

    snprintf(path, sizeof(path), "%s/" METRICS_FILE_NAME, dir);
    unlink(path);
    rmdir(dir);
}

static struct metrics *open_metrics(uint32_t max_series)
{
    struct metrics *metrics = metrics_open(dir, max_series);

    if (metrics == NULL || metrics_problem(metrics) != NULL) {
        fprintf(stderr, "metrics_bench: %s\n",
                metrics == NULL ? "memory" : metrics_problem(metrics));
        exit(1);
    }
    return metrics;
}

static void measure(const char *name, uint64_t (*step)(void *), void *state)
{
    measure_by(cpu_ns, name, step, state);
}

static uint64_t step_raw(void *state)
{
    _Atomic uint64_t *cell = state;

    for (int i = 0; i < 10000000; i++)
        atomic_fetch_add_explicit(cell, 1, memory_order_relaxed);
    return 10000000;
}

static uint64_t step_inc(void *state)
{
    struct metrics_counter *counter = state;

    for (int i = 0; i < 10000000; i++)
        metrics_add(counter, 1);
    return 10000000;
}

/* Values as a service has them: most in a few buckets, without a pattern to predict. */
static double values[4096];

static void fill_values(void)
{
    uint64_t state = 88172645463325252u;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        double unit = (double)(state >> 11) / 9007199254740992.0;
        values[i] = 0.00005 + 0.02 * unit * unit * unit;
    }
}

static uint64_t step_observe(void *state)
{
    struct metrics_histogram *histogram = state;

    for (int i = 0; i < 4000000; i++)
        metrics_observe(histogram, values[i & 4095]);
    return 4000000;
}

static uint64_t step_observe_exemplar(void *state)
{
    struct metrics_histogram *histogram = state;
    struct trace_id trace = {{1, 2, 3}};
    struct span_id span = {{4, 5, 6}};

    for (int i = 0; i < 4000000; i++)
        metrics_observe_exemplar(histogram, values[i & 4095], &trace, &span, 1700000000u + i);
    return 4000000;
}

static uint64_t step_lookup(void *state)
{
    static const char *const labels[][2] = {
        {"GET", "/healthz"}, {"POST", "/analyze"}, {"GET", "/metrics"}, {"GET", "_OTHER"}};

    for (int i = 0; i < 2000000; i++)
        metrics_observe(metrics_histogram(state, labels[i & 3]), values[i & 4095]);
    return 2000000;
}

static void bench_single(bool inc, bool observe, bool lookup)
{
    static _Atomic uint64_t raw;
    new_directory();
    struct metrics *metrics = open_metrics(0);
    struct metrics_family *family = metrics_declare(metrics, &latency_def);
    struct metrics_counter *counter = metrics_counter(metrics_declare(metrics, &requests_def),
                                                      (const char *[]){"POST", "/analyze", "200"});
    struct metrics_histogram *histogram =
        metrics_histogram(family, (const char *[]){"POST", "/analyze"});

    if (inc) {
        measure("bare atomic add", step_raw, &raw);
        measure("inc", step_inc, counter);
    }
    if (observe) {
        measure("observe", step_observe, histogram);
        measure("observe with exemplar", step_observe_exemplar, histogram);
    }
    if (lookup)
        measure("lookup + observe", step_lookup, family);
    metrics_close(metrics);
    remove_directory();
}

/* What is timed in several processes at once. */
enum task { BARE, INC, OBSERVE, EXEMPLAR, TASKS };
static const char *const task_names[TASKS] = {"bare add to a line of its own", "inc", "observe",
                                              "observe with exemplar"};
enum { COUNTS = 4 }; /* 1, 2, 4, 8 processes */

/* One process among several: says that it is ready, waits for all, and times each task. */
static void contend(double result[TASKS], int ready, int gate)
{
    static _Alignas(4096) _Atomic uint64_t raw;
    struct metrics *metrics = open_metrics(0);
    struct metrics_counter *counter = metrics_counter(metrics_declare(metrics, &requests_def),
                                                      (const char *[]){"POST", "/analyze", "200"});
    struct metrics_histogram *histogram = metrics_histogram(metrics_declare(metrics, &latency_def),
                                                            (const char *[]){"POST", "/analyze"});
    uint64_t (*const steps[TASKS])(void *) = {step_raw, step_inc, step_observe,
                                              step_observe_exemplar};
    void *const states[TASKS] = {&raw, counter, histogram, histogram};
    char byte;

    for (int task = 0; task < TASKS; task++) {
        /* The gate has a byte for each of us, task by task, so that all are at the same one. */
        if (write(ready, "1", 1) != 1 || read(gate, &byte, 1) != 1)
            _exit(1);
        double start = cpu_ns();
        uint64_t operations = steps[task](states[task]);
        result[task] = (cpu_ns() - start) / (double)operations;
    }
    _exit(0);
}

/* The median over `count` processes at once of each task, in ns of processor time. */
static void contended(unsigned count, double out[TASKS])
{
    double(*results)[TASKS] = mmap(NULL, PROCESSES_MAX * sizeof(*results), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ready[2], gates[PROCESSES_MAX][2];
    char byte;

    if (results == MAP_FAILED || pipe(ready) < 0)
        die("contended");
    for (unsigned i = 0; i < count; i++) {
        if (pipe(gates[i]) < 0)
            die("pipe");
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0)
            contend(results[i], ready[1], gates[i][0]);
        close(gates[i][0]);
    }
    for (int task = 0; task < TASKS; task++) {
        for (unsigned i = 0; i < count; i++) {
            if (read(ready[0], &byte, 1) != 1)
                die("read");
        }
        for (unsigned i = 0; i < count; i++) {
            if (write(gates[i][1], "1", 1) != 1)
                die("write");
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (wait(NULL) < 0)
            die("wait");
        close(gates[i][1]);
    }
    close(ready[0]);
    close(ready[1]);
    for (int task = 0; task < TASKS; task++) {
        double each[PROCESSES_MAX];
        for (unsigned i = 0; i < count; i++)
            each[i] = results[i][task];
        out[task] = median(each, count);
    }
    munmap(results, PROCESSES_MAX * sizeof(*results));
}

static void bench_contended(void)
{
    double ns[COUNTS][TASKS][ROUNDS], ratios[COUNTS][TASKS][ROUNDS], result[TASKS];
    char name[80];

    new_directory();
    for (size_t round = 0; round < ROUNDS; round++) {
        for (unsigned c = 0; c < COUNTS; c++) {
            contended(1u << c, result);
            for (int task = 0; task < TASKS; task++) {
                ns[c][task][round] = result[task];
                ratios[c][task][round] = result[task] / ns[0][task][round];
            }
        }
    }
    remove_directory();
    for (int task = 0; task < TASKS; task++) {
        for (unsigned c = 0; c < COUNTS; c++) {
            snprintf(name, sizeof(name), "%s, %u processes", task_names[task], 1u << c);
            report(name, median(ns[c][task], ROUNDS), "ns/op");
            snprintf(name, sizeof(name), "%s, %u processes, ratio to one", task_names[task],
                     1u << c);
            report(name, median(ratios[c][task], ROUNDS), "times");
        }
    }
}

static uint64_t step_attach(void *state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct metrics *metrics = open_metrics(0);
        metrics_observe(metrics_histogram(metrics_declare(metrics, &latency_def),
                                          (const char *[]){"POST", "/analyze"}),
                        0.01);
        metrics_close(metrics);
    }
    return 2000;
}

/*
 * Each of the series by eight processes, as the peer's eight files hold them. Returns nothing: a
 * process that fails leaves less to read, and says so.
 */
static void fill_by_others(unsigned series)
{
    for (unsigned p = 0; p < PROCESSES_MAX; p++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid > 0)
            continue;
        struct metrics_family *family = metrics_declare(open_metrics(0), &requests_def);
        for (unsigned i = 0; i < series; i++) {
            char label[32];
            snprintf(label, sizeof(label), "/path/%u", i);
            metrics_add(metrics_counter(family, (const char *[]){"POST", label, "200"}), i);
        }
        _exit(0);
    }
    for (unsigned p = 0; p < PROCESSES_MAX; p++) {
        int status;
        if (wait(&status) < 0 || status != 0)
            die("a writer");
    }
}

/* A process that attaches, or not, and ends: the difference is what the metrics cost a CGI. */
static uint64_t step_process(void *state)
{
    const bool *attach = state;

    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            if (*attach) {
                struct metrics *metrics = open_metrics(0);
                metrics_observe(metrics_histogram(metrics_declare(metrics, &latency_def),
                                                  (const char *[]){"POST", "/analyze"}),
                                0.01);
            }
            _exit(0);
        }
        if (waitpid(pid, NULL, 0) < 0)
            die("waitpid");
    }
    return 300;
}

static void bench_attach(void)
{
    bool no = false, yes = true;

    new_directory();
    measure("attach, declare, look up, observe, close", step_attach, NULL);
    measure_by(clock_ns, "fork and exit", step_process, &no);
    measure_by(clock_ns, "fork, attach, observe and exit", step_process, &yes);
    remove_directory();
}

static void bench_scrape(unsigned series)
{
    char name[64], path[sizeof(dir) + 32];
    double rounds[ROUNDS];
    struct exposition out;
    struct stat st;

    new_directory();
    struct metrics *metrics = open_metrics(series);
    struct metrics_family *family = metrics_declare(metrics, &requests_def);
    double start = cpu_ns();
    for (unsigned i = 0; i < series; i++) {
        char label[32];
        snprintf(label, sizeof(label), "/path/%u", i);
        metrics_add(metrics_counter(family, (const char *[]){"POST", label, "200"}), i);
    }
    snprintf(name, sizeof(name), "register %u series", series);
    report(name, (cpu_ns() - start) / series, "ns/op");

    fill_by_others(series);

    struct metrics_reader *reader = metrics_reader_open(dir);
    exposition_begin(&out, EXPOSITION_OPENMETRICS);
    start = cpu_ns();
    if (reader == NULL || metrics_reader_refresh(reader) < 0)
        die("reader");
    snprintf(name, sizeof(name), "first read of %u series", series);
    report(name, (cpu_ns() - start) / 1e6, "ms");
    for (size_t i = 0; i < ROUNDS; i++) {
        start = cpu_ns();
        exposition_free(&out);
        exposition_begin(&out, EXPOSITION_OPENMETRICS);
        if (metrics_reader_refresh(reader) < 0)
            die("reader");
        exposition_reader(&out, reader);
        if (exposition_end(&out) < 0)
            die("exposition");
        rounds[i] = (cpu_ns() - start) / 1e6;
    }
    snprintf(name, sizeof(name), "scrape of %u series", series);
    report(name, median(rounds, ROUNDS), "ms");
    snprintf(name, sizeof(name), "text of %u series", series);
    report(name, (double)out.len / series, "bytes/series");
    snprintf(path, sizeof(path), "%s/" METRICS_FILE_NAME, dir);
    if (stat(path, &st) < 0)
        die(path);
    snprintf(name, sizeof(name), "file for %u series", series);
    report(name, (double)st.st_size / series, "bytes/series");
    exposition_free(&out);
    metrics_reader_close(reader);
    metrics_close(metrics);
    remove_directory();
}

static void updates_between_marks(void)
{
    static const char mark[] = "--- updates\n";

    new_directory();
    struct metrics *metrics = open_metrics(0);
    struct metrics_family *family = metrics_declare(metrics, &latency_def);
    struct metrics_counter *counter = metrics_counter(metrics_declare(metrics, &requests_def),
                                                      (const char *[]){"POST", "/analyze", "200"});
    struct metrics_histogram *histogram =
        metrics_histogram(family, (const char *[]){"POST", "/analyze"});

    step_lookup(family); /* the first look-ups register */
    if (write(STDERR_FILENO, mark, sizeof(mark) - 1) < 0)
        die("write");
    step_inc(counter);
    step_inc(counter);
    step_observe(histogram);
    step_observe_exemplar(histogram);
    if (write(STDERR_FILENO, mark, sizeof(mark) - 1) < 0)
        die("write");
    metrics_close(metrics);
    remove_directory();
}

static bool wanted(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return argc < 2;
}

int main(int argc, char **argv)
{
    fill_values();
    if (argc == 2 && strcmp(argv[1], "calls") == 0) {
        updates_between_marks();
        return 0;
    }
    bench_single(wanted(argc, argv, "inc"), wanted(argc, argv, "observe"),
                 wanted(argc, argv, "lookup"));
    if (wanted(argc, argv, "contended"))
        bench_contended();
    if (wanted(argc, argv, "attach"))
        bench_attach();
    if (wanted(argc, argv, "scrape")) {
        bench_scrape(1000);
        bench_scrape(10000);
        bench_scrape(100000);
    }
    return 0;
}
