#include "cli/command.h"

#include "cli/instance.h"
#include "cli/spool_print.h"
#include "cli/spool_status.h"
#include "cli/spool_tail.h"
#include "cli/spool_verify.h"
#include "lib/base/printable.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* --- spool status --- */

static const struct options_switch status_switches[] = {
    {"--json", offsetof(struct spool_status_options, json), "Print JSON for programs."},
    {"--rate", offsetof(struct spool_status_options, rate),
     "Look twice, a second apart, for the rates."},
    {NULL, 0, NULL},
};

static const struct options_table status_options = {
    .command = "microtrace spool status",
    .operands = "",
    .summary = "Shows what waits in the spool, how sending goes, what became of all records, and "
               "what is wrong. Exits with 1 if anything is wrong.",
    .switches = status_switches,
    .state = instance_choose,
};

static int status(int argc, char **argv)
{
    struct spool_status_options values = {.json = false};
    const int result = options_read(&status_options, &values, &argc, &argv);

    return result != OPTIONS_GO ? result : spool_status_run(&values);
}

const struct command command_spool_status = {&status_options, status};

/* --- spool tail --- */

/* The options as they are typed. */
struct tail_values {
    int signal;
    const char *trace, *request;
    uint64_t last;
    bool no_follow, json;
};

static const char *const signals[] = {"traces", "logs", NULL};

#define ROW(option, kind, member)                                                                  \
    .name = option, .type = kind, .offset = offsetof(struct tail_values, member)

static const struct config_setting tail_rows[] = {
    {ROW("--signal", CONFIG_CHOICE, signal), .choices = signals, .fallback = "logs",
     .help = "Which records."},
    {ROW("--trace", CONFIG_STRING, trace), .help = "Only records of the trace with this id."},
    {ROW("--request", CONFIG_STRING, request), .help = "Only records of the request with this id."},
    {ROW("--lines", CONFIG_UINT, last), .max = SPOOL_TAIL_LAST_MAX, .fallback = "10",
     .help = "How many of the records that are there, the newest."},
};

#undef ROW

static const struct options_switch tail_switches[] = {
    {"--json", offsetof(struct tail_values, json),
     "Print each record as one line of JSON, as it stands in the spool."},
    {"--no-follow", offsetof(struct tail_values, no_follow),
     "Stop after the records that are there."},
    {NULL, 0, NULL},
};

static const struct options_table tail_options = {
    .command = "microtrace spool tail",
    .operands = "",
    .summary = "Prints the last records in a readable form, and new ones as they come.",
    .rows = tail_rows,
    .row_count = sizeof(tail_rows) / sizeof(tail_rows[0]),
    .switches = tail_switches,
    .letter = 'n',
    .letter_row = "--lines",
    .state = instance_choose,
};

static int bad_value(const char *option, const char *value, const char *accepted)
{
    printable_error("microtrace spool tail: %s: \"%s\" can't be used; it takes %s", option, value,
                    accepted);
    return COMMAND_USAGE;
}

static bool is_trace_id(const char *value)
{
    return strlen(value) == SPOOL_PRINT_TRACE_ID &&
           strspn(value, "0123456789abcdef") == SPOOL_PRINT_TRACE_ID;
}

static int tail(int argc, char **argv)
{
    struct tail_values values = {.trace = NULL};
    const int result = options_read(&tail_options, &values, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    if (values.trace != NULL && !is_trace_id(values.trace))
        return bad_value("--trace", values.trace, "a trace id, 32 lower-case hexadecimal digits");
    if (values.request != NULL &&
        (values.request[0] == '\0' || strlen(values.request) >= SPOOL_PRINT_ID_MAX))
        return bad_value("--request", values.request, "a request id");
    return spool_tail_run(&(const struct spool_tail_options){
        .signal = (enum spool_signal)values.signal,
        .trace = values.trace,
        .request = values.request,
        .last = (size_t)values.last,
        .follow = !values.no_follow,
        .json = values.json,
    });
}

const struct command command_spool_tail = {&tail_options, tail};

/* --- spool verify --- */

struct verify_values {
    bool json;
};

static const struct options_switch verify_switches[] = {
    {"--json", offsetof(struct verify_values, json),
     "Print JSON, a line for each damaged record and each signal."},
    {NULL, 0, NULL},
};

static const struct options_table verify_options = {
    .command = "microtrace spool verify",
    .operands = "",
    .summary = "Reads the whole spool and prints file and offset of each damaged record. Exits "
               "with 1 if there is one.",
    .switches = verify_switches,
    .state = instance_choose,
};

static int verify(int argc, char **argv)
{
    struct verify_values values = {.json = false};
    const int result = options_read(&verify_options, &values, &argc, &argv);

    return result != OPTIONS_GO ? result : spool_verify_run(values.json);
}

const struct command command_spool_verify = {&verify_options, verify};
