/*
 * Goal: what is set at run time reaches every process as a whole or not at all, wins over the
 * environment until it is taken back, and numbers each analysis once.
 */
#include "lib/control/chaos.h"
#include "tests/unit/metrics_fixture.h"

#include <pthread.h>

enum {
    THREADS = 4,
    NUMBERS = 20000,
    REWRITES = 100000,
};

/* The shared words of a file of its own. */
#define WORDS(name)                                                                                \
    _Atomic uint64_t name##_cells[METRICS_SHARED_WORDS] = {0};                                     \
    const struct metrics_words name##_handle = {name##_cells}, *const name = &name##_handle

static const struct chaos_set environment_off = {.state = CHAOS_OFF, .probability = 0.05};
static const struct chaos_set environment_on = {
    .state = CHAOS_ON,
    .probability = 0.25,
    .delay_low_ms = 100,
    .delay_high_ms = 200,
    .seed = 7,
};
static const struct chaos_set everything = {
    .state = CHAOS_ON,
    .probability = 0.123456789,
    .delay_low_ms = 1,
    .delay_high_ms = CHAOS_CONTROL_DELAY_MAX_MS,
    .error_rate = 1,
    .abort_rate = 1e-9,
    .seed = UINT64_MAX,
};

static void assert_same(const struct chaos_set *a, const struct chaos_set *b)
{
    assert_int_equal(a->state, b->state);
    assert_true(a->probability == b->probability);
    assert_int_equal(a->delay_low_ms, b->delay_low_ms);
    assert_int_equal(a->delay_high_ms, b->delay_high_ms);
    assert_true(a->error_rate == b->error_rate);
    assert_true(a->abort_rate == b->abort_rate);
    assert_int_equal(a->seed, b->seed);
}

static void the_environment_holds_until_something_is_set(void **state)
{
    WORDS(words);
    struct chaos_control off, on;
    struct chaos_status status;
    uint64_t number;

    (void)state;
    chaos_control_status(words, &status);
    assert_int_equal(status.run_time.state, CHAOS_UNSET);
    assert_int_equal(status.environment.state, CHAOS_UNSET);
    chaos_control_attach(&off, words, &environment_off);
    assert_false(chaos_control_next(&off, &number));
    chaos_control_attach(&on, words, &environment_on);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(chaos_control_next(&on, &number));
        assert_int_equal(number, i);
    }
    assert_same(&on.set, &environment_on);
    assert_false(on.run_time);
    chaos_control_status(words, &status);
    assert_int_equal(status.run_time.state, CHAOS_UNSET);
    assert_same(&status.environment, &environment_on);
    assert_int_equal(status.numbered, 3);
    chaos_control_restart(words);
    assert_true(chaos_control_next(&on, &number));
    assert_int_equal(number, 0);
}

static void run_time_wins_until_it_is_taken_back(void **state)
{
    WORDS(words);
    const struct chaos_set off = {.state = CHAOS_OFF}, unset = {.state = CHAOS_UNSET};
    struct chaos_control before, after;
    struct chaos_status status;
    uint64_t number;

    (void)state;
    chaos_control_attach(&before, words, &environment_on);
    for (uint64_t i = 0; i < 2; i++)
        assert_true(chaos_control_next(&before, &number) && number == i);
    /* A reset with nothing set begins to count again too. */
    chaos_control_write(words, &unset);
    assert_true(chaos_control_next(&before, &number) && number == 0);

    chaos_control_write(words, &everything);
    chaos_control_attach(&after, words, &environment_off); /* a process that starts now */
    assert_true(chaos_control_next(&before, &number) && number == 0);
    assert_true(chaos_control_next(&after, &number) && number == 1);
    assert_same(&before.set, &everything);
    assert_same(&after.set, &everything);
    chaos_control_status(words, &status);
    assert_same(&status.run_time, &everything);
    assert_int_equal(status.numbered, 2);

    chaos_control_write(words, &off);
    assert_false(chaos_control_next(&before, &number));
    assert_false(chaos_control_next(&after, &number));

    /* A new set begins to count again, and so does the environment's after a reset. */
    chaos_control_write(words, &everything);
    assert_true(chaos_control_next(&before, &number) && number == 0);
    chaos_control_write(words, &unset);
    assert_false(chaos_control_next(&after, &number));
    assert_true(chaos_control_next(&before, &number) && number == 0);
    assert_same(&before.set, &environment_on);
}

static void values_out_of_range_are_cut(void **state)
{
    WORDS(words);
    const struct chaos_set wild = {
        .state = CHAOS_ON,
        .probability = 1e9,
        .delay_low_ms = UINT32_MAX,
        .delay_high_ms = UINT32_MAX,
        .error_rate = -1,
        .abort_rate = __builtin_nan(""),
    };
    struct chaos_status status;

    (void)state;
    chaos_control_write(words, &wild);
    chaos_control_status(words, &status);
    assert_int_equal(status.run_time.state, CHAOS_ON);
    assert_true(status.run_time.probability == 1);
    assert_int_equal(status.run_time.delay_high_ms, CHAOS_CONTROL_DELAY_MAX_MS);
    assert_true(status.run_time.error_rate == 0);
    assert_true(status.run_time.abort_rate == 0);
}

/* A writer that is killed anywhere before its last store has changed nothing. */
static void half_a_write_is_none(void **state)
{
    WORDS(words);
    WORDS(next);
    _Atomic uint64_t *to = words_cells + CHAOS_CONTROL_WORD;
    _Atomic uint64_t *from = next_cells + CHAOS_CONTROL_WORD;
    struct chaos_set other = everything;
    struct chaos_control control;
    uint64_t number;

    (void)state;
    other.probability = 1;
    other.seed = 99;
    chaos_control_write(words, &everything);
    chaos_control_attach(&control, words, &environment_off);
    for (int i = 0; i < CHAOS_CONTROL_WORDS; i++)
        atomic_store(&from[i], atomic_load(&to[i]));
    chaos_control_write(next, &other);
    for (int i = CHAOS_CONTROL_WORDS - 1; i > 0; i--) {
        struct chaos_control fresh;

        atomic_store(&to[i], atomic_load(&from[i]));
        assert_true(chaos_control_next(&control, &number));
        assert_same(&control.set, &everything);
        chaos_control_attach(&fresh, words, &environment_off);
        assert_true(chaos_control_next(&fresh, &number));
        assert_same(&fresh.set, &everything);
    }
    atomic_store(&to[0], atomic_load(&from[0]));
    assert_true(chaos_control_next(&control, &number));
    assert_same(&control.set, &other);
    assert_int_equal(number, 0);
}

/* A set that was written over damage is as good as any. */
static void damage_is_mended(const struct metrics_words *words)
{
    struct chaos_control control;
    struct chaos_status status;
    uint64_t number;

    chaos_control_attach(&control, words, &environment_off);
    assert_true(chaos_control_next(&control, &number) && number == 0);
    assert_false(control.damaged);
    assert_same(&control.set, &everything);
    chaos_control_status(words, &status);
    assert_false(status.damaged);
    assert_same(&status.run_time, &everything);
}

/* Whatever the words are, they switch nothing on, and nothing that the environment had stays on. */
static void damaged_words_do_no_harm(void **state)
{
    WORDS(words);
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct chaos_control control;
        struct chaos_status status;
        uint64_t number;

        for (int k = 0; k < CHAOS_CONTROL_WORDS; k++) {
            random = random * 6364136223846793005 + 1442695040888963407;
            atomic_store(&words_cells[CHAOS_CONTROL_WORD + k],
                         random ^ random >> (random >> 59 | 1));
        }
        chaos_control_status(words, &status);
        assert_int_equal(status.run_time.state, CHAOS_OFF);
        assert_int_equal(status.environment.state, CHAOS_UNSET);
        assert_true(status.damaged);
        chaos_control_attach(&control, words, &environment_on);
        assert_false(chaos_control_next(&control, &number));
        assert_true(control.damaged);
    }
    chaos_control_write(words, &everything);
    damage_is_mended(words);
}

/* One bit of what was set, of its generation or of its check: whichever it is, chaos is off. */
static void each_bit_is_checked(void **state)
{
    WORDS(words);
    static const int indexes[] = {0, 10, 11, 12, 15}; /* of the first set: the generation is 1 */
    struct chaos_control control;
    uint64_t number;

    (void)state;
    chaos_control_write(words, &everything);
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        for (int bit = 0; bit < 64; bit++) {
            _Atomic uint64_t *const word = &words_cells[CHAOS_CONTROL_WORD + indexes[i]];

            atomic_fetch_xor(word, UINT64_C(1) << bit);
            chaos_control_attach(&control, words, &environment_off);
            assert_false(chaos_control_next(&control, &number));
            assert_true(control.damaged || atomic_load(&words_cells[CHAOS_CONTROL_WORD]) == 0);
            atomic_fetch_xor(word, UINT64_C(1) << bit);
        }
    }
    /* All bits set, as a medium that is erased has them: the next generation would be 0. */
    for (int k = 0; k < CHAOS_CONTROL_WORDS; k++)
        atomic_store(&words_cells[CHAOS_CONTROL_WORD + k], UINT64_MAX);
    chaos_control_attach(&control, words, &environment_off);
    assert_false(chaos_control_next(&control, &number));
    assert_true(control.damaged);
    chaos_control_write(words, &everything);
    damage_is_mended(words);
}

static void a_fixed_environment_ignores_the_run_time(void **state)
{
    WORDS(words);
    struct chaos_set fixed_off = environment_off, fixed_on = environment_on;
    struct chaos_control off, on;
    struct chaos_status status;
    uint64_t number;

    (void)state;
    fixed_off.fixed = fixed_on.fixed = true;
    chaos_control_write(words, &everything);
    chaos_control_attach(&off, words, &fixed_off);
    assert_false(chaos_control_next(&off, &number));
    chaos_control_attach(&on, words, &fixed_on);
    assert_true(chaos_control_next(&on, &number) && number == 0);
    assert_same(&on.set, &fixed_on);
    chaos_control_write(words, &everything);
    assert_false(chaos_control_next(&off, &number));
    chaos_control_status(words, &status);
    assert_true(status.environment.fixed);
    assert_int_equal(status.run_time.state, CHAOS_UNSET);
    assert_int_equal(status.numbered, 1);
}

struct reader {
    pthread_t thread;
    const struct metrics_words *words;
    const atomic_bool *stop;
    unsigned char *seen; /* NUMBERS of them; how often each number was given out */
    unsigned torn;
};

/* Every value of the set is made of its seed. */
static struct chaos_set set_of(uint64_t seed)
{
    const double share = (double)(seed % 1000) / 1000;

    return (struct chaos_set){
        .state = CHAOS_ON,
        .probability = share,
        .error_rate = share,
        .abort_rate = share,
        .delay_low_ms = (uint32_t)(seed % 1000),
        .delay_high_ms = (uint32_t)(seed % 1000) + 1,
        .seed = seed,
    };
}

static bool is_whole(const struct chaos_set *set)
{
    const struct chaos_set whole = set_of(set->seed);

    return whole.probability == set->probability && whole.error_rate == set->error_rate &&
           whole.abort_rate == set->abort_rate && whole.delay_low_ms == set->delay_low_ms &&
           whole.delay_high_ms == set->delay_high_ms;
}

static void *read_sets(void *argument)
{
    struct reader *reader = argument;
    struct chaos_control control;
    struct chaos_status status;
    uint64_t number, last = 0;

    chaos_control_attach(&control, reader->words, &environment_off);
    while (!atomic_load(reader->stop)) {
        chaos_control_status(reader->words, &status);
        reader->torn += status.run_time.state == CHAOS_ON && !is_whole(&status.run_time);
        if (!chaos_control_next(&control, &number))
            continue;
        reader->torn += !is_whole(&control.set) || control.set.seed < last;
        last = control.set.seed;
    }
    return NULL;
}

static void a_set_is_never_seen_in_part(void **state)
{
    WORDS(words);
    struct reader readers[THREADS] = {0};
    atomic_bool stop = false;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        readers[i].words = words;
        readers[i].stop = &stop;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_sets, &readers[i]), 0);
    }
    for (uint64_t seed = 1; seed <= REWRITES; seed++) {
        const struct chaos_set set = set_of(seed);

        chaos_control_write(words, &set);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_int_equal(readers[i].torn, 0);
    }
}

static void *take_numbers(void *argument)
{
    struct reader *reader = argument;
    struct chaos_control control;

    chaos_control_attach(&control, reader->words, &environment_on);
    for (int i = 0; i < NUMBERS / THREADS; i++) {
        uint64_t number = NUMBERS;

        if (chaos_control_next(&control, &number) && number < NUMBERS)
            reader->seen[number]++;
        else
            reader->torn++;
    }
    return NULL;
}

static void each_number_is_given_out_once(void **state)
{
    static unsigned char seen[2][THREADS][NUMBERS];
    WORDS(words);
    struct reader readers[THREADS] = {0};

    (void)state;
    /* First by the environment, then at run time. */
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < THREADS; i++) {
            readers[i].words = words;
            readers[i].seen = seen[round][i];
            assert_int_equal(pthread_create(&readers[i].thread, NULL, take_numbers, &readers[i]),
                             0);
        }
        for (int i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
            assert_int_equal(readers[i].torn, 0);
        }
        for (int n = 0; n < NUMBERS; n++) {
            unsigned times = 0;

            for (int i = 0; i < THREADS; i++)
                times += seen[round][i][n];
            assert_int_equal(times, 1);
        }
        chaos_control_write(words, &everything);
    }
}

static void one_writer_at_a_time(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    int first, second;
    struct flock probe = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    assert_non_null(metrics);
    assert_null(metrics_problem(metrics));
    first = chaos_control_lock(f->file);
    assert_true(first >= 0);
    second = open(f->file, O_RDWR | O_CLOEXEC);
    assert_true(second >= 0);
    probe.l_len = 4096; /* the header */
    assert_int_equal(fcntl(second, F_OFD_GETLK, &probe), 0);
    assert_int_equal(probe.l_type, F_WRLCK);
    close(first);
    probe = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 4096};
    assert_int_equal(fcntl(second, F_OFD_GETLK, &probe), 0);
    assert_int_equal(probe.l_type, F_UNLCK);
    close(second);
    metrics_close(metrics);
    assert_int_equal(chaos_control_lock("/nowhere/metrics.mmap"), -1);
}

/* What was set at run time is gone with the file; the environment is told in the new one. */
static void a_replaced_file_begins_with_the_environment(void **state)
{
    const struct fixture *f = *state;
    struct metrics *metrics = metrics_open(f->dir, f->max_series);
    const struct metrics_words *words = metrics_words(metrics);
    struct chaos_control control;
    struct chaos_status status;
    uint64_t number;

    assert_null(metrics_problem(metrics));
    chaos_control_write(words, &everything);
    chaos_control_attach(&control, words, &environment_on);
    for (uint64_t i = 0; i < 5; i++)
        assert_true(chaos_control_next(&control, &number) && number == i);
    assert_same(&control.set, &everything);
    assert_int_equal(unlink(f->file), 0);
    assert_true(fixture_refresh(metrics));
    assert_true(chaos_control_next(&control, &number) && number == 0);
    assert_same(&control.set, &environment_on);
    chaos_control_status(words, &status);
    assert_int_equal(status.run_time.state, CHAOS_UNSET);
    assert_same(&status.environment, &environment_on);
    metrics_close(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_holds_until_something_is_set),
        cmocka_unit_test(run_time_wins_until_it_is_taken_back),
        cmocka_unit_test(values_out_of_range_are_cut),
        cmocka_unit_test(half_a_write_is_none),
        cmocka_unit_test(damaged_words_do_no_harm),
        cmocka_unit_test(each_bit_is_checked),
        cmocka_unit_test(a_fixed_environment_ignores_the_run_time),
        cmocka_unit_test(a_set_is_never_seen_in_part),
        cmocka_unit_test(each_number_is_given_out_once),
        cmocka_unit_test_setup_teardown(a_replaced_file_begins_with_the_environment, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_writer_at_a_time, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("chaos_control", tests, NULL, NULL);
}
