/*
 * Goal: many processes at once, and many one after the other. 64 processes that register the same
 * series and then random ones make one of each, with exact totals; 100,000 processes as short as a
 * CGI request leave the file, the reader's descriptors and the time of a scrape as they were.
 */
#include "lib/metrics/exposition.h"
#include "tests/torture/torture.h"

enum { PROCESSES = 64, SAME = 1000, RANDOM = 10000, RANDOM_SPACE = 20000 };

/* --- Registering ---------------------------------------------------------------------------- */

static uint64_t seed_of(unsigned process)
{
    return 0x9e3779b97f4a7c15u * (process + 1);
}

static void count_one(struct metrics_family *family, const char *method, unsigned n)
{
    char value[32];

    snprintf(value, sizeof(value), "%u", n);
    metrics_add(metrics_counter(family, VALUES(method, value)), 1);
}

static void register_all(const struct fixture *f, unsigned process, int gate)
{
    uint64_t random = seed_of(process);
    char byte;

    if (read(gate, &byte, 1) != 0)
        _exit(2);
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    if (metrics == NULL || metrics_problem(metrics) != NULL)
        _exit(3);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    for (unsigned i = 0; i < SAME; i++)
        count_one(family, "same", i);
    for (unsigned i = 0; i < RANDOM; i++)
        count_one(family, "random", (unsigned)(torture_random(&random) % RANDOM_SPACE));
    _exit(0);
}

static void test_registrations_at_once(void **state)
{
    struct fixture *f = *state;
    static uint64_t expected[RANDOM_SPACE];
    size_t distinct = 0;
    pid_t pids[PROCESSES];
    int gate[2];

    f->max_series = 32768;
    assert_int_equal(pipe(gate), 0);
    for (unsigned p = 0; p < PROCESSES; p++) {
        uint64_t random = seed_of(p);
        for (unsigned i = 0; i < RANDOM; i++)
            distinct += expected[torture_random(&random) % RANDOM_SPACE]++ == 0;
        pids[p] = torture_fork();
        if (pids[p] == 0) {
            close(gate[1]);
            register_all(f, p, gate[0]);
        }
    }
    close(gate[0]);
    close(gate[1]);
    for (unsigned p = 0; p < PROCESSES; p++)
        fixture_wait(pids[p]);

    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_counter);
    torture_sound(reader);
    assert_int_equal(family->series_count, SAME + distinct);
    for (size_t i = 0; i < family->series_count; i++) {
        const struct metrics_reader_series *series = family->series[i];
        bool same = strcmp(series->values[0], "same") == 0;
        assert_int_equal(metrics_reader_counter(reader, series),
                         same ? PROCESSES : expected[atoi(series->values[1])]);
    }
    metrics_reader_close(reader);
    print_message("# %u processes, %zu series\n", PROCESSES, SAME + distinct);
}

/* --- Short processes ------------------------------------------------------------------------ */

enum { SPAWNERS = 4, PATHS = 5, ROUNDS = 10, SCRAPES = 40 };

static void short_process(const struct fixture *f, unsigned n)
{
    static const char *const paths[PATHS] = {"/analyze", "/healthz", "/readyz", "/docs", "_OTHER"};
    struct metrics *metrics = metrics_open(f->dir, f->max_series);

    if (metrics == NULL || metrics_problem(metrics) != NULL)
        _exit(3);
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), 1);
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter),
                                VALUES("POST", paths[n % PATHS])),
                1);
    metrics_observe(
        metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES(paths[n % PATHS])),
        0.25);
    _exit(0);
}

/* `count` of them, SPAWNERS at a time. */
static void spawn(const struct fixture *f, unsigned count)
{
    pid_t spawners[SPAWNERS];

    for (unsigned s = 0; s < SPAWNERS; s++) {
        spawners[s] = torture_fork();
        if (spawners[s] != 0)
            continue;
        for (unsigned n = 0; n < count / SPAWNERS; n++) {
            int status;
            pid_t pid = fork();
            if (pid == 0)
                short_process(f, n);
            if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
                _exit(4);
        }
        _exit(0);
    }
    for (unsigned s = 0; s < SPAWNERS; s++)
        fixture_wait(spawners[s]);
}

/* What must not grow. */
struct size {
    uint64_t bytes, arena, cells, exemplars, text, descriptors, files;
};

static uint64_t entries(const char *path)
{
    uint64_t count = 0;
    DIR *dir = opendir(path);

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* The fastest of some scrapes, in ns: what the work takes, whatever else the machine does. */
static uint64_t scrape(struct metrics_reader *reader, struct exposition *text)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < SCRAPES; i++) {
        uint64_t start = clock_monotonic_ns();
        assert_int_equal(metrics_reader_refresh(reader), 0);
        exposition_free(text);
        exposition_begin(text, EXPOSITION_OPENMETRICS);
        exposition_reader(text, reader);
        assert_int_equal(exposition_end(text), 0);
        uint64_t took = clock_monotonic_ns() - start;
        best = took < best ? took : best;
    }
    return best;
}

static struct size measure(const struct fixture *f, const struct exposition *text)
{
    struct metrics_map map;
    struct stat st;

    assert_int_equal(metrics_file_map(&map, f->file, false), METRICS_FILE_OK);
    const struct metrics_file_header *header = metrics_file_header(&map);
    assert_int_equal(stat(f->file, &st), 0);
    /* Space beside the content is the file system's own, for its list of extents. */
    assert_true((uint64_t)st.st_blocks * 512 <= (uint64_t)st.st_size + 65536);
    /* Lines have the same length but for the digits of the values. */
    uint64_t lines = 0;
    for (size_t i = 0; i < text->len; i++)
        lines += text->text[i] == '\n';
    struct size size = {
        .bytes = (uint64_t)st.st_size,
        .arena = atomic_load(&header->arena_tail.word),
        .cells = atomic_load(&header->cells_tail.word),
        .exemplars = atomic_load(&header->exemplars_tail.word),
        .text = lines,
        .descriptors = entries("/proc/self/fd"),
        .files = entries(f->dir),
    };
    metrics_file_unmap(&map);
    return size;
}

static void test_short_processes(void **state)
{
    struct fixture *f = *state;
    const unsigned count = (torture_full() ? 100000 : 10000) / ROUNDS;
    struct size first = {0}, now;
    uint64_t first_ns = 0, ns = 0, worst_ns = 0;
    struct exposition text;

    metrics_close(fixture_open(f));
    struct metrics_reader *reader = fixture_read(f);
    exposition_begin(&text, EXPOSITION_OPENMETRICS);
    for (unsigned round = 0; round < ROUNDS; round++) {
        spawn(f, count);
        ns = scrape(reader, &text);
        now = measure(f, &text);
        worst_ns = ns > worst_ns ? ns : worst_ns;
        if (round == 0) {
            first = now;
            first_ns = ns;
        } else {
            assert_memory_equal(&now, &first, sizeof(now));
        }
    }
    /* A file that grew with the processes would take some thousand times as long. */
    assert_true(worst_ns < 20 * first_ns + 1000000);

    const struct metrics_reader_family *family = fixture_family(reader, &fixture_counter);
    uint64_t total = 0, observed = 0;
    torture_sound(reader);
    assert_int_equal(family->series_count, PATHS);
    for (size_t i = 0; i < family->series_count; i++)
        total += metrics_reader_counter(reader, family->series[i]);
    family = fixture_family(reader, &fixture_histogram);
    for (size_t i = 0; i < family->series_count; i++) {
        struct metrics_reader_histogram histogram;
        metrics_reader_histogram(reader, family, family->series[i], &histogram);
        observed += histogram.count;
    }
    assert_int_equal(total, (uint64_t)count * ROUNDS);
    assert_int_equal(observed, (uint64_t)count * ROUNDS);
    assert_int_equal(fixture_live_value(f), 0);
    print_message("# %u processes; scrape %.0f us after a tenth of them, %.0f us after all\n",
                  count * ROUNDS, (double)first_ns / 1000, (double)ns / 1000);
    exposition_free(&text);
    metrics_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TORTURE_TEST(test_registrations_at_once),
        TORTURE_TEST(test_short_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
