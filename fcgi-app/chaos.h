/*
 * Faults on demand: which requests are delayed, and for how long.
 */
#ifndef FCGI_APP_CHAOS_H
#define FCGI_APP_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

enum chaos_kind {
    CHAOS_DELAY,
    CHAOS_KINDS,
};

/* "delay": values of the label `kind`. */
extern const char *const chaos_kind_names[CHAOS_KINDS];

struct chaos {
    bool enabled;
    double probability;   /* 0 to 1 */
    double delay_low_ms;  /* delays are uniform from here ... */
    double delay_high_ms; /* ... to there */
    uint64_t state;       /* of the random sequence */
};

/* Seeds the sequence: the same seed gives the same faults; 0 takes a random one. */
void chaos_seed(struct chaos *chaos, uint64_t seed);

/* Decides on one request. Returns whether it is to be delayed, and then sets *delay_ms. */
bool chaos_decide(struct chaos *chaos, double *delay_ms);

#endif
