#include "cli/command.h"

#include "cli/expect_match.h"
#include "cli/expect_metric.h"
#include "cli/expect_records.h"
#include "cli/instance.h"
#include "lib/base/clock.h"
#include "lib/base/json_walk.h"
#include "lib/base/log_level.h"
#include "lib/base/printable.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIRS_MAX = 32, /* --attr or --field */
    WITHIN_MAX_S = 3600,
    SHOWN_MAX = 128, /* bytes of what a message calls a condition */
};

static uint64_t seconds_ns(double seconds)
{
    return (uint64_t)(seconds * CLOCK_NS_PER_S);
}

static int usage(const char *command, const char *option, const char *value, const char *accepted)
{
    printable_error("%s: %s: \"%s\" can't be used; it takes %s", command, option, value, accepted);
    return COMMAND_USAGE;
}

/* --- expect metric --- */

struct metric_values {
    struct expect_number equal, at_least, at_most, increase;
    const char *since, *snapshot;
    double within;
};

static int read_number(void *member, const char *text)
{
    struct expect_number *const number = member;
    char *end;
    const double value = strtod(text, &end);

    if (end == text || *end != '\0' || isnan(value))
        return -1;
    *number = (struct expect_number){.given = true, .value = value};
    return 0;
}

#define ROW(option, kind, member)                                                                  \
    .name = option, .type = kind, .offset = offsetof(struct metric_values, member)
#define NUMBER(option, member, text)                                                               \
    {                                                                                              \
        ROW(option, CONFIG_OTHER, member), .parse = read_number, .takes = "a number", .help = text \
    }

static const struct config_setting metric_rows[] = {
    NUMBER("--eq", equal, "The value is this one."),
    NUMBER("--ge", at_least, "The value is this one or more."),
    NUMBER("--le", at_most, "The value is this one or less."),
    NUMBER("--increase", increase,
           "The value is so much more than in the snapshot of --since; a series that is absent "
           "counts as 0."),
    {ROW("--since", CONFIG_STRING, since), .help = "The snapshot, with --increase."},
    {ROW("--snapshot", CONFIG_STRING, snapshot),
     .help = "Write all values to this file, for --since, and wait for nothing."},
    {ROW("--within", CONFIG_DOUBLE, within), .max = WITHIN_MAX_S, .unit = CONFIG_UNIT_S,
     .fallback = "5", .help = "How long to wait."},
};

#undef NUMBER
#undef ROW

static const struct options_table metric_options = {
    .command = "microtrace expect metric",
    .operands = "NAME{LABEL=\"VALUE\",...}",
    .summary =
        "Waits until a series of the metrics file has the value, or just exists, and prints "
        "it. The selector has Prometheus' syntax: =, !=, =~ and !~ (extended regular "
        "expressions that match the whole value); if several series match, their sum "
        "counts. For a histogram, name its _count, _sum or _bucket{le=\"...\"}. Exits with 1 "
        "if the value does not come, at once if a counter is already beyond it.",
    .rows = metric_rows,
    .row_count = sizeof(metric_rows) / sizeof(metric_rows[0]),
    .state = instance_choose,
};

static int metric(int argc, char **argv)
{
    struct metric_values values = {.since = NULL};
    const int result = options_read(&metric_options, &values, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    if (values.snapshot != NULL && argc == 0 && values.since == NULL && !values.equal.given &&
        !values.at_least.given && !values.at_most.given && !values.increase.given)
        return expect_metric_snapshot(values.snapshot);
    if (argc != 1 || values.snapshot != NULL) {
        printable_error("microtrace expect metric: it takes one selector, such as "
                        "'requests_total{status=\"200\"}', or --snapshot FILE");
        return COMMAND_USAGE;
    }
    if (values.increase.given != (values.since != NULL)) {
        printable_error("microtrace expect metric: --increase and --since belong together");
        return COMMAND_USAGE;
    }
    return expect_metric_run(&(const struct expect_metric_options){
        .selector = argv[0],
        .equal = values.equal,
        .at_least = values.at_least,
        .at_most = values.at_most,
        .increase = values.increase,
        .since = values.since,
        .within_ns = seconds_ns(values.within),
    });
}

const struct command command_expect_metric = {&metric_options, metric};

/* --- expect span, expect log --- */

struct pairs {
    const char *items[PAIRS_MAX];
    size_t count;
};

/* For spans and log records; each command has rows for its own part. */
struct record_values {
    const char *name, *message, *level, *status, *request, *trace;
    struct pairs pairs;
    int64_t count; /* EXPECT_RECORDS_ANY if it is not given */
    bool none;
    double within;
};

static int read_pair(void *member, const char *text)
{
    struct pairs *const pairs = member;
    const char *const equals = strchr(text, '=');

    if (equals == NULL || equals == text || pairs->count == PAIRS_MAX)
        return -1;
    pairs->items[pairs->count++] = text;
    return 0;
}

static int read_count(void *member, const char *text)
{
    uint64_t count;

    if (text_parse_uint(text_of(text), &count) != 0 || count > EXPECT_RECORDS_COUNT_MAX)
        return -1;
    *(int64_t *)member = (int64_t)count;
    return 0;
}

#define ROW(option, kind, member)                                                                  \
    .name = option, .type = kind, .offset = offsetof(struct record_values, member)
#define PAIRS(option, text)                                                                        \
    {                                                                                              \
        ROW(option, CONFIG_OTHER, pairs), .parse = read_pair,                                      \
                                          .takes = "KEY=VALUE, at most 32 times", .help = text     \
    }
#define VALUES                                                                                     \
    " A number is the same however it is written; true and false are booleans; an array or "       \
    "object "                                                                                      \
    "is compared as JSON."
#define COUNT_ROW                                                                                  \
    {                                                                                              \
        ROW("--count", CONFIG_OTHER, count), .parse = read_count, .takes = "a whole number",       \
                                             .help = "Exactly so many, and still so after 0.2 s; " \
                                                     "more of them fail at once. Without it at "   \
                                                     "least one."                                  \
    }
/* The last row of its table. */
#define WITHIN_ROW                                                                                 \
    {                                                                                              \
        ROW("--within", CONFIG_DOUBLE, within),                                                    \
            .max = WITHIN_MAX_S, .unit = CONFIG_UNIT_S, .fallback = "5",                           \
            .help = "How long to wait. With --none how long to watch, and not at all "             \
                    "unless it is given."                                                          \
    }

static const struct config_setting span_rows[] = {
    {ROW("--name", CONFIG_STRING, name), .help = "The span's name."},
    {ROW("--request", CONFIG_STRING, request),
     .help = "The request's id: all spans of a trace of which one has it as "
             "microtrace.request_id."},
    {ROW("--trace", CONFIG_STRING, trace), .help = "The trace's id."},
    PAIRS("--attr", "An attribute of the span, or else of its resource." VALUES),
    {ROW("--status", CONFIG_STRING, status),
     .help = "unset, ok or error; error:TEXT for its message, too."},
    COUNT_ROW,
    WITHIN_ROW,
};

static const struct config_setting log_rows[] = {
    {ROW("--message", CONFIG_STRING, message), .help = "The record's message."},
    {ROW("--level", CONFIG_STRING, level),
     .help = "Its level: DEBUG, INFO, WARNING, ERROR or CRITICAL."},
    {ROW("--request", CONFIG_STRING, request), .help = "The request's id."},
    {ROW("--trace", CONFIG_STRING, trace), .help = "The trace's id."},
    PAIRS("--field", "A field of the record, name too, or else of its resource." VALUES),
    COUNT_ROW,
    WITHIN_ROW,
};

#undef WITHIN_ROW
#undef COUNT_ROW
#undef VALUES
#undef PAIRS
#undef ROW

static const struct options_switch record_switches[] = {
    {"--none", offsetof(struct record_values, none),
     "There is no such record: looks once, since what was written before is there to be read."},
    {NULL, 0, NULL},
};

#define PRINTS                                                                                     \
    "and prints the newest one as a line of JSON, with --count all of them. Exits with 1 if none " \
    "comes, and shows which one came nearest and how it differs."

static uint64_t given;

static const struct options_table span_options = {
    .command = "microtrace expect span",
    .operands = "",
    .summary = "Waits for a span that matches the options, delivered or not, " PRINTS,
    .rows = span_rows,
    .row_count = sizeof(span_rows) / sizeof(span_rows[0]),
    .switches = record_switches,
    .state = instance_choose,
    .given = &given,
};

static const struct options_table log_options = {
    .command = "microtrace expect log",
    .operands = "",
    .summary = "Waits for a log record that matches the options, delivered or not, " PRINTS,
    .rows = log_rows,
    .row_count = sizeof(log_rows) / sizeof(log_rows[0]),
    .switches = record_switches,
    .state = instance_choose,
    .given = &given,
};

#undef PRINTS

/* In lower case, as records have it. Returns 0, or -1 if it is no trace id. */
static int make_trace(char out[EXPECT_MATCH_TRACE_ID + 1], const char *text)
{
    if (strlen(text) != EXPECT_MATCH_TRACE_ID)
        return -1;
    for (size_t i = 0; i < EXPECT_MATCH_TRACE_ID; i++) {
        if (text_hex_digit(text[i]) < 0)
            return -1;
        out[i] = text[i] <= '9' ? text[i] : (char)(text[i] | 0x20);
    }
    out[EXPECT_MATCH_TRACE_ID] = '\0';
    return 0;
}

/* Adds a condition unless it has no value. */
static void add(struct expect_match *match, enum expect_match_kind kind, const char *shown,
                const char *key, const char *value)
{
    if (value != NULL)
        (void)expect_match_add(match, (struct expect_condition){kind, shown, key, value});
}

/* The key is a copy of its own, and what a message calls it stands before it. */
static int add_pairs(struct expect_match *match, enum expect_match_kind kind,
                     const struct pairs *pairs)
{
    static char texts[PAIRS_MAX][SHOWN_MAX];
    const char *const word = kind == EXPECT_MATCH_ATTRIBUTE ? "attr " : "field ";

    for (size_t i = 0; i < pairs->count; i++) {
        const char *const equals = strchr(pairs->items[i], '=');

        if (snprintf(texts[i], SHOWN_MAX, "%s%.*s", word, (int)(equals - pairs->items[i]),
                     pairs->items[i]) >= SHOWN_MAX)
            return -1;
        add(match, kind, texts[i], texts[i] + strlen(word), equals + 1);
    }
    return 0;
}

static int add_status(struct expect_match *match, const char *status)
{
    static const char *const words[] = {"unset", "ok", "error"};

    for (size_t i = 0; status != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        const size_t len = strlen(words[i]);

        if (strncmp(status, words[i], len) != 0 || (status[len] != '\0' && status[len] != ':'))
            continue;
        add(match, EXPECT_MATCH_MEMBER, "status", "status", words[i]);
        if (status[len] == ':')
            add(match, EXPECT_MATCH_MEMBER, "status message", "status_message", status + len + 1);
        return 0;
    }
    return status == NULL ? 0 : -1;
}

static int run_records(const struct options_table *table, enum spool_signal signal,
                       const struct record_values *values, struct expect_match *match)
{
    const bool none = values->none || values->count == 0;
    const bool within_given = (given >> (table->row_count - 1) & 1) != 0;

    if (values->none && values->count != EXPECT_RECORDS_ANY) {
        printable_error("%s: only one of --count and --none can be chosen", table->command);
        return COMMAND_USAGE;
    }
    return expect_records_run(&(const struct expect_records_options){
        .command = table->command,
        .signal = signal,
        .match = match,
        .count = none ? 0 : values->count,
        .within_ns = none && !within_given ? 0 : seconds_ns(values->within),
    });
}

static const char a_trace[] = "a trace id, 32 hexadecimal digits";
static const char a_key[] = "keys of up to 100 bytes";

static int span(int argc, char **argv)
{
    static struct expect_match match;
    struct record_values values = {.count = EXPECT_RECORDS_ANY};
    const int result = options_read(&span_options, &values, &argc, &argv);
    const char *const command = span_options.command;
    char trace[EXPECT_MATCH_TRACE_ID + 1];

    if (result != OPTIONS_GO)
        return result;
    if (values.trace != NULL && make_trace(trace, values.trace) != 0)
        return usage(command, "--trace", values.trace, a_trace);
    add(&match, EXPECT_MATCH_MEMBER, "name", "name", values.name);
    add(&match, EXPECT_MATCH_REQUEST, "request", "microtrace.request_id", values.request);
    add(&match, EXPECT_MATCH_MEMBER, "trace", "trace_id", values.trace != NULL ? trace : NULL);
    if (add_pairs(&match, EXPECT_MATCH_ATTRIBUTE, &values.pairs) != 0)
        return usage(command, "--attr", values.pairs.items[0], a_key);
    if (add_status(&match, values.status) != 0)
        return usage(command, "--status", values.status, "unset, ok, error or error:TEXT");
    return run_records(&span_options, SPOOL_TRACES, &values, &match);
}

const struct command command_expect_span = {&span_options, span};

static int log_command(int argc, char **argv)
{
    static struct expect_match match;
    struct record_values values = {.count = EXPECT_RECORDS_ANY};
    const int result = options_read(&log_options, &values, &argc, &argv);
    const char *const command = log_options.command;
    char trace[EXPECT_MATCH_TRACE_ID + 1];
    enum log_level level;

    if (result != OPTIONS_GO)
        return result;
    if (values.trace != NULL && make_trace(trace, values.trace) != 0)
        return usage(command, "--trace", values.trace, a_trace);
    if (values.level != NULL && log_level_parse(values.level, &level) != 0)
        return usage(command, "--level", values.level, "DEBUG, INFO, WARNING, ERROR or CRITICAL");
    add(&match, EXPECT_MATCH_MEMBER, "message", "message", values.message);
    add(&match, EXPECT_MATCH_LEVEL, "level", "levelname", values.level);
    add(&match, EXPECT_MATCH_MEMBER, "request", "request_id", values.request);
    add(&match, EXPECT_MATCH_MEMBER, "trace", "trace_id", values.trace != NULL ? trace : NULL);
    if (add_pairs(&match, EXPECT_MATCH_FIELD, &values.pairs) != 0)
        return usage(command, "--field", values.pairs.items[0], a_key);
    return run_records(&log_options, SPOOL_LOGS, &values, &match);
}

const struct command command_expect_log = {&log_options, log_command};
