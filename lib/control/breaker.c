#include "lib/control/breaker.h"

#include "lib/metrics/words.h"

#include <assert.h>

/*
 * The word, from its lowest bit: 40 bits of milliseconds, 11 of generation, 10 of failures, one
 * that is 0, 2 of state. Zero, as in a new file, is closed without a failure.
 *
 * The word of what is done by hand: 0, or 40 bits of milliseconds and 24 of their checksum.
 */
enum {
    SINCE_BITS = 40,
    GENERATION_BITS = 11,
    FAILURES_BITS = 10,
    GENERATION_SHIFT = SINCE_BITS,
    FAILURES_SHIFT = GENERATION_SHIFT + GENERATION_BITS,
    ZERO_SHIFT = FAILURES_SHIFT + FAILURES_BITS,
    STATE_SHIFT = ZERO_SHIFT + 1,
    FAILURES_HIGHEST = (1 << FAILURES_BITS) - 1,
    GENERATION_MASK = (1 << GENERATION_BITS) - 1,
};

#define SINCE_MASK ((UINT64_C(1) << SINCE_BITS) - 1)

static_assert(STATE_SHIFT + 2 == 64, "the word is full");
static_assert(FAILURES_HIGHEST >= (int)BREAKER_FAILURES_MAX, "the limit can be reached");

const char *const breaker_state_names[BREAKER_STATES] = {
    [BREAKER_CLOSED] = "closed",
    [BREAKER_OPEN] = "open",
    [BREAKER_HALF_OPEN] = "half_open",
};

static const struct metrics_family_def state_def = {
    .name = "circuit_breaker_state",
    .help = "State of the downstream breaker: 0 closed, 1 open, 2 half-open.",
    .kind = METRICS_GAUGE,
};

static const struct metrics_family_def transitions_def = {
    .name = "circuit_breaker_transitions_total",
    .help = "Changes of the downstream breaker's state, by the new state.",
    .kind = METRICS_COUNTER,
    .labels = {"to"},
};

/* What the word says without the other one. */
static struct breaker_status decode(uint64_t word)
{
    const unsigned state = (unsigned)(word >> STATE_SHIFT);
    struct breaker_status status = {
        .generation = (unsigned)(word >> GENERATION_SHIFT) & GENERATION_MASK,
        .damaged = state >= BREAKER_STATES || (word >> ZERO_SHIFT & 1) != 0,
    };

    if (status.damaged)
        return status;
    status.state = (enum breaker_state)state;
    status.failures = (unsigned)(word >> FAILURES_SHIFT) & FAILURES_HIGHEST;
    status.since_ms = word & SINCE_MASK;
    return status;
}

static uint64_t encode(const struct breaker_status *status)
{
    return (uint64_t)status->state << STATE_SHIFT | (uint64_t)status->failures << FAILURES_SHIFT |
           (uint64_t)(status->generation & GENERATION_MASK) << GENERATION_SHIFT |
           (status->since_ms & SINCE_MASK);
}

/* The word of a breaker that was opened by hand at `now_ms`. */
static uint64_t encode_hand(uint64_t now_ms)
{
    const uint64_t since_ms = now_ms & SINCE_MASK;

    return metrics_file_checksum(&since_ms, sizeof(since_ms)) << SINCE_BITS | since_ms;
}

static struct breaker_status decode_both(uint64_t word, uint64_t hand)
{
    struct breaker_status status = decode(word);

    if (hand == 0)
        return status;
    if (hand != encode_hand(hand)) {
        status.damaged = true;
        return status;
    }
    status.state = BREAKER_OPEN;
    status.forced = true;
    status.since_ms = hand & SINCE_MASK;
    return status;
}

/* Asked for each access: if the file is replaced in between, an exchange finds other values. */
static _Atomic uint64_t *word_of(const struct breaker *breaker)
{
    return metrics_words_at(breaker->words, BREAKER_WORD);
}

static _Atomic uint64_t *hand_of(const struct breaker *breaker)
{
    return metrics_words_at(breaker->words, BREAKER_HAND_WORD);
}

struct breaker_status breaker_look(const struct metrics_words *words)
{
    return decode_both(atomic_load(metrics_words_at(words, BREAKER_WORD)),
                       atomic_load(metrics_words_at(words, BREAKER_HAND_WORD)));
}

static enum breaker_state load_state(const struct breaker *breaker)
{
    return breaker_look(breaker->words).state;
}

/*
 * Whoever changes the state publishes it and then reads it again. Of two processes that do so at
 * once, the later one sees the newer state, so the gauge ends up correct.
 */
static void publish(const struct breaker *breaker)
{
    enum breaker_state state;

    do {
        state = load_state(breaker);
        metrics_gauge_set(breaker->state, state);
        atomic_thread_fence(memory_order_seq_cst);
    } while (load_state(breaker) != state);
}

/*
 * Exchanges `*word`, whose decoded form is `from`, for `to`. If another process was faster, returns
 * false with *word reloaded.
 */
static bool change(const struct breaker *breaker, uint64_t *word, const struct breaker_status *from,
                   const struct breaker_status *to)
{
    if (!atomic_compare_exchange_strong(word_of(breaker), word, encode(to)))
        return false;
    if (to->state != from->state) {
        metrics_add(breaker->transitions[to->state], 1);
        publish(breaker);
    }
    return true;
}

void breaker_attach(struct breaker *breaker, struct metrics *metrics)
{
    struct metrics_family *transitions = metrics_declare(metrics, &transitions_def);

    breaker->words = metrics_words(metrics);
    breaker->state = metrics_gauge(metrics_declare(metrics, &state_def), NULL);
    for (int state = 0; state < BREAKER_STATES; state++)
        breaker->transitions[state] =
            metrics_counter(transitions, (const char *[]){breaker_state_names[state]});
    publish(breaker);
}

/* What is left of a period that began at `since_ms`; 0 if it is over. */
static uint64_t left_ms(uint64_t since_ms, uint64_t period_ms, uint64_t now_ms)
{
    const int64_t elapsed = (int64_t)(now_ms & SINCE_MASK) - (int64_t)since_ms;
    const int64_t period = (int64_t)period_ms;

    return elapsed < period && elapsed > -period ? (uint64_t)(period - elapsed) : 0;
}

/* How long a call that begins now is refused; 0 if it is to be the probe. */
static uint64_t refused_ms(const struct breaker *breaker, const struct breaker_status *status,
                           uint64_t now_ms)
{
    return left_ms(
        status->since_ms,
        status->state == BREAKER_OPEN ? breaker->limits.open_ms : breaker->limits.probe_ms, now_ms);
}

struct breaker_permit breaker_ask(struct breaker *breaker, uint64_t now_ms)
{
    uint64_t word = atomic_load(word_of(breaker));

    /* Repairs the gauge if a process was killed between a change and its publication. */
    publish(breaker);
    for (;;) {
        const struct breaker_status was = decode_both(word, atomic_load(hand_of(breaker)));
        struct breaker_status probe = {
            .state = BREAKER_HALF_OPEN,
            .failures = was.failures,
            .generation = (was.generation + 1) & GENERATION_MASK,
            .since_ms = now_ms,
        };
        uint64_t wait_ms;

        if (was.state == BREAKER_CLOSED)
            return (struct breaker_permit){.granted = true,
                                           .damaged = was.damaged,
                                           .state = BREAKER_CLOSED,
                                           .generation = was.generation};
        wait_ms = was.forced ? breaker->limits.open_ms : refused_ms(breaker, &was, now_ms);
        if (was.forced || wait_ms > 0)
            return (struct breaker_permit){
                .damaged = was.damaged, .state = was.state, .wait_ms = wait_ms > 0 ? wait_ms : 1};
        if (change(breaker, &word, &was, &probe))
            return (struct breaker_permit){
                .granted = true,
                .half_opened = was.state == BREAKER_OPEN,
                .damaged = was.damaged,
                .state = BREAKER_HALF_OPEN,
                .generation = probe.generation,
            };
    }
}

enum breaker_event breaker_report(struct breaker *breaker, const struct breaker_permit *permit,
                                  bool success, uint64_t now_ms, unsigned *failures)
{
    uint64_t word = atomic_load(word_of(breaker));

    assert(permit->granted);
    for (;;) {
        const struct breaker_status was = decode(word);
        struct breaker_status next = was;

        *failures = was.failures;
        if (was.generation != permit->generation || was.state != permit->state)
            return BREAKER_NOTHING;
        if (success) {
            if (was.state == BREAKER_CLOSED && was.failures == 0)
                return BREAKER_NOTHING;
            next.failures = 0;
            next.state = BREAKER_CLOSED;
        } else {
            next.failures += was.failures < FAILURES_HIGHEST;
            if (was.state == BREAKER_HALF_OPEN || next.failures >= breaker->limits.failures)
                next.state = BREAKER_OPEN;
            *failures = next.failures;
        }
        if (next.state != was.state) {
            next.generation++;
            next.since_ms = now_ms;
        }
        if (!change(breaker, &word, &was, &next))
            continue;
        if (next.state == was.state)
            return BREAKER_NOTHING;
        return next.state == BREAKER_OPEN ? BREAKER_HAS_OPENED : BREAKER_HAS_CLOSED;
    }
}

/* Sets the state by hand; results of calls that are under way no longer count. */
static void force(struct breaker *breaker, struct breaker_status next)
{
    uint64_t word = atomic_load(word_of(breaker));

    for (;;) {
        const struct breaker_status was = decode(word);

        next.generation = was.generation + 1;
        if (change(breaker, &word, &was, &next))
            return;
    }
}

/* In either order of the two words a process that is killed between them leaves a whole state. */
void breaker_force_open(struct breaker *breaker, uint64_t now_ms)
{
    atomic_store(hand_of(breaker), encode_hand(now_ms));
    force(breaker, (struct breaker_status){.state = BREAKER_OPEN, .since_ms = now_ms});
}

void breaker_close(struct breaker *breaker)
{
    const struct breaker_status status = breaker_look(breaker->words);

    if (status.state != BREAKER_CLOSED || status.damaged)
        breaker_reset(breaker);
}

void breaker_reset(struct breaker *breaker)
{
    atomic_store(hand_of(breaker), 0);
    force(breaker, (struct breaker_status){.state = BREAKER_CLOSED});
}
