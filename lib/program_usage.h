/*
 * Processor time and memory of a program's processes, which they tell themselves: whoever serves
 * /metrics may be in another container and see none of them. What a process used after it told it
 * last is not counted: what fits into PROGRAM_USAGE_PERIOD_MS.
 */
#ifndef LIB_PROGRAM_USAGE_H
#define LIB_PROGRAM_USAGE_H

#include "lib/metrics/metrics.h"

#include <stdint.h>

enum { PROGRAM_USAGE_PERIOD_MS = 100 /* between two looks */ };

/* Zeroed memory tells nothing. One thread at a time. */
struct program_usage {
    struct metrics_counter *processor;
    struct metrics_live_gauge *memory;
    uint64_t told_us, due_ms; /* what is counted already; the coarse clock at the next look */
};

/*
 * Counts for `program`, a label's value, from the process's start. The handles are the metrics',
 * and the gauge is there from the first program_usage_tell on.
 */
void program_usage_init(struct program_usage *usage, struct metrics *metrics, const char *program);

/*
 * Counts what this process and the children that it has waited for used since the last time
 * (getrusage(2)), and sets its resident memory (proc(5), statm; none without /proc). Between looks
 * it costs one read of a coarse clock.
 */
void program_usage_tell(struct program_usage *usage);

/* Counts the processor time of the children that were waited for, for one that runs `program`. */
void program_usage_count_children(struct metrics *metrics, const char *program);

#endif
