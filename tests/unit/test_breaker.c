/*
 * Goal: the breaker goes through its states exactly as lib/control/breaker.h says, whatever the
 * clock does; late results and killed probes change nothing; of many processes that race exactly
 * one becomes the probe, and the metrics come to rest at the truth.
 */
#include "lib/control/breaker.h"
#include "tests/unit/metrics_fixture.h"

#include <signal.h>
#include <sys/mman.h>

enum {
    FAILURES = 3,
    OPEN_MS = 10000,
    PROBE_MS = 2000,
    PROCESSES = 8,
};

#define NOW UINT64_C(500000)

static struct breaker attach(struct metrics *metrics)
{
    struct breaker breaker = {
        .limits = {.failures = FAILURES, .open_ms = OPEN_MS, .probe_ms = PROBE_MS}};

    breaker_attach(&breaker, metrics);
    return breaker;
}

static enum breaker_state state_of(const struct breaker *breaker)
{
    return breaker_look(breaker->words).state;
}

static enum breaker_event report(struct breaker *breaker, struct breaker_permit permit,
                                 bool success, uint64_t now_ms)
{
    unsigned failures;

    return breaker_report(breaker, &permit, success, now_ms, &failures);
}

/* One call at `now_ms` with that result; it has to be granted. */
static enum breaker_event call(struct breaker *breaker, bool success, uint64_t now_ms)
{
    struct breaker_permit permit = breaker_ask(breaker, now_ms);

    assert_true(permit.granted);
    return report(breaker, permit, success, now_ms);
}

static void open_it(struct breaker *breaker)
{
    for (int i = 1; i < FAILURES; i++)
        assert_int_equal(call(breaker, false, NOW), BREAKER_NOTHING);
    assert_int_equal(call(breaker, false, NOW), BREAKER_HAS_OPENED);
    assert_int_equal(state_of(breaker), BREAKER_OPEN);
}

static double value_of(const struct fixture *f, const char *name, const char *const *values)
{
    const struct metrics_family_def def = {.name = name};
    struct metrics_reader *reader = fixture_read(f);
    const struct metrics_reader_series *series = fixture_series(reader, &def, values);
    double value;

    assert_non_null(series);
    value = values == NULL ? metrics_reader_gauge(reader, series)
                           : (double)metrics_reader_counter(reader, series);
    metrics_reader_close(reader);
    return value;
}

static uint64_t transitions(const struct fixture *f, const char *to)
{
    return (uint64_t)value_of(f, "circuit_breaker_transitions_total", VALUES(to));
}

static int gauge(const struct fixture *f)
{
    return (int)value_of(f, "circuit_breaker_state", NULL);
}

static void a_new_one_is_closed_and_its_series_exist(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);

    assert_int_equal(state_of(&breaker), BREAKER_CLOSED);
    assert_int_equal(gauge(f), BREAKER_CLOSED);
    for (int to = 0; to < BREAKER_STATES; to++)
        assert_int_equal(transitions(f, breaker_state_names[to]), 0);
    metrics_close(metrics);
}

static void opens_after_failures_in_a_row(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    struct breaker_permit permit;
    unsigned failures;

    for (int round = 0; round < 3; round++) {
        for (int i = 1; i < FAILURES; i++)
            assert_int_equal(call(&breaker, false, NOW), BREAKER_NOTHING);
        assert_int_equal(call(&breaker, true, NOW), BREAKER_NOTHING);
    }
    for (int i = 1; i < FAILURES; i++)
        (void)call(&breaker, false, NOW);
    permit = breaker_ask(&breaker, NOW);
    assert_int_equal(breaker_report(&breaker, &permit, false, NOW, &failures), BREAKER_HAS_OPENED);
    assert_int_equal(failures, FAILURES);
    assert_int_equal(gauge(f), BREAKER_OPEN);
    assert_int_equal(transitions(f, "open"), 1);
    metrics_close(metrics);
}

static void refuses_while_open_and_says_for_how_long(void **state)
{
    struct metrics *metrics = fixture_open(*state);
    struct breaker breaker = attach(metrics);
    struct breaker_permit permit;

    open_it(&breaker);
    permit = breaker_ask(&breaker, NOW);
    assert_false(permit.granted);
    assert_int_equal(permit.state, BREAKER_OPEN);
    assert_int_equal(permit.wait_ms, OPEN_MS);
    permit = breaker_ask(&breaker, NOW + OPEN_MS - 1);
    assert_false(permit.granted);
    assert_int_equal(permit.wait_ms, 1);
    metrics_close(metrics);
}

static void one_probe_at_a_time_and_its_success_closes(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    struct breaker_permit probe, other;
    unsigned failures;

    open_it(&breaker);
    probe = breaker_ask(&breaker, NOW + OPEN_MS);
    assert_true(probe.granted && probe.half_opened);
    assert_int_equal(probe.state, BREAKER_HALF_OPEN);
    assert_int_equal(gauge(f), BREAKER_HALF_OPEN);
    other = breaker_ask(&breaker, NOW + OPEN_MS + 1);
    assert_false(other.granted);
    assert_int_equal(other.state, BREAKER_HALF_OPEN);
    assert_int_equal(other.wait_ms, PROBE_MS - 1);
    assert_int_equal(breaker_report(&breaker, &probe, true, NOW + OPEN_MS + 5, &failures),
                     BREAKER_HAS_CLOSED);
    assert_int_equal(failures, FAILURES);
    assert_int_equal(gauge(f), BREAKER_CLOSED);
    /* The run of failures is over: it takes as many again. */
    open_it(&breaker);
    assert_int_equal(transitions(f, "open"), 2);
    assert_int_equal(transitions(f, "half_open"), 1);
    assert_int_equal(transitions(f, "closed"), 1);
    metrics_close(metrics);
}

static void a_failed_probe_opens_it_again(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    const uint64_t later = NOW + OPEN_MS + 7;

    open_it(&breaker);
    assert_int_equal(call(&breaker, false, later), BREAKER_HAS_OPENED);
    assert_false(breaker_ask(&breaker, later + OPEN_MS - 1).granted);
    assert_int_equal(call(&breaker, true, later + OPEN_MS), BREAKER_HAS_CLOSED);
    assert_int_equal(transitions(f, "open"), 2);
    assert_int_equal(transitions(f, "half_open"), 2);
    metrics_close(metrics);
}

static void a_lost_probe_is_taken_over_and_its_result_is_ignored(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    struct breaker_permit lost, next;

    open_it(&breaker);
    lost = breaker_ask(&breaker, NOW + OPEN_MS);
    /* Killed before it could publish what it changed: the next one to ask or to start does. */
    metrics_gauge_set(breaker.state, BREAKER_OPEN);
    (void)attach(metrics);
    assert_int_equal(gauge(f), BREAKER_HALF_OPEN);
    metrics_gauge_set(breaker.state, BREAKER_OPEN);
    assert_false(breaker_ask(&breaker, NOW + OPEN_MS + PROBE_MS - 1).granted);
    assert_int_equal(gauge(f), BREAKER_HALF_OPEN);
    next = breaker_ask(&breaker, NOW + OPEN_MS + PROBE_MS);
    assert_true(next.granted);
    assert_false(next.half_opened);
    assert_false(breaker_ask(&breaker, NOW + OPEN_MS + PROBE_MS + 1).granted);
    assert_int_equal(report(&breaker, lost, true, NOW + OPEN_MS + PROBE_MS + 2), BREAKER_NOTHING);
    assert_int_equal(state_of(&breaker), BREAKER_HALF_OPEN);
    assert_int_equal(report(&breaker, next, true, NOW + OPEN_MS + PROBE_MS + 3),
                     BREAKER_HAS_CLOSED);
    assert_int_equal(transitions(f, "half_open"), 1);
    metrics_close(metrics);
}

static void late_results_change_nothing(void **state)
{
    struct metrics *metrics = fixture_open(*state);
    struct breaker breaker = attach(metrics);
    struct breaker_permit early = breaker_ask(&breaker, NOW);

    open_it(&breaker);
    assert_int_equal(report(&breaker, early, true, NOW), BREAKER_NOTHING);
    assert_int_equal(state_of(&breaker), BREAKER_OPEN);
    assert_int_equal(call(&breaker, true, NOW + OPEN_MS), BREAKER_HAS_CLOSED);
    assert_int_equal(report(&breaker, early, false, NOW + OPEN_MS), BREAKER_NOTHING);
    assert_int_equal(breaker_look(breaker.words).failures, 0);
    metrics_close(metrics);
}

static void times_from_before_a_reboot_are_over(void **state)
{
    struct metrics *metrics = fixture_open(*state);
    struct breaker breaker = attach(metrics);
    struct breaker_permit permit;

    open_it(&breaker);
    /* Another process's clock may be read a little earlier than the word was written. */
    permit = breaker_ask(&breaker, NOW - 5);
    assert_false(permit.granted);
    assert_int_equal(permit.wait_ms, OPEN_MS + 5);
    permit = breaker_ask(&breaker, 1000);
    assert_true(permit.granted && permit.half_opened);
    /* A probe of the time before the reboot is as lost as any. */
    breaker_reset(&breaker);
    open_it(&breaker);
    assert_true(breaker_ask(&breaker, NOW + OPEN_MS).granted);
    assert_true(breaker_ask(&breaker, 2000).granted);
    assert_false(breaker_ask(&breaker, 2000).granted);
    metrics_close(metrics);
}

static void by_hand(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    struct breaker_permit before = breaker_ask(&breaker, NOW), refused;

    breaker_force_open(&breaker, NOW);
    assert_int_equal(gauge(f), BREAKER_OPEN);
    assert_int_equal(report(&breaker, before, true, NOW), BREAKER_NOTHING);
    refused = breaker_ask(&breaker, NOW + 100 * OPEN_MS);
    assert_true(!refused.granted && refused.wait_ms > 0);
    assert_true(breaker_look(breaker.words).forced);
    assert_int_equal(breaker_look(breaker.words).generation, before.generation + 1);
    breaker_close(&breaker);
    assert_int_equal(gauge(f), BREAKER_CLOSED);
    assert_int_equal(call(&breaker, false, NOW), BREAKER_NOTHING);
    breaker_close(&breaker);
    assert_int_equal(breaker_look(breaker.words).failures, 1);
    breaker_reset(&breaker);
    assert_int_equal(breaker_look(breaker.words).failures, 0);
    open_it(&breaker);
    breaker_close(&breaker);
    assert_true(breaker_ask(&breaker, NOW).granted);
    assert_int_equal(transitions(f, "open"), 2);
    assert_int_equal(transitions(f, "closed"), 2);
    metrics_close(metrics);
}

/* They keep it open no longer than it would be by itself. */
static void any_words_lead_back_to_work(void **state)
{
    struct metrics *metrics = fixture_open(*state);
    struct breaker breaker = attach(metrics);

    for (uint64_t i = 0, word = UINT64_MAX; i < 20000; i++) {
        struct breaker_permit permit = {0};

        word = word * 6364136223846793005 + 1;
        atomic_store(metrics_words_at(breaker.words, BREAKER_WORD), word);
        atomic_store(metrics_words_at(breaker.words, BREAKER_HAND_WORD), ~(word >> 7));
        for (uint64_t now_ms = NOW; !permit.granted; now_ms += OPEN_MS) {
            assert_true(now_ms <= NOW + 2 * OPEN_MS);
            permit = breaker_ask(&breaker, now_ms);
        }
        assert_true(permit.damaged);
        (void)report(&breaker, permit, true, NOW);
        assert_int_equal(state_of(&breaker), BREAKER_CLOSED);
    }
    breaker_close(&breaker);
    assert_false(breaker_look(breaker.words).damaged);
    metrics_close(metrics);
}

static void without_a_file_it_works_for_this_process(void **state)
{
    struct metrics *metrics = metrics_open("/nonexistent", 0);
    struct breaker breaker;

    (void)state;
    assert_non_null(metrics);
    breaker = attach(metrics);
    open_it(&breaker);
    assert_false(breaker_ask(&breaker, NOW).granted);
    assert_int_equal(call(&breaker, true, NOW + OPEN_MS), BREAKER_HAS_CLOSED);
    metrics_close(metrics);
}

static void a_replaced_file_begins_closed(void **state)
{
    struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);

    open_it(&breaker);
    assert_true(unlink(f->file) == 0 && fixture_refresh(metrics));
    open_it(&breaker); /* which it can only if it is closed */
    assert_int_equal(gauge(f), BREAKER_OPEN);
    metrics_close(metrics);
}

/* What the racing processes share beside the metrics file. */
struct race {
    _Atomic unsigned ready, granted, opened, closed;
    _Atomic bool go;
    uint64_t now_ms;
};

static struct race *new_race(void)
{
    struct race *race =
        mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(race != MAP_FAILED);
    return race;
}

/* Runs `body` in PROCESSES processes that start at once, each with a mapping of its own. */
static void run_race(const struct fixture *f, struct race *race,
                     void (*body)(struct breaker *, struct race *))
{
    pid_t pids[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            struct metrics *metrics = metrics_open(f->dir, f->max_series);
            struct breaker breaker = attach(metrics);

            atomic_fetch_add(&race->ready, 1);
            while (!atomic_load(&race->go))
                ;
            body(&breaker, race);
            _exit(0);
        }
    }
    while (atomic_load(&race->ready) < PROCESSES)
        usleep(100);
    atomic_store(&race->go, true);
    for (int i = 0; i < PROCESSES; i++)
        fixture_wait(pids[i]);
    atomic_store(&race->go, false);
    atomic_store(&race->ready, 0);
}

static void ask_once(struct breaker *breaker, struct race *race)
{
    if (breaker_ask(breaker, race->now_ms).granted)
        atomic_fetch_add(&race->granted, 1);
}

static void exactly_one_of_many_processes_probes(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    struct race *race = new_race();

    for (int round = 0; round < 20; round++) {
        breaker_reset(&breaker);
        open_it(&breaker);
        atomic_store(&race->granted, 0);
        race->now_ms = NOW + OPEN_MS;
        run_race(f, race, ask_once);
        assert_int_equal(atomic_load(&race->granted), 1);
        /* They have all ended: the probe is lost, and again exactly one takes it over. */
        atomic_store(&race->granted, 0);
        race->now_ms += PROBE_MS;
        run_race(f, race, ask_once);
        assert_int_equal(atomic_load(&race->granted), 1);
    }
    munmap(race, sizeof(*race));
    metrics_close(metrics);
}

static void call_many(struct breaker *breaker, struct race *race)
{
    uint64_t random = 88172645463325252 + (uint64_t)getpid();

    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t now_ms = NOW + i * OPEN_MS / 8;
        struct breaker_permit permit = breaker_ask(breaker, now_ms);
        enum breaker_event event;

        if (!permit.granted)
            continue;
        random = random * 6364136223846793005 + 1442695040888963407;
        event = report(breaker, permit, (random >> 33) % 4 == 0, now_ms);
        if (event == BREAKER_HAS_OPENED)
            atomic_fetch_add(&race->opened, 1);
        else if (event == BREAKER_HAS_CLOSED)
            atomic_fetch_add(&race->closed, 1);
    }
}

static void the_metrics_agree_after_a_race(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    struct race *race = new_race();

    run_race(f, race, call_many);
    assert_true(atomic_load(&race->opened) > 0);
    assert_int_equal(gauge(f), state_of(&breaker));
    assert_int_equal(transitions(f, "open"), atomic_load(&race->opened));
    assert_int_equal(transitions(f, "closed"), atomic_load(&race->closed));
    munmap(race, sizeof(*race));
    metrics_close(metrics);
}

static void processes_killed_anywhere_leave_it_working(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = fixture_open(f);
    struct breaker breaker = attach(metrics);
    struct race *race = new_race();

    atomic_store(&race->go, true);
    for (int round = 0; round < 50; round++) {
        struct breaker_permit permit = {0};
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct metrics *own = metrics_open(f->dir, f->max_series);
            struct breaker child = attach(own);

            atomic_fetch_add(&race->ready, 1);
            for (;;)
                call_many(&child, race);
        }
        while (atomic_load(&race->ready) <= (unsigned)round)
            usleep(100);
        usleep((useconds_t)(round * 37 % 900));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        for (uint64_t now_ms = NOW; !permit.granted; now_ms += OPEN_MS) {
            assert_true(now_ms < NOW + 100000 * (uint64_t)OPEN_MS);
            permit = breaker_ask(&breaker, now_ms);
        }
        (void)report(&breaker, permit, true, NOW);
        assert_int_equal(state_of(&breaker), BREAKER_CLOSED);
        assert_int_equal(gauge(f), BREAKER_CLOSED);
    }
    munmap(race, sizeof(*race));
    metrics_close(metrics);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_one_is_closed_and_its_series_exist),
        TEST(opens_after_failures_in_a_row),
        TEST(refuses_while_open_and_says_for_how_long),
        TEST(one_probe_at_a_time_and_its_success_closes),
        TEST(a_failed_probe_opens_it_again),
        TEST(a_lost_probe_is_taken_over_and_its_result_is_ignored),
        TEST(late_results_change_nothing),
        TEST(times_from_before_a_reboot_are_over),
        TEST(by_hand),
        TEST(any_words_lead_back_to_work),
        TEST(without_a_file_it_works_for_this_process),
        TEST(exactly_one_of_many_processes_probes),
        TEST(a_replaced_file_begins_closed),
        TEST(the_metrics_agree_after_a_race),
        TEST(processes_killed_anywhere_leave_it_working),
    };

    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
