/* The metrics of `microtrace run`, one set for each program. */
#ifndef CLI_RUN_METRICS_H
#define CLI_RUN_METRICS_H

#include "cli/emit.h"
#include "cli/run_trace.h"

/* Counts one run of `program`, a label's value. */
void run_metrics_add(const struct emit *emit, const char *program, const struct run_result *result);

#endif
