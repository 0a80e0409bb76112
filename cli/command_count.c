/* count, observe and gauge: what scripts add to the metrics that all processes share. */
#include "cli/command.h"
#include "cli/emit.h"
#include "cli/emit_metric.h"
#include "lib/base/printable.h"
#include "lib/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* As far as the numbers of /metrics are exact; what is negative elsewhere would turn a counter
 * over. */
static const uint64_t count_max = UINT64_C(1) << 53;

#define ROW(option, kind, member)                                                                  \
    .name = option, .type = kind, .offset = offsetof(struct emit_metric, member)

#define LABEL_ROWS                                                                                 \
    {ROW("--label", CONFIG_OTHER, labels), .parse = emit_pairs_parse,                              \
     .takes = "KEY=VALUE, at most 8 of them", .help = "A label. May be given several times."},     \
        {ROW("--help-text", CONFIG_STRING, help),                                                  \
         .help = "One sentence that says what it is. That of its first declaration stays."},       \
    {                                                                                              \
        ROW("--unit", CONFIG_STRING, unit),                                                        \
            .help = "Its unit, which the name ends in: seconds, bytes."                            \
    }

static const struct config_setting rows[] = {LABEL_ROWS};

static const struct config_setting observe_rows[] = {
    LABEL_ROWS,
    {ROW("--buckets", CONFIG_OTHER, buckets), .parse = emit_buckets_parse,
     .takes = "ascending numbers with commas, at most 64",
     .help = "Upper bounds of the buckets of a new histogram. Unless given, 1024 to 1.7e10 if the "
             "name ends in _bytes, and "
             "else 0.0001 to 10, for seconds."},
};

#define LOSSES "Never fails a script: a problem is reported, and the exit status is 0."

static const struct options_table count_options = {
    .command = "microtrace count",
    .operands = "NAME [N]",
    .summary = "Adds N, or 1, to a counter. The counter's name ends in _total; it sums up all "
               "processes that ever counted. " LOSSES,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .numbers = true,
    .state = emit_choose,
};

static const struct options_table observe_options = {
    .command = "microtrace observe",
    .operands = "NAME VALUE",
    .summary = "Adds one observation to a histogram. If the histogram exists, its unit and buckets "
               "need not be given. " LOSSES,
    .rows = observe_rows,
    .row_count = sizeof(observe_rows) / sizeof(observe_rows[0]),
    .numbers = true,
    .state = emit_choose,
};

static const struct options_table gauge_options = {
    .command = "microtrace gauge",
    .operands = "NAME VALUE",
    .summary =
        "Sets a gauge to VALUE. The gauge keeps the last value that any process set. " LOSSES,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .numbers = true,
    .state = emit_choose,
};

/* A decimal number: no blanks, no hexadecimal, no infinity. */
static int parse_number(const char *text, double *value)
{
    char *end;

    if (text[strspn(text, "0123456789.eE+-")] != '\0')
        return -1;
    errno = 0;
    *value = strtod(text, &end);
    /* Too small for a double is as good as what it becomes. */
    return end != text && *end == '\0' && isfinite(*value) ? 0 : -1;
}

/* What `run` of the three has in common. The value is an operand, but that of a counter may lack.
 */
static int emit_value(const struct options_table *options, enum metrics_kind kind, int argc,
                      char **argv)
{
    static struct emit_metric metric;
    const int result = options_read(options, &metric, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    if (argc == 0 || (argc == 1 && kind != METRICS_COUNTER)) {
        printable_error("%s: %s is missing; see %s --help", options->command,
                        argc == 0 ? "NAME" : "VALUE", options->command);
        return COMMAND_USAGE;
    }
    if (argc > 2)
        return options_unknown(options->command, argv[2]);
    metric.kind = kind;
    metric.name = argv[0];
    metric.count = 1;
    if (kind == METRICS_COUNTER && argc == 2 &&
        (text_parse_uint(text_of(argv[1]), &metric.count) != 0 || metric.count > count_max)) {
        printable_error("%s: N: \"%s\" can't be used; it takes a whole number from 0 to %" PRIu64,
                        options->command, argv[1], count_max);
        return COMMAND_USAGE;
    }
    if (kind != METRICS_COUNTER && parse_number(argv[1], &metric.value) != 0) {
        printable_error("%s: VALUE: \"%s\" can't be used; it takes a decimal number",
                        options->command, argv[1]);
        return COMMAND_USAGE;
    }
    if (emit_metric_check(&metric, options->command) != 0)
        return COMMAND_USAGE;
    emit_metric_add(&metric, options->command);
    return COMMAND_OK;
}

static int run_count(int argc, char **argv)
{
    return emit_value(&count_options, METRICS_COUNTER, argc, argv);
}

static int run_observe(int argc, char **argv)
{
    return emit_value(&observe_options, METRICS_HISTOGRAM, argc, argv);
}

static int run_gauge(int argc, char **argv)
{
    return emit_value(&gauge_options, METRICS_GAUGE, argc, argv);
}

const struct command command_count = {&count_options, run_count};
const struct command command_observe = {&observe_options, run_observe};
const struct command command_gauge = {&gauge_options, run_gauge};
