#include "cli/command.h"

#include "cli/options.h"
#include "cli/spool_print.h"
#include "cli/spool_status.h"
#include "cli/spool_tail.h"
#include "cli/spool_verify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int status(int argc, char **argv)
{
    static const struct options_switch switches[] = {
        {"--json", offsetof(struct spool_status_options, json)},
        {"--rate", offsetof(struct spool_status_options, rate)},
        {NULL, 0},
    };
    struct spool_status_options options = {.json = false};
    const int bad = options_read("spool status", NULL, 0, switches, &options, argc - 1, argv + 1);

    return bad != COMMAND_OK ? bad : spool_status_run(&options);
}

static int bad_value(const char *option, const char *value, const char *accepted)
{
    if (value == NULL)
        (void)fprintf(stderr, "microtrace spool tail: %s needs a value: %s\n", option, accepted);
    else
        (void)fprintf(stderr, "microtrace spool tail: %s %s: it has to be %s\n", option, value,
                      accepted);
    return COMMAND_USAGE;
}

static bool read_signal(const char *value, enum spool_signal *signal)
{
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        if (value != NULL && strcmp(value, spool_signal_names[i]) == 0) {
            *signal = (enum spool_signal)i;
            return true;
        }
    }
    return false;
}

static bool read_count(const char *value, size_t *count)
{
    char *end;
    unsigned long number;

    if (value == NULL || value[0] < '0' || value[0] > '9')
        return false;
    errno = 0;
    number = strtoul(value, &end, 10);
    if (errno != 0 || *end != '\0' || number > SPOOL_TAIL_LAST_MAX)
        return false;
    *count = number;
    return true;
}

static bool is_trace_id(const char *value)
{
    return value != NULL && strlen(value) == SPOOL_PRINT_TRACE_ID &&
           strspn(value, "0123456789abcdef") == SPOOL_PRINT_TRACE_ID;
}

static bool is_request_id(const char *value)
{
    return value != NULL && value[0] != '\0' && strlen(value) < SPOOL_PRINT_ID_MAX;
}

static int tail(int argc, char **argv)
{
    struct spool_tail_options options = {.signal = SPOOL_LOGS, .last = 10, .follow = true};

    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(option, "--no-follow") == 0) {
            options.follow = false;
            continue;
        }
        if (strcmp(option, "--signal") == 0) {
            if (!read_signal(value, &options.signal))
                return bad_value(option, value, "traces or logs");
        } else if (strcmp(option, "--trace") == 0) {
            if (!is_trace_id(value))
                return bad_value(option, value, "a trace id, 32 lower-case hexadecimal digits");
            options.trace = value;
        } else if (strcmp(option, "--request") == 0) {
            if (!is_request_id(value))
                return bad_value(option, value, "a request id");
            options.request = value;
        } else if (strcmp(option, "-n") == 0) {
            if (!read_count(value, &options.last))
                return bad_value(option, value, "a number of lines up to 1000000");
        } else {
            return options_unknown("spool tail", option);
        }
        i++;
    }
    return spool_tail_run(&options);
}

static int verify(int argc, char **argv)
{
    if (argc > 1)
        return options_unknown("spool verify", argv[1]);
    return spool_verify_run();
}

int command_spool(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } actions[] = {{"status", status}, {"tail", tail}, {"verify", verify}};

    if (argc < 2) {
        (void)fprintf(stderr, "microtrace spool: one of status, tail, verify is missing; see "
                              "microtrace --help\n");
        return COMMAND_USAGE;
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(argv[1], actions[i].name) == 0)
            return actions[i].run(argc - 1, argv + 1);
    }
    return options_unknown(argv[0], argv[1]);
}
