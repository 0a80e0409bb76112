/*
 * What a metric family may look like. Writers refuse what breaks these rules, readers skip it.
 */
#ifndef LIB_METRICS_RULES_H
#define LIB_METRICS_RULES_H

#include "lib/metrics/metrics.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The rules of OpenMetrics 1.0 (section "Data model") that text 0.0.4 shares: a counter's name ends
 * in _total, and only a counter's; a unit is the name's suffix; names of the Prometheus alphabet;
 * no label twice, none that begins with two underscores, no `le` in a histogram; bounds finite and
 * ascending; texts within the limits of lib/metrics/metrics.h and well-formed UTF-8.
 */
bool metrics_rules_family_valid(const struct metrics_family_def *def);

/* Whether it is a name of the Prometheus alphabet, a metric's with `colon` or a label's without. */
bool metrics_rules_name_valid(const char *name, bool colon);

size_t metrics_rules_label_count(const struct metrics_family_def *def);

/*
 * What one step of a counter, or of a histogram's sum, is worth; 0 for gauges, and for a counter
 * that counts whole ones. A histogram's default is 1e-9 where the largest bound is below 100, and
 * ten times as much for each further digit, up to 1: a sum of bytes would pass 64 bits at 9 GB
 * else.
 */
double metrics_rules_resolution(const struct metrics_family_def *def);

/* 1 / resolution, exact if it is meant to be an integer; 1 for a resolution of 0. */
double metrics_rules_steps_per_unit(double resolution);

#endif
