#include "cli/command.h"
#include "cli/emit.h"
#include "cli/instance.h"
#include "lib/base/printable.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 256,
    MESSAGE_MAX_BYTES = 32768, /* with six bytes for each, it fits into a record */
};

struct log_options {
    int level; /* enum log_level */
    const char *name;
    struct emit_pairs fields;
};

static const struct config_setting rows[] = {
    {.name = "--level",
     .type = CONFIG_LEVEL,
     .offset = offsetof(struct log_options, level),
     .fallback = "INFO",
     .help = "Severity. Lines below LOG_LEVEL are not kept."},
    {.name = "--name",
     .type = CONFIG_STRING,
     .offset = offsetof(struct log_options, name),
     .fallback = "microtrace.shell",
     .help = "The logger: what writes it, such as backup.database."},
    {.name = "--field",
     .type = CONFIG_OTHER,
     .offset = offsetof(struct log_options, fields),
     .parse = emit_pairs_parse,
     .takes = EMIT_PAIRS_TAKE,
     .help = "A field of the line, a text. May be given several times."},
};

static const struct options_table options = {
    .command = "microtrace log",
    .operands = "MESSAGE",
    .summary = "Writes one log line, tied to the span that TRACEPARENT names. Its service is "
               "OTEL_SERVICE_NAME, or microtrace. Never fails a script: a line that can't be "
               "written is counted and reported, and the exit status is 0.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .state = emit_choose,
};

/* "message" is written as "field.message", so only one of the two can be in a line. */
static bool is_taken(const struct emit_pairs *fields, const char *key)
{
    static const char prefix[] = "field.";

    return strncmp(key, prefix, sizeof(prefix) - 1) == 0 &&
           log_has_member(key + sizeof(prefix) - 1) &&
           emit_pairs_find(fields, key + sizeof(prefix) - 1) != NULL;
}

static void write_line(const struct log_options *line, const char *text)
{
    struct attribute fields[EMIT_PAIRS_MAX];
    char name[NAME_MAX_BYTES], *message;
    struct trace_context parent;
    struct log_context context = {.request_id = emit_request_id()};
    struct emit emit;
    size_t count = 0;

    for (size_t i = 0; i < line->fields.count; i++) {
        if (!is_taken(&line->fields, line->fields.at[i].key))
            fields[count++] = attribute_string(line->fields.at[i].key, line->fields.at[i].value);
    }
    emit_name(name, sizeof(name), line->name);
    message = strndup(text, MESSAGE_MAX_BYTES);
    emit_open(&emit);
    if (message != NULL && emit.telemetry != NULL) {
        if (emit_parent(&emit, &parent))
            context.trace = &parent;
        telemetry_log(emit.telemetry, (enum log_level)line->level, name, message, &context, fields,
                      count);
    }
    emit_close(&emit);
    free(message);
}

static int run(int argc, char **argv)
{
    static struct log_options line;
    const int result = options_read(&options, &line, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    if (argc != 1) {
        printable_error("microtrace log: one MESSAGE is expected, in quotes; see %s --help",
                        options.command);
        return COMMAND_USAGE;
    }
    write_line(&line, argv[0]);
    return COMMAND_OK;
}

const struct command command_log = {&options, run};
