#include "cli/command.h"

#include "cli/instance.h"
#include "cli/view_run.h"
#include "lib/base/printable.h"
#include "lib/base/request_id.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

struct values {
    const char *trace, *request;
    uint64_t slowest, last;
    bool errors, json;
};

enum row { TRACE, REQUEST, SLOWEST, LAST, ROWS };

static uint64_t given; /* a bit for each row */

static int read_count(void *member, const char *text)
{
    uint64_t count;

    static_assert(VIEW_FIND_MAX == 100, "the number stands in the help");
    if (text_parse_uint(text_of(text), &count) != 0 || count < 1 || count > VIEW_FIND_MAX)
        return -1;
    *(uint64_t *)member = count;
    return 0;
}

#define ROW(option, kind, member)                                                                  \
    .name = option, .type = kind, .offset = offsetof(struct values, member)

static const struct config_setting rows[ROWS] = {
    [TRACE] = {ROW("--trace", CONFIG_STRING, trace),
               .help = "The trace with this id, 32 hexadecimal digits."},
    [REQUEST] = {ROW("--request", CONFIG_STRING, request),
                 .help = "The traces of the request with this id (X-Request-ID)."},
    /* No default: it is another question than that for the last ones. */
    [SLOWEST] = {ROW("--slowest", CONFIG_OTHER, slowest), .parse = read_count,
                 .takes = "a whole number from 1 to 100",
                 .help = "How many of the slowest traces, slowest first."},
    [LAST] = {ROW("--last", CONFIG_UINT, last), .min = 1, .max = VIEW_FIND_MAX, .fallback = "10",
              .help =
                  "How many of the last traces; with --request or --errors, at most this many."},
};

#undef ROW

static const struct options_switch switches[] = {
    {"--errors", offsetof(struct values, errors), "Only traces with a span that failed."},
    {"--json", offsetof(struct values, json),
     "Print the spans and log records as their lines in the spool are, one a line: OTLP's JSON, "
     "and our own log lines."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace view",
    .operands = "",
    .summary = "Shows traces as waterfalls with their log lines: the last ten, or those that the "
               "options choose. It reads all that the spool holds: what waits to be sent, and "
               "delivered records that are kept (MICROTRACE_SPOOL_KEEP_BYTES). On a terminal, "
               "PAGER shows it. Exits with 1 if nothing is found.",
    .rows = rows,
    .row_count = ROWS,
    .switches = switches,
    .given = &given,
    .state = instance_choose,
};

static bool is_given(enum row row)
{
    return (given >> row & 1) != 0;
}

static int bad_value(const char *option, const char *value, const char *accepted)
{
    printable_error("microtrace view: %s: \"%s\" can't be used; it takes %s", option, value,
                    accepted);
    return COMMAND_USAGE;
}

static int view(int argc, char **argv)
{
    struct values values = {.trace = NULL};
    const int result = options_read(&options, &values, &argc, &argv);
    struct view_run_options run = {.query = {.by = VIEW_FIND_LATEST}};
    struct trace_ids ids = {.count = 0};

    if (result != OPTIONS_GO)
        return result;
    run.json = values.json;
    run.query.count = values.last;
    if (is_given(TRACE) + is_given(REQUEST) + is_given(SLOWEST) + values.errors > 1 ||
        (is_given(LAST) && (is_given(TRACE) || is_given(SLOWEST)))) {
        printable_error("microtrace view: it takes one of --trace, --request, --slowest and "
                        "--errors; --last goes with --request and --errors");
        return COMMAND_USAGE;
    }
    if (is_given(TRACE)) {
        if (trace_ids_add(&ids, text_of(values.trace)) < 0)
            return bad_value("--trace", values.trace, "a trace id, 32 hexadecimal digits");
        run.query.by = VIEW_FIND_TRACE;
        run.query.id = values.trace;
    } else if (is_given(REQUEST)) {
        if (!request_id_is_valid(values.request))
            return bad_value("--request", values.request,
                             "a request id, 1 to 128 characters of A-Z a-z 0-9 . _ : / + = @ -");
        run.query.by = VIEW_FIND_REQUEST;
        run.query.id = values.request;
    } else if (is_given(SLOWEST)) {
        run.query.by = VIEW_FIND_SLOWEST;
        run.query.count = values.slowest;
    } else if (values.errors) {
        run.query.by = VIEW_FIND_ERRORS;
    }
    return view_run(&run);
}

const struct command command_view = {&options, view};
