/* Timing: medians of several rounds, by processor time or by the clock, as lines of text. */
#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H

#include "lib/base/clock.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7 };

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

static inline int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static inline double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

static inline void report(const char *name, double value, const char *unit)
{
    printf("%-52s %12.2f %s\n", name, value, unit);
    fflush(stdout);
}

/*
 * Processor time, not the clock's: what else the machine does takes turns with us, and more
 * processes than processors do so with each other.
 */
static inline double cpu_ns(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0)
        die("clock_gettime");
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline double clock_ns(void)
{
    return (double)clock_monotonic_ns();
}

/* Runs `step` ROUNDS times by that clock; it returns how many operations it made. */
static inline void measure_by(double (*now)(void), const char *name, uint64_t (*step)(void *),
                              void *state)
{
    double rounds[ROUNDS];

    for (size_t i = 0; i < ROUNDS; i++) {
        double start = now();
        uint64_t operations = step(state);
        rounds[i] = (now() - start) / (double)operations;
    }
    report(name, median(rounds, ROUNDS), "ns/op");
}

#endif
