#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {"metrics", "[--json]", "Print what the metrics file holds, as a table or as JSON.",
     command_metrics},
    {"breaker", "status|open|close|reset",
     "Print or set the state of the downstream breaker, for all processes; open lasts until close.",
     command_breaker},
    {"spool", "status [--rate] [--json]",
     "Print the spool's backlog, where the agent stands, the books, and what is wrong (exit 1).",
     command_spool},
    {"spool", "tail [--signal traces|logs] [--trace ID] [--request ID] [-n N] [--no-follow]",
     "Print the last 10 (N) records in a readable form, and those to come.", command_spool},
    {"spool", "verify", "Read all of the spool and say what is no good record (exit 1).",
     command_spool},
    {"chaos",
     "on|off|reset|status [--probability P] [--delay-ms LOW-HIGH] [--error-rate R] "
     "[--abort-rate R] [--seed N]",
     "Inject faults in all processes (on: 0.05, 100-200, 0, 0, drawn unless given), stop it, give "
     "it back to the environment, or print what holds.",
     command_chaos},
    {"load",
     "[--url URL] [--rate N] [--concurrency N] [--mix SHARE] [--shape flat|daily] [--period S] "
     "[--count N] [--duration S] [--timeout S] [--json]",
     "Send requests to an instance, at a rate and with a share of bad ones, and sum up; more by "
     "--help.",
     command_load},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int print_help(void)
{
    printf("Usage: microtrace COMMAND [ARGUMENTS]\n"
           "Looks at and steers one instance of MicroTrace.\n"
           "\n"
           "Commands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %s %s\n      %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    printf("\n"
           "Options:\n"
           "  --help     print this\n"
           "  --version  print the version\n"
           "\n"
           "Environment:\n"
           "  MICROTRACE_RUN_DIR    directory of the metrics file (/run/microtrace)\n"
           "  MICROTRACE_SPOOL_DIR  directory of the spool (/var/spool/microtrace)\n");
    return COMMAND_OK;
}

int main(int argc, char **argv)
{
    /* A limit on file sizes is an error of the write. */
    (void)signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        (void)fprintf(stderr, "microtrace: a command is missing; see microtrace --help\n");
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0) {
        printf("microtrace %s\n", MICROTRACE_VERSION);
        return COMMAND_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            const int status = commands[i].run(argc - 1, argv + 1);

            /* A full disk or a closed pipe shows only when the buffered text goes out. */
            if (fflush(stdout) != 0 || ferror(stdout)) {
                (void)fprintf(stderr, "microtrace: the output could not be written\n");
                return COMMAND_FAILED;
            }
            return status;
        }
    }
    (void)fprintf(stderr, "microtrace: unknown command or option %s; see microtrace --help\n",
                  argv[1]);
    return COMMAND_USAGE;
}
