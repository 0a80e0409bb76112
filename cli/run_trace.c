#include "cli/run_trace.h"

#include "cli/instance.h"
#include "lib/base/config_file.h"
#include "lib/trace/propagation.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ERROR_TYPE_MAX = 32,
    MESSAGE_MAX_BYTES = 256,
    VARIABLE_MAX = 64,
};

static const char *base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* --- The environment --- */

/* The variables of each format: what an outer span has left there is not this one's. */
static const struct {
    enum propagation_format format;
    const char *name;
} variables[] = {
    {PROPAGATION_TRACECONTEXT, "TRACEPARENT"}, {PROPAGATION_TRACECONTEXT, "TRACESTATE"},
    {PROPAGATION_BAGGAGE, "BAGGAGE"},          {PROPAGATION_B3, "B3"},
    {PROPAGATION_B3MULTI, "X_B3_TRACEID"},     {PROPAGATION_B3MULTI, "X_B3_SPANID"},
    {PROPAGATION_B3MULTI, "X_B3_SAMPLED"},     {PROPAGATION_B3MULTI, "X_B3_FLAGS"},
    {PROPAGATION_JAEGER, "UBER_TRACE_ID"},
};

/* A header's name as a variable: upper case, and _ for what a variable's name has not. */
static void put_variable(void *to, const char *name, const char *value)
{
    char variable[VARIABLE_MAX];
    size_t i = 0;

    (void)to;
    for (; name[i] != '\0' && i < sizeof(variable) - 1; i++) {
        const char c = name[i];

        variable[i] = c;
        if (c >= 'a' && c <= 'z')
            variable[i] = (char)(c - 'a' + 'A');
        else if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
            variable[i] = '_';
    }
    variable[i] = '\0';
    (void)setenv(variable, value, 1);
}

static void hand_on(const struct run_trace *trace, const struct emit *emit)
{
    const char *const outer = getenv("BAGGAGE");
    char *const baggage = outer != NULL ? strdup(outer) : NULL;

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        if (propagation_has(emit->propagators, variables[i].format))
            (void)unsetenv(variables[i].name);
    }
    (void)propagation_inject(emit->propagators, &trace->span.context, baggage, put_variable, NULL);
    free(baggage);
}

/* The command may change its directory, and ./var be another instance's there. */
static void name_path(const char *variable, const char *name)
{
    char path[PATH_MAX];

    (void)setenv(variable, realpath(name, path) != NULL ? path : name, 1);
}

/* The settings file first: it would no longer be in use for an environment that names folders. */
static void name_instance(const struct telemetry_settings *settings)
{
    const char *const file = config_file_in_use();

    if (file != NULL)
        name_path("MICROTRACE_CONFIG_FILE", file);
    name_path("MICROTRACE_RUN_DIR", settings->run_dir);
    name_path("MICROTRACE_SPOOL_DIR", settings->spool_dir);
}

/* --- The span --- */

void run_trace_begin(struct run_trace *trace, const struct emit *emit,
                     const struct run_traced *traced)
{
    const char *const name =
        traced->name != NULL && traced->name[0] != '\0' ? traced->name : base_name(traced->argv[0]);
    struct trace_context parent;

    trace->traced = *traced;
    trace->request_id = emit_request_id();
    emit_name(trace->name, sizeof(trace->name), name);
    emit_name(trace->program, sizeof(trace->program), name);
    (void)emit_parent(emit, &parent);
    if (emit->telemetry != NULL) {
        telemetry_span_begin(emit->telemetry, &trace->span, trace->name, SPAN_INTERNAL, &parent,
                             true);
        hand_on(trace, emit);
    }
    name_instance(&emit->settings);
}

struct log_context run_trace_log_context(const struct run_trace *trace)
{
    return (struct log_context){.request_id = trace->request_id, .trace = &trace->span.context};
}

static void signal_name(char out[ERROR_TYPE_MAX], int signal)
{
    const char *const name = sigabbrev_np(signal);

    if (name != NULL)
        (void)snprintf(out, ERROR_TYPE_MAX, "SIG%s", name);
    else
        (void)snprintf(out, ERROR_TYPE_MAX, "SIG%d", signal);
}

/* The class of an error, for error.type, and a sentence for the status. */
static void describe(const struct run_result *result, char type[ERROR_TYPE_MAX],
                     char message[MESSAGE_MAX_BYTES])
{
    const char *const error = strerrorname_np(result->exec_error);

    switch (result->outcome) {
    case RUN_TIMEOUT:
        (void)snprintf(type, ERROR_TYPE_MAX, "timeout");
        (void)snprintf(message, MESSAGE_MAX_BYTES, "did not end within %g s", result->timeout_s);
        return;
    case RUN_SIGNAL:
        signal_name(type, result->signal);
        (void)snprintf(message, MESSAGE_MAX_BYTES, "killed by %s", type);
        return;
    default:
        if (result->lost) {
            (void)snprintf(type, ERROR_TYPE_MAX, "output_lost");
            (void)snprintf(message, MESSAGE_MAX_BYTES, "its output could not be written");
            return;
        }
        if (result->exec_error != 0 && error != NULL) {
            (void)snprintf(type, ERROR_TYPE_MAX, "%s", error);
            (void)snprintf(message, MESSAGE_MAX_BYTES, "could not be started: %s",
                           strerror(result->exec_error));
            return;
        }
        (void)snprintf(type, ERROR_TYPE_MAX, "%d", result->exit_status);
        (void)snprintf(message, MESSAGE_MAX_BYTES, "exit status %d", result->exit_status);
    }
}

void run_trace_end(struct run_trace *trace, const struct emit *emit,
                   const struct run_result *result)
{
    struct emit_attributes *const attributes = &trace->attributes;
    char type[ERROR_TYPE_MAX], message[MESSAGE_MAX_BYTES], program[EMIT_NAME_MAX];

    emit_name(program, sizeof(program), base_name(trace->traced.argv[0]));
    emit_attributes_init(attributes, trace->traced.attributes);
    emit_attributes_add(attributes, attribute_string("process.executable.name", program));
    emit_attributes_add(attributes, attribute_int("process.pid", result->pid));
    emit_attributes_add(attributes,
                        attribute_int("process.exit.code", result->lost ? 0 : result->exit_status));
    emit_attributes_add(attributes, attribute_string("microtrace.request_id", trace->request_id));
    if (result->outcome != RUN_SUCCESS) {
        describe(result, type, message);
        emit_attributes_add(attributes, attribute_string("error.type", type));
        trace->span.status = SPAN_STATUS_ERROR;
        trace->span.status_message = message;
    }
    if (trace->traced.with_args)
        emit_attributes_add_strings(attributes, "process.command_args", trace->traced.argv);
    emit_attributes_put(attributes, &trace->span);
    trace->span.end_ns = trace->span.start_ns + result->elapsed_ns;
    telemetry_span_end(emit->telemetry, &trace->span);
}
