#include "cli/command.h"

#include "cli/instance.h"
#include "cli/metrics_json.h"
#include "cli/metrics_selection.h"
#include "cli/metrics_table.h"
#include "lib/base/printable.h"
#include "lib/metrics/exposition.h"
#include "lib/metrics/reader.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* As the agent serves it. */
/* A program gets the formats' own bytes; a terminal none that it obeys. */
static void write_text(const char *text, size_t len)
{
    if (!isatty(STDOUT_FILENO)) {
        (void)fwrite(text, 1, len, stdout);
        return;
    }
    for (const char *end; (end = memchr(text, '\n', len)) != NULL; text = end + 1) {
        len -= (size_t)(end + 1 - text);
        printable_write(stdout, text, (size_t)(end - text));
        (void)putchar('\n');
    }
}

static int print_text(const struct metrics_reader *reader, enum exposition_format format)
{
    struct exposition out;
    int result;

    exposition_begin(&out, format);
    out.wanted = metrics_selection_has;
    exposition_reader(&out, reader);
    result = exposition_end(&out);
    if (result == 0)
        write_text(out.text, out.len);
    exposition_free(&out);
    return result;
}

struct values {
    bool json, prometheus, openmetrics;
};

static const struct options_switch switches[] = {
    {"--json", offsetof(struct values, json), "Print JSON for programs."},
    {"--prometheus", offsetof(struct values, prometheus),
     "Print the text that the agent serves (format 0.0.4), for node_exporter's textfile "
     "collector."},
    {"--openmetrics", offsetof(struct values, openmetrics),
     "The same in OpenMetrics 1.0, with exemplars."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace metrics",
    .operands = "[NAME]...",
    .summary = "Prints the metrics in the metrics file, without the agent: all of them, or those "
               "called NAME. NAME may be a pattern such as 'requests*'.",
    .switches = switches,
    .state = instance_choose,
};

static int print(const struct metrics_reader *reader, const struct values *values)
{
    if (values->prometheus)
        return print_text(reader, EXPOSITION_PROMETHEUS);
    if (values->openmetrics)
        return print_text(reader, EXPOSITION_OPENMETRICS);
    if (!values->json)
        return metrics_table_print(reader);
    metrics_json_print(reader);
    return 0;
}

static int read_and_print(struct metrics_reader *reader, const struct values *values)
{
    static const char *const none[] = {NULL};
    const bool text = values->prometheus || values->openmetrics;
    const char *unmatched;

    if (reader == NULL) {
        printable_error("microtrace metrics: out of memory");
        return COMMAND_FAILED;
    }
    if (metrics_reader_refresh(reader) != 0) {
        printable_error("microtrace metrics: %s%s", metrics_reader_problem(reader),
                        instance_hint(metrics_reader_state(reader) == METRICS_FILE_MISSING));
        return COMMAND_FAILED;
    }
    /* A misspelled name would pass for a metric without series. */
    unmatched = metrics_selection_unmatched(reader, text ? exposition_own_names : none);
    if (unmatched != NULL) {
        printable_error("microtrace metrics: %s/" METRICS_FILE_NAME " has no metric %s",
                        instance_run_dir(), unmatched);
        return COMMAND_FAILED;
    }
    if (print(reader, values) == 0 && !metrics_reader_lost(reader))
        return COMMAND_OK;
    /* Zeros that were read from a file cut off meanwhile must not pass for values. */
    printable_error("microtrace metrics: %s/" METRICS_FILE_NAME ": %s", instance_run_dir(),
                    metrics_reader_lost(reader) ? "truncated while read" : "out of memory");
    return COMMAND_FAILED;
}

static int run(int argc, char **argv)
{
    struct values values = {.json = false};
    struct metrics_reader *reader;
    int status = options_read(&options, &values, &argc, &argv);

    if (status != OPTIONS_GO)
        return status;
    if (values.json + values.prometheus + values.openmetrics > 1) {
        printable_error("microtrace metrics: only one of --json, --prometheus and "
                        "--openmetrics can be chosen");
        return COMMAND_USAGE;
    }
    metrics_selection_set(argv, (size_t)argc);
    reader = metrics_reader_open(instance_run_dir());
    status = read_and_print(reader, &values);
    metrics_reader_close(reader);
    return status;
}

const struct command command_metrics = {&options, run};
