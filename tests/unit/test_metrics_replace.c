/*
 * Goal: handles outlive the file. A file that is replaced, or comes later, is found by
 * metrics_refresh alone: everything is there again, nobody looks anything up, other threads go on
 * counting meanwhile. A refused series does not answer, and works once there is room. No failing
 * allocation ends the process.
 */
#include "tests/unit/metrics_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* --- Memory that runs out -------------------------------------------------------------------- */

static bool failing;    /* while it is set ... */
static bool lasting;    /* ... all calls fail, or one alone ... */
static long calls_left; /* ... after so many others */

static bool fails(void)
{
    return failing && (lasting ? calls_left-- <= 0 : calls_left-- == 0);
}

static void fail_after(long calls, bool for_good)
{
    calls_left = calls;
    lasting = for_good;
    failing = true;
}

/* Returns whether a call has failed. */
static bool end_failing(void)
{
    failing = false;
    return calls_left < 0;
}

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);

void *malloc(size_t size)
{
    if (!fails())
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    if (!fails())
        return __libc_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}
#endif

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    if (!fails())
        return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

/* --- One of each kind ------------------------------------------------------------------------ */

struct kinds {
    struct metrics_counter *counter;
    struct metrics_gauge *gauge;
    struct metrics_live_gauge *live;
    struct metrics_histogram *histogram;
};

static struct kinds look_up(struct metrics *metrics)
{
    return (struct kinds){
        metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("GET", "/")),
        metrics_gauge(metrics_declare(metrics, &fixture_gauge), NULL),
        metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL),
        metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("/")),
    };
}

static void use(const struct kinds *kinds)
{
    const struct trace_id trace = {{1}};
    const struct span_id span = {{2}};

    metrics_add(kinds->counter, 2);
    metrics_gauge_set(kinds->gauge, 1.5);
    metrics_gauge_add(kinds->gauge, 1);
    metrics_observe(kinds->histogram, 0.2);
    metrics_observe_exemplar(kinds->histogram, 0.7, &trace, &span, 1);
}

/* What use() leaves in a new file. */
static void assert_used(const struct fixture *f)
{
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_histogram);
    const struct metrics_reader_series *series =
        fixture_series(reader, &fixture_histogram, VALUES("/"));
    struct metrics_reader_histogram read;
    struct metrics_reader_exemplar exemplar;

    assert_non_null(series);
    metrics_reader_histogram(reader, family, series, &read);
    assert_int_equal(read.count, 2);
    assert_true(metrics_reader_exemplar(reader, family, series, 2, &exemplar));
    assert_true(metrics_reader_gauge(reader, fixture_series(reader, &fixture_gauge, NULL)) == 2.5);
    metrics_reader_close(reader);
    assert_int_equal(fixture_counter_value(f, VALUES("GET", "/")), 2);
}

static void test_a_replaced_file_has_everything(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct kinds kinds = look_up(metrics);
    char id[IDS_UUID_TEXT + 1];

    strcpy(id, metrics_instance_id(metrics));
    metrics_live_gauge_set(kinds.live, 7);
    use(&kinds);
    assert_false(metrics_refresh(metrics));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(unlink(f->file), 0);
        assert_true(fixture_refresh(metrics));
        assert_null(metrics_problem(metrics));
        assert_string_not_equal(id, metrics_instance_id(metrics));
        /* At zero, but for what this process is. */
        assert_int_equal(fixture_counter_value(f, VALUES("GET", "/")), 0);
        assert_int_equal(fixture_live_value(f), 7);
        use(&kinds);
        assert_used(f);
        struct kinds again = look_up(metrics);
        assert_memory_equal(&again, &kinds, sizeof(kinds));
    }
    metrics_live_gauge_set(kinds.live, 3);
    assert_int_equal(fixture_live_value(f), 3);
    metrics_close(metrics);
    assert_int_equal(fixture_live_value(f), 0);
}

static void test_a_file_that_comes_later(void **state)
{
    struct fixture *f = *state, later = *f;

    snprintf(later.dir, sizeof(later.dir), "%.200s/later", f->dir);
    snprintf(later.file, sizeof(later.file), "%.240s/" METRICS_FILE_NAME, later.dir);
    struct metrics *metrics = metrics_open(later.dir, 0);
    struct kinds kinds = look_up(metrics);
    assert_non_null(metrics_problem(metrics));
    use(&kinds);
    metrics_live_gauge_set(kinds.live, 4);
    assert_int_equal(mkdir(later.dir, 0700), 0);
    assert_true(fixture_refresh(metrics));
    assert_null(metrics_problem(metrics));
    assert_int_equal(fixture_live_value(&later), 4);
    assert_int_equal(fixture_refused(&later, METRICS_REFUSED_NO_FILE), 4);
    use(&kinds);
    assert_used(&later);

    /* And goes for good: private memory again, and again a file. */
    assert_int_equal(unlink(later.file), 0);
    assert_int_equal(rmdir(later.dir), 0);
    assert_true(fixture_refresh(metrics));
    assert_non_null(metrics_problem(metrics));
    use(&kinds);
    assert_int_equal(mkdir(later.dir, 0700), 0);
    assert_true(fixture_refresh(metrics));
    assert_int_equal(fixture_live_value(&later), 4);
    assert_int_equal(fixture_refused(&later, METRICS_REFUSED_NO_FILE), 4);
    metrics_close(metrics);
    assert_int_equal(unlink(later.file), 0);
    assert_int_equal(rmdir(later.dir), 0);
}

/* --- Threads --------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    struct metrics *metrics;
    struct kinds kinds;
    const atomic_bool *stop;
    bool refreshes;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    while (!atomic_load(worker->stop)) {
        use(&worker->kinds);
        metrics_live_gauge_set(worker->kinds.live, 9);
        if (look_up(worker->metrics).counter != worker->kinds.counter)
            return worker;
        if (worker->refreshes)
            (void)metrics_refresh(worker->metrics);
    }
    return NULL;
}

/*
 * Whether another file than `id` has come, and all that the threads do is to be seen there. Asserts
 * nothing: a test that ends here would leave them running.
 */
static bool counts_in_another_file(struct metrics_reader *reader, char id[IDS_UUID_TEXT + 1])
{
    struct metrics_reader_info info = {.file_size = 0};

    if (metrics_reader_refresh(reader) < 0)
        return false;
    metrics_reader_info(reader, &info);
    const struct metrics_reader_series *counter =
        fixture_series(reader, &fixture_counter, VALUES("GET", "/"));
    const struct metrics_reader_series *live = fixture_series(reader, &fixture_live, NULL);
    if (strcmp(info.instance_id, id) == 0 || counter == NULL || live == NULL ||
        metrics_reader_counter(reader, counter) < 1000 ||
        metrics_reader_live_gauge(reader, live) != 9)
        return false;
    strcpy(id, info.instance_id);
    return true;
}

/* Takes the file away, in one way or the other, and waits for the next one. */
static bool replace(const struct fixture *f, struct metrics_reader *reader, bool cut,
                    char id[IDS_UUID_TEXT + 1])
{
    uint64_t deadline = clock_monotonic_ns() + 60000000000u;

    if ((cut && truncate(f->file, 4096) < 0) || unlink(f->file) < 0)
        return false;
    while (!counts_in_another_file(reader, id)) {
        if (clock_monotonic_ns() > deadline)
            return false;
        clock_sleep_ns(10 * CLOCK_NS_PER_MS);
    }
    return true;
}

static void test_threads_count_while_the_file_is_replaced(void **state)
{
    enum { REPLACEMENTS = METRICS_RETIRED_MAX + 2 }; /* more than old mappings are kept */
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct metrics_reader *reader = fixture_read(f);
    struct worker workers[2];
    atomic_bool stop = false;
    char id[IDS_UUID_TEXT + 1];
    int replaced = 0;

    strcpy(id, metrics_instance_id(metrics));
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){
            .metrics = metrics, .kinds = look_up(metrics), .stop = &stop, .refreshes = i == 0};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    while (replaced < REPLACEMENTS && replace(f, reader, replaced % 2 == 1, id))
        replaced++;
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        void *failed;
        assert_int_equal(pthread_join(workers[i].thread, &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(replaced, REPLACEMENTS);
    /* At rest nothing is lost. */
    uint64_t before = fixture_counter_value(f, VALUES("GET", "/"));
    metrics_add(workers[0].kinds.counter, 5);
    metrics_add(workers[1].kinds.counter, 6);
    assert_int_equal(fixture_counter_value(f, VALUES("GET", "/")), before + 11);
    metrics_reader_close(reader);
    metrics_close(metrics);
}

/* --- Refused --------------------------------------------------------------------------------- */

/* What a refused series was given must not come back as another's count. */
static void test_a_refused_series_does_not_answer(void **state)
{
    struct fixture *f = *state;
    f->max_series = 1;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family *family = metrics_declare(metrics, &fixture_counter);
    struct metrics_counter *placed = metrics_counter(family, VALUES("", "placed"));
    struct metrics_counter *refused = metrics_counter(family, VALUES("", "refused"));
    struct metrics_gauge *gauge = metrics_gauge(metrics_declare(metrics, &fixture_gauge), NULL);
    struct metrics_live_gauge *live =
        metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL);
    uint64_t value = 77;

    assert_non_null(refused);
    metrics_gauge_set(gauge, 1.0);
    metrics_add(refused, 3);
    metrics_counter_set(refused, 12);
    metrics_live_gauge_set(live, 6);
    assert_false(metrics_counter_read(refused, &value));
    assert_false(metrics_counter_read(NULL, &value));
    assert_int_equal(value, 77);
    metrics_add(placed, 2);
    metrics_counter_set(placed, 40);
    assert_true(metrics_counter_read(placed, &value));
    assert_int_equal(value, 40);
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_SERIES_LIMIT), 3);

    /* Another process has made a new file, with more room. */
    assert_int_equal(unlink(f->file), 0);
    metrics_close(metrics_open(f->dir, 100));
    assert_true(fixture_refresh(metrics));
    assert_true(metrics_counter_read(refused, &value));
    assert_int_equal(value, 0);
    metrics_add(refused, 3);
    metrics_gauge_set(gauge, 2.5);
    assert_int_equal(fixture_counter_value(f, VALUES("", "refused")), 3);
    assert_int_equal(fixture_live_value(f), 6);
    assert_ptr_equal(metrics_counter(family, VALUES("", "refused")), refused);
    metrics_close(metrics);
}

/* A slot that becomes free is taken, and shows what was set before. */
static void test_a_free_slot_is_taken(void **state)
{
    struct fixture *f = *state;
    static struct metrics *others[METRICS_FILE_SLOTS];

    for (size_t i = 0; i < METRICS_FILE_SLOTS; i++)
        others[i] = fixture_open(f);
    struct metrics *metrics = fixture_open(f);
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), 5);
    assert_int_equal(fixture_live_value(f), 0);
    metrics_close(others[0]);
    uint64_t deadline = clock_monotonic_ns() + 10000000000u;
    while (fixture_live_value(f) != 5) {
        assert_true(clock_monotonic_ns() < deadline);
        assert_false(metrics_refresh(metrics));
        clock_sleep_ns(20 * CLOCK_NS_PER_MS);
    }
    for (size_t i = 1; i < METRICS_FILE_SLOTS; i++)
        metrics_close(others[i]);
    metrics_close(metrics);
}

/* Labels without bound, in a full file, take no memory without bound, and let others in. */
static void test_many_refused_series(void **state)
{
    struct fixture *f = *state;
    f->max_series = 10;
    struct metrics *metrics = fixture_open(f);
    struct metrics_family_def other = fixture_counter;
    other.labels[1] = NULL;
    struct metrics_family *conflict = metrics_declare(metrics, &other);
    struct metrics_family *refused = metrics_declare(metrics, &fixture_counter);
    struct metrics_counter *last = NULL;
    char value[32];

    assert_non_null(conflict);
    for (int i = 0; i < 5000; i++) {
        snprintf(value, sizeof(value), "%d", i);
        last = metrics_counter(refused, VALUES(value, ""));
        metrics_add(last, 1);
    }
    assert_null(last);
    assert_int_equal(fixture_refused(f, METRICS_REFUSED_FAMILY_REFUSED), 5000);
    last = metrics_counter(conflict, VALUES("there is room"));
    metrics_add(last, 1);
    uint64_t read;
    assert_true(metrics_counter_read(last, &read));
    assert_int_equal(read, 1);
    metrics_close(metrics);
}

static void test_null_does_nothing(void **state)
{
    const struct trace_id trace = {{1}};
    const struct span_id span = {{2}};

    (void)state;
    assert_null(metrics_declare(NULL, &fixture_counter));
    assert_null(metrics_counter(NULL, VALUES("a", "b")));
    assert_null(metrics_gauge(NULL, NULL));
    assert_null(metrics_live_gauge(NULL, NULL));
    assert_null(metrics_histogram(NULL, VALUES("a")));
    metrics_add(NULL, 1);
    metrics_counter_set(NULL, 1);
    metrics_gauge_set(NULL, 1);
    metrics_gauge_add(NULL, 1);
    metrics_live_gauge_set(NULL, 1);
    metrics_observe(NULL, 1);
    metrics_observe_exemplar(NULL, 1, &trace, &span, 1);
    assert_false(metrics_refresh(NULL));
    assert_non_null(metrics_problem(NULL));
    assert_string_equal(metrics_instance_id(NULL), "");
    assert_int_equal(atomic_load(metrics_words_at(metrics_words(NULL), METRICS_SHARED_WORDS - 1)),
                     0);
    metrics_close(NULL);
}

/* --- Out of memory --------------------------------------------------------------------------- */

/* One failing call, or all from there on, at each place there is: in opening and looking up ... */
static void test_no_memory_at_the_start(void **state)
{
    struct fixture *f = *state;

    for (int for_good = 0; for_good < 2; for_good++) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            fail_after(n, for_good);
            struct metrics *metrics = metrics_open(f->dir, 0);
            struct kinds kinds = look_up(metrics);
            use(&kinds);
            failed = end_failing();
            metrics_live_gauge_set(kinds.live, 1);
            /* Memory is back: what was opened works, at the next look-up or refresh at the latest.
             */
            if (metrics != NULL) {
                while (metrics_problem(metrics) != NULL)
                    assert_true(fixture_refresh(metrics));
                kinds = look_up(metrics);
                uint64_t before, after;
                assert_true(metrics_counter_read(kinds.counter, &before));
                use(&kinds);
                assert_true(metrics_counter_read(kinds.counter, &after));
                assert_int_equal(after, before + 2);
            }
            metrics_close(metrics);
            assert_true(n < 100);
        }
    }
}

/* Whether the file that is there now is the one attached to. */
static bool attached(const struct fixture *f, const struct metrics *metrics)
{
    struct metrics_reader *reader = metrics_reader_open(f->dir);
    struct metrics_reader_info info = {.file_size = 0};

    if (metrics_reader_refresh(reader) == 0)
        metrics_reader_info(reader, &info);
    metrics_reader_close(reader);
    return strcmp(info.instance_id, metrics_instance_id(metrics)) == 0;
}

/* ... and while a file is being replaced: the handles stay good, and find it later. */
static void test_no_memory_at_a_refresh(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct kinds kinds = look_up(metrics);
    bool failed = true;

    metrics_live_gauge_set(kinds.live, 8);
    for (long n = 0; failed; n++) {
        assert_int_equal(unlink(f->file), 0);
        uint64_t end = clock_monotonic_ns() + 1100 * CLOCK_NS_PER_MS;
        fail_after(n, true);
        while (clock_monotonic_ns() < end) {
            (void)metrics_refresh(metrics);
            use(&kinds);
            clock_sleep_ns(50 * CLOCK_NS_PER_MS);
        }
        failed = end_failing();
        end = clock_monotonic_ns() + 10000000000u;
        while (!attached(f, metrics)) {
            assert_true(clock_monotonic_ns() < end);
            (void)metrics_refresh(metrics);
            clock_sleep_ns(20 * CLOCK_NS_PER_MS);
        }
        use(&kinds);
        assert_true(fixture_counter_value(f, VALUES("GET", "/")) >= 2);
        assert_int_equal(fixture_live_value(f), 8);
        assert_true(n < 20);
    }
    metrics_close(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_replaced_file_has_everything),
        TEST(test_a_file_that_comes_later),
        TEST(test_threads_count_while_the_file_is_replaced),
        TEST(test_a_refused_series_does_not_answer),
        TEST(test_a_free_slot_is_taken),
        TEST(test_many_refused_series),
        TEST(test_null_does_nothing),
        TEST(test_no_memory_at_the_start),
        TEST(test_no_memory_at_a_refresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
