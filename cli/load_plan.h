/*
 * What `microtrace load` sends and when: the requests it knows, the share of bad ones, and the
 * shape of a day. Pure.
 */
#ifndef CLI_LOAD_PLAN_H
#define CLI_LOAD_PLAN_H

#include <stdint.h>

enum {
    LOAD_PLAN_GOOD = 0, /* the index of the one good request; all others are bad on purpose */
    LOAD_PLAN_CASES = 8,
};

struct load_case {
    const char *method;
    const char *path;
    const char *content_type;
    const char *body; /* NULL: two numbers, drawn for each request */
    long status;      /* of the right answer */
};

extern const struct load_case load_plan_cases[LOAD_PLAN_CASES];

enum load_shape {
    LOAD_FLAT,
    LOAD_DAILY,
};

/* "flat", "daily", NULL. */
extern const char *const load_plan_shapes[];

/*
 * The case of request number `n`, from 0: of any first N requests, N * bad rounded down are bad
 * ones, and the kinds of bad ones take turns. `bad` is a share from 0 to 1.
 */
unsigned load_plan_case(uint64_t n, double bad);

/*
 * The share of the busiest moment's rate, above 0 to 1, that the shape has at `phase`: 0 is
 * midnight, 0.5 noon, 1 the next midnight. LOAD_DAILY is 0.55 on average.
 */
double load_plan_level(enum load_shape shape, double phase);

#endif
