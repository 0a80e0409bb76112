#include "cli/command.h"
#include "cli/cron_agent.h"
#include "cli/instance.h"
#include "cli/textfile.h"
#include "lib/base/printable.h"

#include <stddef.h>

enum {
    WITHIN_MIN_S = 1,
    WITHIN_MAX_S = 3600,
};

struct values {
    const char *textfile;
    double within_s;
};

static const struct config_setting rows[] = {
    {.name = "--textfile",
     .type = CONFIG_STRING,
     .offset = offsetof(struct values, textfile),
     .help = "Then write the metrics to this file, whole or not at all, for node_exporter's "
             "textfile collector: its name has to end in .prom."},
    {.name = "--within",
     .type = CONFIG_DOUBLE,
     .offset = offsetof(struct values, within_s),
     .min = WITHIN_MIN_S,
     .max = WITHIN_MAX_S,
     .unit = CONFIG_UNIT_S,
     .fallback = "50",
     .help = "How long it may send. What is left then is sent the next time."},
};

static const struct options_table options = {
    .command = "microtrace cron",
    .operands = "",
    .summary = "Sends what is in the spool once and enforces the spool's limit, from a crontab, "
               "for hosts where no agent runs. It prints nothing while all is well. If another one "
               "or an agent is at work, it leaves the sending to that.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .state = instance_choose,
};

static int run(int argc, char **argv)
{
    struct values values = {.textfile = NULL};
    char reason[TEXTFILE_REASON_MAX];
    int status = options_read(&options, &values, &argc, &argv);

    if (status != OPTIONS_GO)
        return status;
    status = cron_agent_run(values.within_s) == 0 ? COMMAND_OK : COMMAND_FAILED;
    if (values.textfile != NULL &&
        textfile_write(instance_run_dir(), values.textfile, reason) != 0) {
        printable_error("microtrace cron: --textfile: %s", reason);
        return COMMAND_FAILED;
    }
    return status;
}

const struct command command_cron = {&options, run};
