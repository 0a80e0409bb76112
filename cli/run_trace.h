/*
 * The span of a run, by the OpenTelemetry semantic conventions for CLI programs (execution spans),
 * and the environment that hands it on.
 */
#ifndef CLI_RUN_TRACE_H
#define CLI_RUN_TRACE_H

#include "cli/emit.h"
#include "lib/metrics/metrics.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum run_outcome { RUN_SUCCESS, RUN_FAILURE, RUN_SIGNAL, RUN_TIMEOUT, RUN_OUTCOMES };

/* How a run ended. */
struct run_result {
    enum run_outcome outcome;
    int exit_status; /* what `microtrace run` ends with */
    int signal;      /* RUN_SIGNAL: that killed it */
    int exec_error;  /* RUN_FAILURE: errno if it was never started, else 0 */
    bool lost;       /* RUN_FAILURE: it ended with 0, but a part of its output was lost */
    double timeout_s;
    pid_t pid;
    uint64_t elapsed_ns;
};

/* What is run. Borrowed. */
struct run_traced {
    const char *name; /* or NULL */
    const struct emit_pairs *attributes;
    char *const *argv;
    bool with_args; /* the convention: not by default, since they may be secret */
};

struct run_trace {
    struct span span;
    char name[EMIT_NAME_MAX];
    char program[METRICS_LABEL_VALUE_MAX + 1]; /* the same as a label */
    const char *request_id;
    struct run_traced traced;
    struct emit_attributes attributes;
};

/*
 * Begins the span, and sets what the command inherits: TRACEPARENT and the other variables of
 * OTEL_PROPAGATORS, and where the instance is.
 */
void run_trace_begin(struct run_trace *trace, const struct emit *emit,
                     const struct run_traced *traced);

/* What ties log lines to the span. */
struct log_context run_trace_log_context(const struct run_trace *trace);

/* Ends it. Its length is that of the monotonic clock, whatever the wall clock did meanwhile. */
void run_trace_end(struct run_trace *trace, const struct emit *emit,
                   const struct run_result *result);

#endif
