/*
 * The commands of `microtrace`: each is one file with one entry, listed in the table of main.c.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "lib/base/options.h"

enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1, /* the world is not as the command needs it; said on stderr */
    COMMAND_USAGE = 2,  /* the command line is off; said on stderr */
};

struct command {
    const struct options_table *options; /* its name and its help are in there */
    /* argv[0] is the command's last word. Returns one of the above. */
    int (*run)(int argc, char **argv);
};

/* What the metrics file holds, without the agent. */
extern const struct command command_metrics;

/* What the spool holds, where the agent stands, and what is wrong in it. */
extern const struct command command_spool_status, command_spool_tail, command_spool_verify;

/* Traces with their log lines, for eyes. */
extern const struct command command_view;

/* How an instance does, live. */
extern const struct command command_top;

/* Assertions for tests: waits for what an instance's files hold. */
extern const struct command command_expect_metric, command_expect_span, command_expect_log;

/* The state of the breaker that all processes share; faults on demand, for all processes. */
extern const struct command command_breaker, command_chaos;

/* What scripts emit: a program's run, a span, a log line, one update of a metric. */
extern const struct command command_run, command_span, command_log, command_count, command_observe,
    command_gauge;

/* What is wrong with an installation, and what mends it. */
extern const struct command command_doctor;

/* Synthetic load on an instance. */
extern const struct command command_load;

/* A host without root and without a daemon: its folders and files, and what its crontab runs. */
extern const struct command command_setup, command_cron;

#endif
