/*
 * A circuit breaker that all processes of an instance share. Its whole state is one word of the
 * metrics file (docs/downstream.md), changed by compare and exchange alone: nobody ever waits, and
 * a process that is killed at any point leaves a state from which the others go on.
 *
 *     closed     calls pass; `failures` of them in a row, over all processes, open it
 *     open       calls are refused for `open_ms`, then the next one becomes the probe
 *     half-open  one probe is under way, all other calls are refused; its success closes the
 *                breaker, its failure opens it again; after `probe_ms` without a result the
 *                next call becomes the probe
 *
 * A result counts only for the state in which its call began: one that comes late changes nothing.
 * Times are monotonic milliseconds (clock_monotonic_ns), which all processes of a machine share. A
 * time in the word that lies ahead by more than the period it begins is from before a reboot, and
 * counts as over.
 */
#ifndef LIB_CONTROL_BREAKER_H
#define LIB_CONTROL_BREAKER_H

#include "lib/metrics/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    BREAKER_WORD = 0, /* the index for metrics_words_at; 1 to 15 are reserved */
    BREAKER_FAILURES_MAX = 1000,
};

/* The values of the metric circuit_breaker_state. */
enum breaker_state {
    BREAKER_CLOSED,
    BREAKER_OPEN,
    BREAKER_HALF_OPEN,
    BREAKER_STATES,
};

/* "closed", "open", "half_open": values of the label `to`. */
extern const char *const breaker_state_names[BREAKER_STATES];

struct breaker_limits {
    unsigned failures; /* 1 to BREAKER_FAILURES_MAX */
    uint64_t open_ms;
    uint64_t probe_ms; /* longer than any call takes */
};

struct breaker {
    struct breaker_limits limits; /* the caller's to set; who only forces needs none */
    const struct metrics_words *words;
    struct metrics_gauge *state;
    struct metrics_counter *transitions[BREAKER_STATES];
};

/* What the word says. */
struct breaker_status {
    enum breaker_state state;
    bool forced;         /* opened by hand: stays open until it is closed by hand */
    unsigned failures;   /* in a row so far; counts up to BREAKER_FAILURES_MAX + 23 */
    unsigned generation; /* changes with each change of state and each new probe */
    uint64_t since_ms;   /* when it was opened, or the probe began; else without meaning */
};

/* The answer to breaker_ask. */
struct breaker_permit {
    bool granted;
    bool half_opened;         /* this call is the first probe of an open breaker */
    enum breaker_state state; /* in which the call begins, or was refused */
    unsigned generation;
    uint64_t wait_ms; /* when refused: how long until asking again makes sense, at least 1 */
};

/* What a result has brought about. */
enum breaker_event {
    BREAKER_NOTHING,
    BREAKER_HAS_OPENED,
    BREAKER_HAS_CLOSED,
};

/*
 * Finds word and metrics, once; they follow a replaced metrics file, in which the breaker is
 * closed. `metrics` outlives the breaker; NULL gives a breaker of this process alone. The metrics
 * are circuit_breaker_state and circuit_breaker_transitions_total.
 */
void breaker_attach(struct breaker *breaker, struct metrics *metrics);

/* What the word says now. */
struct breaker_status breaker_look(const struct metrics_words *words);

/* Decodes a value of the word; one that nobody wrote decodes as well. */
struct breaker_status breaker_decode(uint64_t word);

/*
 * Asks whether a call may be made now. Where it is granted the caller makes it, at once, and then
 * calls breaker_report. To be asked before each attempt.
 */
struct breaker_permit breaker_ask(struct breaker *breaker, uint64_t now_ms);

/*
 * Reports how the call of a granted permit ended. *failures is set to the failures in a row, with
 * this one; for a success to those that it ended.
 */
enum breaker_event breaker_report(struct breaker *breaker, const struct breaker_permit *permit,
                                  bool success, uint64_t now_ms, unsigned *failures);

/* Opens it until breaker_close or breaker_reset. */
void breaker_force_open(struct breaker *breaker, uint64_t now_ms);

/* Closes it, without a failure counted; one that is closed already is left as it is. */
void breaker_close(struct breaker *breaker);

/* Closes it, and forgets the failures counted so far in any case. */
void breaker_reset(struct breaker *breaker);

#endif
