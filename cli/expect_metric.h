/*
 * `microtrace expect metric`: waits until a series of the metrics file has a value.
 */
#ifndef CLI_EXPECT_METRIC_H
#define CLI_EXPECT_METRIC_H

#include <stdbool.h>
#include <stdint.h>

/* A number of the command line. */
struct expect_number {
    bool given;
    double value;
};

struct expect_metric_options {
    const char *selector;
    struct expect_number equal, at_least, at_most, increase; /* none: it is there */
    const char *since;                                       /* a snapshot, with `increase` */
    uint64_t within_ns;
};

/*
 * Looks every 20 ms until all that is asked for holds, or never will: a counter that is already
 * above what it has to be. Several series that the selector fits are summed. Prints them on
 * standard output, or, on standard error, what is wrong. Returns COMMAND_OK, COMMAND_FAILED, or
 * COMMAND_USAGE where selector or snapshot can't be used.
 */
int expect_metric_run(const struct expect_metric_options *options);

/*
 * Writes all values, in the text format, to a file that is put there as a whole; none while there
 * is no metrics file. Returns COMMAND_OK, or COMMAND_FAILED with a line on standard error.
 */
int expect_metric_snapshot(const char *path);

#endif
