/*
 * Goal: sixteen writers register, count, observe and leave exemplars without a pause while one
 * after the other is killed at a random instant, and a reader scrapes without a pause. At any time
 * each series lies between the operations that ended and those that began, and none goes back.
 */
#include "lib/metrics/exposition.h"
#include "tests/torture/torture.h"

enum { WRITERS = 16, COUNTERS = 4000, HISTOGRAMS = 64 };

/* Counts of operations, in memory that outlives the writers. */
struct progress {
    _Atomic uint64_t started, finished;
};

struct storm {
    struct progress counters[COUNTERS], histograms[HISTOGRAMS];
    _Atomic uint64_t kills;
};

static const double values[] = {0.05, 0.3, 0.7, 3};

/* An exemplar's parts follow from its time, so that a mixture of two shows. */
static void exemplar_ids(uint64_t unix_ns, struct trace_id *trace, struct span_id *span)
{
    uint64_t words[3] = {unix_ns * 0x9e3779b97f4a7c15u | 1, ~unix_ns,
                         unix_ns ^ 0x5555555555555555u};

    memcpy(trace->bytes, words, sizeof(trace->bytes));
    memcpy(span->bytes, &words[2], sizeof(span->bytes));
}

static void count_one(struct storm *storm, struct metrics *metrics, unsigned n)
{
    char value[32];

    snprintf(value, sizeof(value), "%u", n);
    atomic_fetch_add(&storm->counters[n].started, 1);
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("storm", value)),
                1);
    atomic_fetch_add(&storm->counters[n].finished, 1);
}

static void observe_one(struct storm *storm, struct metrics *metrics, unsigned n, uint64_t random)
{
    struct trace_id trace;
    struct span_id span;
    char value[32];

    snprintf(value, sizeof(value), "%u", n);
    exemplar_ids(random, &trace, &span);
    atomic_fetch_add(&storm->histograms[n].started, 1);
    metrics_observe_exemplar(
        metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES(value)),
        values[random % 4], &trace, &span, random);
    atomic_fetch_add(&storm->histograms[n].finished, 1);
}

static void write_on(const struct fixture *f, struct storm *storm, uint64_t random)
{
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    if (metrics == NULL || metrics_problem(metrics) != NULL)
        _exit(3);
    struct metrics_live_gauge *live =
        metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL);
    for (;;) {
        metrics_live_gauge_set(live, 1);
        count_one(storm, metrics, (unsigned)(torture_random(&random) % COUNTERS));
        observe_one(storm, metrics, (unsigned)(torture_random(&random) % HISTOGRAMS), random);
        metrics_live_gauge_set(live, 0);
    }
}

/*
 * Reaps writers that were killed, all of them if `all`: one that is killed ends when it gets a
 * processor, which the next kill does not wait for. Ends the process where a writer ended by
 * itself: it found something wrong.
 */
static void reap(pid_t pids[WRITERS], const bool killed[WRITERS], bool all)
{
    int status;

    for (size_t i = 0; i < WRITERS; i++) {
        if (pids[i] == 0)
            continue;
        pid_t ended = waitpid(pids[i], &status, all ? 0 : WNOHANG);
        if (ended < 0 || (ended > 0 && (!killed[i] || !WIFSIGNALED(status))))
            _exit(4);
        if (ended > 0)
            pids[i] = 0;
    }
}

/* Keeps the writers running, and kills `kills` of them at random instants; then all. */
static void kill_on(const struct fixture *f, struct storm *storm, unsigned kills)
{
    pid_t pids[WRITERS] = {0};
    bool killed[WRITERS] = {false};
    uint64_t random = clock_unix_ns() | 1;

    while (atomic_load(&storm->kills) < kills) {
        reap(pids, killed, false);
        for (size_t i = 0; i < WRITERS; i++) {
            uint64_t seed = torture_random(&random);
            if (pids[i] != 0)
                continue;
            killed[i] = false;
            if ((pids[i] = torture_fork()) == 0)
                write_on(f, storm, seed);
        }
        clock_sleep_ns(torture_random(&random) % (3 * CLOCK_NS_PER_MS));
        size_t victim = torture_random(&random) % WRITERS;
        if (killed[victim])
            continue;
        if (kill(pids[victim], SIGKILL) < 0)
            _exit(4);
        killed[victim] = true;
        atomic_fetch_add(&storm->kills, 1);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        killed[i] = true;
        if (pids[i] != 0 && kill(pids[i], SIGKILL) < 0)
            _exit(4);
    }
    reap(pids, killed, true);
    _exit(0);
}

static void check_counters(struct storm *storm, const struct metrics_reader *reader, uint64_t *last)
{
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_counter);

    for (size_t i = 0; family != NULL && i < family->series_count; i++) {
        size_t n = (size_t)atoi(family->series[i]->values[1]);
        uint64_t finished = atomic_load(&storm->counters[n].finished);
        uint64_t value = metrics_reader_counter(reader, family->series[i]);
        uint64_t started = atomic_load(&storm->counters[n].started);
        assert_in_range(value, finished, started);
        assert_true(value >= last[n]);
        last[n] = value;
    }
}

static void check_exemplars(const struct metrics_reader *reader,
                            const struct metrics_reader_family *family,
                            const struct metrics_reader_series *series)
{
    struct metrics_reader_exemplar exemplar;
    struct trace_id trace;
    struct span_id span;

    for (size_t b = 0; b <= family->bound_count; b++) {
        if (!metrics_reader_exemplar(reader, family, series, b, &exemplar))
            continue;
        exemplar_ids(exemplar.unix_ns, &trace, &span);
        assert_true(exemplar.value == values[b] && exemplar.unix_ns % 4 == b);
        assert_memory_equal(&exemplar.trace, &trace, sizeof(trace));
        assert_memory_equal(&exemplar.span, &span, sizeof(span));
    }
}

static void check_histograms(struct storm *storm, const struct metrics_reader *reader,
                             struct metrics_reader_histogram *last)
{
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_histogram);
    struct metrics_reader_histogram histogram;

    for (size_t i = 0; family != NULL && i < family->series_count; i++) {
        size_t n = (size_t)atoi(family->series[i]->values[0]);
        uint64_t finished = atomic_load(&storm->histograms[n].finished);
        metrics_reader_histogram(reader, family, family->series[i], &histogram);
        uint64_t started = atomic_load(&storm->histograms[n].started);
        assert_in_range(histogram.count, finished, started);
        for (size_t b = 0; b <= family->bound_count; b++)
            assert_true(histogram.buckets[b] >= last[n].buckets[b]);
        assert_true(histogram.sum_steps >= last[n].sum_steps);
        last[n] = histogram;
        check_exemplars(reader, family, family->series[i]);
    }
}

static void test_kill_storm(void **state)
{
    struct fixture *f = *state;
    const unsigned kills = torture_full() ? 5000 : 2000;
    struct storm *storm = torture_shared(sizeof(*storm));
    static uint64_t last_counters[COUNTERS];
    static struct metrics_reader_histogram last_histograms[HISTOGRAMS];
    struct metrics_reader_info info;
    struct exposition text;
    size_t scrapes = 0;
    int status;
    pid_t ended;

    metrics_close(fixture_open(f));
    struct metrics_reader *reader = fixture_read(f);
    pid_t killer = torture_fork();
    if (killer == 0)
        kill_on(f, storm, kills);
    exposition_begin(&text, EXPOSITION_PROMETHEUS);
    do {
        ended = waitpid(killer, &status, WNOHANG);
        assert_int_equal(metrics_reader_refresh(reader), 0);
        check_counters(storm, reader, last_counters);
        check_histograms(storm, reader, last_histograms);
        exposition_free(&text);
        exposition_begin(&text, scrapes % 2 ? EXPOSITION_OPENMETRICS : EXPOSITION_PROMETHEUS);
        exposition_reader(&text, reader);
        assert_int_equal(exposition_end(&text), 0);
        torture_sound(reader);
        scrapes++;
    } while (ended == 0);
    assert_int_equal(ended, killer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(atomic_load(&storm->kills), kills);

    /* What is there once all are dead, read again: no process is left, and nothing has to be
     * mended.
     */
    metrics_reader_close(reader);
    reader = fixture_read(f);
    check_counters(storm, reader, last_counters);
    check_histograms(storm, reader, last_histograms);
    metrics_reader_info(reader, &info);
    assert_int_equal(info.living, 0);
    torture_sound(reader);
    metrics_reader_close(reader);
    assert_int_equal(fixture_live_value(f), 0);
    print_message("# %u kills, %zu scrapes, %zu series\n", kills, scrapes, info.series_count);
    exposition_free(&text);
    munmap(storm, sizeof(*storm));
}

/* The same for creation: no file at all, eight processes that want one, one killed on the way. */
static void test_creation_storm(void **state)
{
    enum { CREATORS = 8 };
    struct fixture *f = *state;
    const unsigned rounds = torture_full() ? 500 : 100;
    uint64_t random = clock_unix_ns() | 1;

    for (unsigned round = 0; round < rounds; round++) {
        pid_t pids[CREATORS];
        int status;

        for (size_t i = 0; i < CREATORS; i++) {
            pids[i] = torture_fork();
            if (pids[i] != 0)
                continue;
            struct metrics *metrics = metrics_open(f->dir, f->max_series);
            if (metrics == NULL || metrics_problem(metrics) != NULL)
                _exit(3);
            metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("", "")),
                        1);
            _exit(0);
        }
        clock_sleep_ns(torture_random(&random) % (2 * CLOCK_NS_PER_MS));
        kill(pids[0], SIGKILL);
        assert_int_equal(waitpid(pids[0], &status, 0), pids[0]);
        uint64_t least = CREATORS - 1, most = CREATORS;
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            least = most;
        }
        for (size_t i = 1; i < CREATORS; i++)
            fixture_wait(pids[i]);
        assert_in_range(fixture_counter_value(f, VALUES("", "")), least, most);
        assert_int_equal(unlink(f->file), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TORTURE_TEST(test_kill_storm),
        TORTURE_TEST(test_creation_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
