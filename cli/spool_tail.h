/*
 * `microtrace spool tail`: the last records of a signal in a readable form, and those to come.
 */
#ifndef CLI_SPOOL_TAIL_H
#define CLI_SPOOL_TAIL_H

#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>

enum { SPOOL_TAIL_LAST_MAX = 1000000 };

struct spool_tail_options {
    enum spool_signal signal;
    const char *trace;   /* only records of this trace, NULL for all */
    const char *request; /* only records of this request, NULL for all */
    size_t last;         /* how many of those that are there, at most SPOOL_TAIL_LAST_MAX */
    bool follow;
    bool json; /* each record as it stands in the spool, a line each */
};

/* Returns COMMAND_OK, or COMMAND_FAILED if the spool can't be read. With `follow` it stays. */
int spool_tail_run(const struct spool_tail_options *options);

#endif
