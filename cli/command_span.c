#include "cli/command.h"
#include "cli/emit.h"
#include "cli/time_text.h"
#include "lib/base/clock.h"
#include "lib/base/message.h"
#include "lib/base/printable.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct status {
    enum span_status code;
    char *text; /* or NULL; allocated for the life of the process */
};

struct span_options {
    uint64_t start_ns, end_ns; /* 0: now */
    int kind;                  /* index into kinds */
    struct emit_pairs attributes;
    struct status status;
    const char *traceparent; /* NULL: that of the environment */
    bool print;
};

static const char *const kinds[] = {"internal", "server", "client", "producer", "consumer", NULL};

/* OTLP has 0 for a time that is unknown, as have we for one not given: 1970 begins with the next.
 */
static int parse_time(void *member, const char *text)
{
    uint64_t *const ns = member;

    if (time_text_parse(text, ns) != 0)
        return -1;
    if (*ns == 0)
        *ns = 1;
    return 0;
}

static int parse_status(void *member, const char *text)
{
    static const char error[] = "error";
    struct status *const status = member;
    const size_t length = sizeof(error) - 1;

    if (strcmp(text, "ok") == 0) {
        *status = (struct status){SPAN_STATUS_OK, NULL};
        return 0;
    }
    if (strncmp(text, error, length) != 0 || (text[length] != '\0' && text[length] != ':'))
        return -1;
    *status = (struct status){SPAN_STATUS_ERROR, NULL};
    if (text[length] == ':')
        status->text = strndup(text + length + 1, ATTRIBUTE_STRING_MAX);
    return 0;
}

#define ROW(option, type_, member)                                                                 \
    .name = option, .type = type_, .offset = offsetof(struct span_options, member)

static const struct config_setting rows[] = {
    {ROW("--start", CONFIG_OTHER, start_ns), .parse = parse_time, .takes = TIME_TEXT_TAKES,
     .help = "When it began. Unless given, when it ended."},
    {ROW("--end", CONFIG_OTHER, end_ns), .parse = parse_time, .takes = TIME_TEXT_TAKES,
     .help = "When it ended. Unless given, now."},
    {ROW("--kind", CONFIG_CHOICE, kind), .choices = kinds, .fallback = "internal",
     .help = "Its kind."},
    {ROW("--attr", CONFIG_OTHER, attributes), .parse = emit_pairs_parse, .takes = EMIT_PAIRS_TAKE,
     .help = "An attribute, a text. May be given several times."},
    {ROW("--status", CONFIG_OTHER, status), .parse = parse_status, .takes = "ok or error[:TEXT]",
     .help = "How it went. Unless given, unset."},
    {ROW("--traceparent", CONFIG_STRING, traceparent),
     .help = "Its parent, in place of the environment's TRACEPARENT. Nothing at all begins a new "
             "trace."},
};

static const struct options_switch switches[] = {
    {"--print", offsetof(struct span_options, print),
     "Print the new span's traceparent: TRACEPARENT=$(microtrace span ... --print)."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace span",
    .operands = "NAME",
    .summary = "Writes one finished span, the child of TRACEPARENT or the root of a new trace. "
               "Never fails a script: a span that can't be written is counted and reported, and "
               "the exit status is 0.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .switches = switches,
    .state = emit_choose,
};

static void find_parent(const struct emit *emit, const struct span_options *given,
                        struct trace_context *parent)
{
    const char *const text = given->traceparent;

    if (text == NULL) {
        (void)emit_parent(emit, parent);
        return;
    }
    if (trace_context_parse(parent, text, strlen(text), NULL, 0) == 0)
        return;
    *parent = (struct trace_context){.flags = TRACE_CONTEXT_DEFERRED};
    /* It may be a client's header. */
    if (text[0] != '\0')
        message_print("--traceparent: \"%.80s\" is no traceparent: the span begins a new trace",
                      text);
}

static void set_times(struct span *span, const struct span_options *given)
{
    span->end_ns = given->end_ns != 0 ? given->end_ns : clock_unix_ns();
    span->start_ns = given->start_ns != 0 ? given->start_ns : span->end_ns;
    /* The clock was put back meanwhile: nothing that a script can help. */
    if (span->end_ns < span->start_ns) {
        message_print("--end is before --start: the span has no length");
        span->end_ns = span->start_ns;
    }
}

static void write_span(const struct span_options *given, const char *text)
{
    static struct emit_attributes attributes;
    char traceparent[TRACE_CONTEXT_PARENT_SIZE], name[EMIT_NAME_MAX];
    struct trace_context parent;
    struct emit emit;
    struct span span;

    emit_name(name, sizeof(name), text);
    emit_open(&emit);
    if (emit.telemetry == NULL)
        return;
    find_parent(&emit, given, &parent);
    telemetry_span_begin(emit.telemetry, &span, name, (enum span_kind)(given->kind + 1), &parent,
                         true);
    set_times(&span, given);
    span.status = given->status.code;
    span.status_message = given->status.text;
    emit_attributes_init(&attributes, &given->attributes);
    emit_attributes_add(&attributes, attribute_string("microtrace.request_id", emit_request_id()));
    emit_attributes_put(&attributes, &span);
    telemetry_span_end(emit.telemetry, &span);
    emit_close(&emit);
    if (given->print) {
        trace_context_format(traceparent, &span.context);
        printf("%s\n", traceparent);
    }
}

static int run(int argc, char **argv)
{
    static struct span_options given;
    const int result = options_read(&options, &given, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    if (argc != 1 || argv[0][0] == '\0') {
        printable_error("microtrace span: one NAME is expected; see microtrace span --help");
        return COMMAND_USAGE;
    }
    write_span(&given, argv[0]);
    return COMMAND_OK;
}

const struct command command_span = {&options, run};
