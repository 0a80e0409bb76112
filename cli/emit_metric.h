/*
 * One update of a metric by its name: what it is has to be found out or declared with each.
 */
#ifndef CLI_EMIT_METRIC_H
#define CLI_EMIT_METRIC_H

#include "cli/emit.h"
#include "lib/metrics/metrics.h"

#include <stddef.h>
#include <stdint.h>

struct emit_buckets {
    size_t count; /* 0: not given */
    double bounds[METRICS_BOUNDS_MAX];
};

struct emit_metric {
    enum metrics_kind kind; /* counter, gauge or histogram */
    const char *name;
    const char *help, *unit; /* or NULL */
    struct emit_pairs labels;
    struct emit_buckets buckets;
    uint64_t count; /* a counter's */
    double value;   /* of the others */
};

/* For a row of CONFIG_OTHER: reads ascending finite numbers, separated by commas. */
int emit_buckets_parse(void *member, const char *text);

/*
 * Checks names, labels and unit by the rules of Prometheus and OpenMetrics 1.0. Returns 0, or -1
 * after a line on standard error that begins with `command`, says the rule and, where there is one,
 * the right name.
 */
int emit_metric_check(const struct emit_metric *metric, const char *command);

/*
 * Makes the update in the chosen instance. A metric that exists gives what the command line leaves
 * open: unit, buckets, the order of its labels. What is refused or can't be written is counted, as
 * far as it can, and said.
 */
void emit_metric_add(const struct emit_metric *metric, const char *command);

#endif
