#include "lib/control/chaos.h"

#include "lib/base/ids.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* The words, from CHAOS_CONTROL_WORD on. */
enum {
    GENERATION,          /* of the set at run time; its lowest bit chooses the bank */
    ENVIRONMENT_COUNTER, /* numbers given out under the environment's set */
    ENVIRONMENT,         /* a set */
    SET_WORDS = 3,       /* of a set */
    ENVIRONMENT_CHECK = ENVIRONMENT + SET_WORDS,
    BANKS = ENVIRONMENT_CHECK + 1, /* two times a set and its counter */
    BANK_COUNTER = SET_WORDS,      /* numbers given out, behind a tag of the generation */
    BANK_WORDS = SET_WORDS + 1,
    BANK_CHECKS = BANKS + 2 * BANK_WORDS,
    USED_WORDS = BANK_CHECKS + 2,
};

/* The fields of a set's words. */
enum {
    SHARE_BITS = 30, /* in steps of 1e-9 */
    STATE_SHIFT = 2 * SHARE_BITS,
    STATE_BITS = 2,
    FIXED_SHIFT = STATE_SHIFT + STATE_BITS,
    DELAY_BITS = 17,
    LOW_SHIFT = DELAY_BITS + SHARE_BITS,
    COUNTER_BITS = 40,
    LOOKS_MAX = 16, /* at a set that keeps being replaced; then the old one is used */
};

static const double SHARE_ONE = 1e9;

static_assert(USED_WORDS <= (int)CHAOS_CONTROL_WORDS, "the words are enough");
static_assert(CHAOS_CONTROL_WORD + CHAOS_CONTROL_WORDS <= (int)METRICS_SHARED_WORDS, "they exist");
static_assert(CHAOS_CONTROL_DELAY_MAX_MS < 1 << DELAY_BITS, "a delay fits");

static uint64_t field(uint64_t word, unsigned shift, unsigned bits)
{
    return word >> shift & ((UINT64_C(1) << bits) - 1);
}

static uint64_t steps(double share)
{
    return share > 0 ? (uint64_t)llround(fmin(share, 1) * SHARE_ONE) : 0;
}

static uint64_t delay(uint32_t ms)
{
    return ms < CHAOS_CONTROL_DELAY_MAX_MS ? ms : CHAOS_CONTROL_DELAY_MAX_MS;
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    /* An unchanged word is not written again, so the line stays in every process's cache. */
    if (atomic_load_explicit(word, memory_order_relaxed) != value)
        atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Over a set and its generation, which is 0 for an environment's. */
static uint64_t check_of(const uint64_t words[SET_WORDS], uint64_t generation)
{
    uint64_t all[SET_WORDS + 1] = {[SET_WORDS] = generation};

    memcpy(all, words, SET_WORDS * sizeof(words[0]));
    return metrics_file_checksum(all, sizeof(all));
}

static void store_set(_Atomic uint64_t *at, _Atomic uint64_t *check, const struct chaos_set *set,
                      uint64_t generation)
{
    const uint64_t words[SET_WORDS] = {
        (uint64_t)set->fixed << FIXED_SHIFT | (uint64_t)set->state << STATE_SHIFT |
            steps(set->probability) << SHARE_BITS | steps(set->error_rate),
        delay(set->delay_low_ms) << LOW_SHIFT | delay(set->delay_high_ms) << SHARE_BITS |
            steps(set->abort_rate),
        set->seed,
    };

    for (int i = 0; i < SET_WORDS; i++)
        store(&at[i], words[i]);
    store(check, check_of(words, generation));
}

/*
 * Any process may have written the words, and anything may have damaged them. Returns false for
 * what no writer of ours has left.
 */
static bool load_set(const _Atomic uint64_t *at, const _Atomic uint64_t *check, uint64_t generation,
                     struct chaos_set *set)
{
    uint64_t words[SET_WORDS];

    for (int i = 0; i < SET_WORDS; i++)
        words[i] = atomic_load_explicit(&at[i], memory_order_relaxed);
    *set = (struct chaos_set){
        .state = (enum chaos_state)field(words[0], STATE_SHIFT, STATE_BITS),
        .fixed = field(words[0], FIXED_SHIFT, 1) != 0,
        .probability = (double)field(words[0], SHARE_BITS, SHARE_BITS) / SHARE_ONE,
        .error_rate = (double)field(words[0], 0, SHARE_BITS) / SHARE_ONE,
        .delay_low_ms = (uint32_t)field(words[1], LOW_SHIFT, DELAY_BITS),
        .delay_high_ms = (uint32_t)field(words[1], SHARE_BITS, DELAY_BITS),
        .abort_rate = (double)field(words[1], 0, SHARE_BITS) / SHARE_ONE,
        .seed = words[2],
    };
    return atomic_load_explicit(check, memory_order_relaxed) == check_of(words, generation) &&
           words[0] >> (FIXED_SHIFT + 1) == 0 && set->state <= CHAOS_ON && set->probability <= 1 &&
           set->error_rate <= 1 && set->abort_rate <= 1 &&
           set->delay_high_ms <= CHAOS_CONTROL_DELAY_MAX_MS &&
           set->delay_low_ms <= set->delay_high_ms;
}

static _Atomic uint64_t *bank(_Atomic uint64_t *words, uint64_t generation)
{
    return words + BANKS + (generation & 1) * BANK_WORDS;
}

static _Atomic uint64_t *bank_check(_Atomic uint64_t *words, uint64_t generation)
{
    return words + BANK_CHECKS + (generation & 1);
}

/* What is in a bank's counter while no number has been given out. */
static uint64_t counter_start(uint64_t generation)
{
    return generation << COUNTER_BITS;
}

/*
 * Reads the set at run time and its generation; CHAOS_OFF and *damaged if it can't be believed.
 * Returns false if it kept being replaced meanwhile.
 */
static bool read_run_time(_Atomic uint64_t *words, struct chaos_set *set, uint64_t *generation,
                          bool *damaged)
{
    for (int i = 0; i < LOOKS_MAX; i++) {
        *generation = atomic_load_explicit(&words[GENERATION], memory_order_acquire);
        *damaged =
            !load_set(bank(words, *generation), bank_check(words, *generation), *generation, set);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&words[GENERATION], memory_order_relaxed) == *generation) {
            *damaged = *damaged && *generation != 0;
            if (*generation == 0)
                set->state = CHAOS_UNSET;
            else if (*damaged)
                *set = (struct chaos_set){.state = CHAOS_OFF};
            return true;
        }
    }
    return false;
}

static _Atomic uint64_t *words_of(const struct metrics_words *words)
{
    return metrics_words_at(words, CHAOS_CONTROL_WORD);
}

/* Returns the words that it looked at. */
static _Atomic uint64_t *look(struct chaos_control *control)
{
    _Atomic uint64_t *words = words_of(control->words);
    struct chaos_set set;
    uint64_t generation;
    bool damaged;

    if (words != control->seen) {
        control->seen = words;
        control->generation = 0;
        control->run_time = false;
        control->damaged = false;
        control->set = control->environment;
        store_set(words + ENVIRONMENT, words + ENVIRONMENT_CHECK, &control->environment, 0);
    }
    if (control->environment.fixed ||
        atomic_load_explicit(&words[GENERATION], memory_order_acquire) == control->generation ||
        !read_run_time(words, &set, &generation, &damaged))
        return words;
    control->generation = generation;
    control->damaged = damaged;
    control->run_time = set.state != CHAOS_UNSET;
    control->set = control->run_time ? set : control->environment;
    return words;
}

void chaos_control_attach(struct chaos_control *control, const struct metrics_words *words,
                          const struct chaos_set *environment)
{
    assert(environment->state != CHAOS_UNSET);
    *control = (struct chaos_control){.words = words, .environment = *environment};
    look(control);
}

/*
 * Takes the next number of the set that `control` knows; false if that set is no longer in force.
 */
static bool take_number(const struct chaos_control *control, _Atomic uint64_t *words,
                        uint64_t *number)
{
    _Atomic uint64_t *counter = &bank(words, control->generation)[BANK_COUNTER];
    const uint64_t start = counter_start(control->generation);
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    do {
        if (value >> COUNTER_BITS != start >> COUNTER_BITS)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(counter, &value, value + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    *number = field(value, 0, COUNTER_BITS);
    return true;
}

bool chaos_control_next(struct chaos_control *control, uint64_t *number)
{
    for (int i = 0; i < LOOKS_MAX; i++) {
        _Atomic uint64_t *words = look(control);
        if (control->set.state != CHAOS_ON)
            return false;
        if (!control->run_time) {
            *number =
                atomic_fetch_add_explicit(&words[ENVIRONMENT_COUNTER], 1, memory_order_relaxed);
            return true;
        }
        if (take_number(control, words, number))
            return true;
    }
    /* Only in a damaged file: the share of faults stays right, but they are not repeatable. */
    *number = ids_random64();
    return true;
}

int chaos_control_lock(const char *path)
{
    return metrics_words_lock(path, CHAOS_CONTROL_WORD);
}

void chaos_control_write(const struct metrics_words *shared, const struct chaos_set *set)
{
    _Atomic uint64_t *words = words_of(shared);
    uint64_t generation = atomic_load_explicit(&words[GENERATION], memory_order_relaxed) + 1;

    if (generation == 0) /* behind a damaged one; 0 would mean that nothing was set */
        generation = 2;
    _Atomic uint64_t *to = bank(words, generation);

    /* A reader that sees any of the following stores also sees that this bank is out of use. */
    atomic_thread_fence(memory_order_release);
    store_set(to, bank_check(words, generation), set, generation);
    store(&to[BANK_COUNTER], counter_start(generation));
    if (set->state == CHAOS_UNSET)
        store(&words[ENVIRONMENT_COUNTER], 0);
    atomic_store_explicit(&words[GENERATION], generation, memory_order_release);
}

void chaos_control_restart(const struct metrics_words *words)
{
    store(&words_of(words)[ENVIRONMENT_COUNTER], 0);
}

void chaos_control_status(const struct metrics_words *shared, struct chaos_status *status)
{
    _Atomic uint64_t *words = words_of(shared);
    uint64_t generation;

    if (!load_set(words + ENVIRONMENT, words + ENVIRONMENT_CHECK, 0, &status->environment))
        status->environment = (struct chaos_set){.state = CHAOS_UNSET};
    if (!read_run_time(words, &status->run_time, &generation, &status->damaged) ||
        status->environment.fixed) {
        status->run_time.state = CHAOS_UNSET;
        status->damaged = false;
    }
    if (status->run_time.state == CHAOS_UNSET)
        status->numbered = atomic_load_explicit(&words[ENVIRONMENT_COUNTER], memory_order_relaxed);
    else
        status->numbered = field(
            atomic_load_explicit(&bank(words, generation)[BANK_COUNTER], memory_order_relaxed), 0,
            COUNTER_BITS);
}
