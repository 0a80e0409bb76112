/*
 * A circuit breaker that all processes of an instance share. Its state is one word of the metrics
 * file (docs/downstream.md), changed only by compare and exchange: no process waits for another,
 * and one that is killed at any point leaves a state from which the others continue. A second word
 * says that it was opened by hand, with a check: damage must not keep it open for ever.
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
 * counts as over. A word that no process of ours has left counts as closed.
 */
#ifndef LIB_CONTROL_BREAKER_H
#define LIB_CONTROL_BREAKER_H

#include "lib/metrics/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    BREAKER_WORD = 0, /* the index for metrics_words_at */
    BREAKER_HAND_WORD = 1,
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
    struct breaker_limits limits; /* set by the caller; not needed for the calls by hand */
    const struct metrics_words *words;
    struct metrics_gauge *state;
    struct metrics_counter *transitions[BREAKER_STATES];
};

/* Both words, decoded. */
struct breaker_status {
    enum breaker_state state;
    bool forced;         /* opened by hand: stays open until it is closed by hand */
    bool damaged;        /* one of the words can't be believed, and counts as closed */
    unsigned failures;   /* in a row so far; counts up to BREAKER_FAILURES_MAX + 23 */
    unsigned generation; /* changes with each change of state and each new probe */
    uint64_t since_ms;   /* when it was opened, or the probe began; else without meaning */
};

/* The answer to breaker_ask. */
struct breaker_permit {
    bool granted;
    bool half_opened;         /* this call is the first probe of an open breaker */
    bool damaged;             /* breaker_status.damaged, as this call found it */
    enum breaker_state state; /* in which the call begins, or was refused */
    unsigned generation;
    uint64_t wait_ms; /* when refused: how long until asking again makes sense, at least 1 */
};

/* What a result has changed. */
enum breaker_event {
    BREAKER_NOTHING,
    BREAKER_HAS_OPENED,
    BREAKER_HAS_CLOSED,
};

/*
 * Finds word and metrics, once. They follow a replaced metrics file; in a new one the breaker is
 * closed. `metrics` outlives the breaker; NULL gives this process its own breaker. The metrics are
 * circuit_breaker_state and circuit_breaker_transitions_total.
 */
void breaker_attach(struct breaker *breaker, struct metrics *metrics);

/* Their current values, decoded. */
struct breaker_status breaker_look(const struct metrics_words *words);

/*
 * Asks whether a call may be made now; ask before each attempt. If it is granted, the caller makes
 * the call at once and then calls breaker_report.
 */
struct breaker_permit breaker_ask(struct breaker *breaker, uint64_t now_ms);

/*
 * Reports how the call of a granted permit ended. *failures is set to the failures in a row:
 * including this one, or, for a success, before it.
 */
enum breaker_event breaker_report(struct breaker *breaker, const struct breaker_permit *permit,
                                  bool success, uint64_t now_ms, unsigned *failures);

/* Opens it until breaker_close or breaker_reset. */
void breaker_force_open(struct breaker *breaker, uint64_t now_ms);

/* Closes it, without a failure counted; a closed one stays as it is. */
void breaker_close(struct breaker *breaker);

/* Closes it and resets the count of failures, even if it was closed already. */
void breaker_reset(struct breaker *breaker);

#endif
