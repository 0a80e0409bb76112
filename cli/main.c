/*
 * microtrace: the operator's and the shell script's command.
 */
#include "cli/command.h"
#include "cli/instance.h"
#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/printable.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */ /* one a line, however many there are */
static const struct command *const commands[] = {
    &command_run,
    &command_span,
    &command_log,
    &command_count,
    &command_observe,
    &command_gauge,
    &command_metrics,
    &command_view,
    &command_top,
    &command_spool_status,
    &command_spool_tail,
    &command_spool_verify,
    &command_expect_metric,
    &command_expect_span,
    &command_expect_log,
    &command_breaker,
    &command_chaos,
    &command_load,
    &command_setup,
    &command_cron,
    &command_doctor,
    NULL,
};
/* clang-format on */

enum { INDENT = 6, SENTENCE_MAX = 512 };

/* Without the program's. */
static const char *name_of(const struct command *command)
{
    return command->options->command + sizeof("microtrace ") - 1;
}

/* Whether the command's first word of several is that group. */
static bool is_in(const struct command *command, const char *group)
{
    const size_t length = strlen(group);

    return strncmp(name_of(command), group, length) == 0 && name_of(command)[length] == ' ';
}

/* What a command does, in one sentence: the rest is in its own --help. */
static void print_first_sentence(const char *summary)
{
    const char *const end = strstr(summary, ". ");
    const size_t length = end != NULL ? (size_t)(end + 1 - summary) : strlen(summary);
    char sentence[SENTENCE_MAX];

    (void)snprintf(sentence, sizeof(sentence), "%.*s", (int)length, summary);
    options_print_wrapped(stdout, INDENT, sentence);
}

/* Of a group of commands, or of all. */
static int print_help(const char *group)
{
    printf("Usage: microtrace %s%sCOMMAND [ARGUMENT]...\n"
           "Writes telemetry from scripts; shows and controls an instance of MicroTrace.\n"
           "\n"
           "Commands:\n",
           group != NULL ? group : "", group != NULL ? " " : "");
    for (const struct command *const *at = commands; *at != NULL; at++) {
        if (group != NULL && !is_in(*at, group))
            continue;
        printf("  %s%s%s\n", name_of(*at), (*at)->options->operands[0] != '\0' ? " " : "",
               (*at)->options->operands);
        print_first_sentence((*at)->options->summary);
    }
    printf("\n"
           "For the options of a command: microtrace help COMMAND\n"
           "\n"
           "Options:\n"
           "  --state DIR  the instance in DIR, which has run/ and spool/\n"
           "  --help       print this\n"
           "  --version    print the version\n");
    return COMMAND_OK;
}

static int print_version(void)
{
    printf("microtrace %s\n", MICROTRACE_VERSION);
    return COMMAND_OK;
}

/* How many of the words at argv are the command's name; 0 if it is another. */
static int words_of(const char *name, int argc, char **argv)
{
    int words = 0;

    for (;;) {
        const size_t length = strcspn(name, " ");

        if (words == argc || strlen(argv[words]) != length ||
            strncmp(argv[words], name, length) != 0)
            return 0;
        words++;
        if (name[length] == '\0')
            return words;
        name += length + 1;
    }
}

static const struct command *find(int argc, char **argv, int *words)
{
    for (const struct command *const *at = commands; *at != NULL; at++) {
        if ((*words = words_of(name_of(*at), argc, argv)) > 0)
            return *at;
    }
    return NULL;
}

static int unknown(int argc, char **argv)
{
    char names[256] = "";
    size_t used = 0;

    for (const struct command *const *at = commands; *at != NULL; at++) {
        if (is_in(*at, argv[0]) && used < sizeof(names))
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                     used > 0 ? ", " : "", name_of(*at) + strlen(argv[0]) + 1);
    }
    if (used > 0 && argc == 2 && strcmp(argv[1], "--help") == 0)
        return print_help(argv[0]);
    if (used > 0 && argc == 2 && strcmp(argv[1], "--version") == 0)
        return print_version();
    if (used > 0)
        printable_error("microtrace %s: one of %s is expected%s%s; see microtrace --help", argv[0],
                        names, argc > 1 ? ", not " : "", argc > 1 ? argv[1] : "");
    else
        printable_error("microtrace: unknown command or option %s; see microtrace --help", argv[0]);
    return COMMAND_USAGE;
}

static int help(int argc, char **argv)
{
    const struct command *command;
    int words;

    if (argc == 0)
        return print_help(NULL);
    for (const struct command *const *at = commands; argc == 1 && *at != NULL; at++) {
        if (is_in(*at, argv[0]))
            return print_help(argv[0]);
    }
    command = find(argc, argv, &words);
    if (command == NULL || words != argc)
        return unknown(argc, argv);
    options_print_help(stdout, command->options);
    return COMMAND_OK;
}

static int run(int argc, char **argv)
{
    static const char state[] = "--state=";
    const struct command *command;
    int words;

    if (strcmp(argv[0], "--state") == 0 && argc > 2) {
        instance_set_state(argv[1]);
        return run(argc - 2, argv + 2);
    }
    if (strncmp(argv[0], state, sizeof(state) - 1) == 0 && argc > 1) {
        instance_set_state(argv[0] + sizeof(state) - 1);
        return run(argc - 1, argv + 1);
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "help") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(argv[0], "--version") == 0)
        return print_version();
    command = find(argc, argv, &words);
    return command != NULL ? command->run(argc - words + 1, argv + words - 1) : unknown(argc, argv);
}

static void warn(const char *message)
{
    printable_error("microtrace: %s", message);
}

int main(int argc, char **argv)
{
    int status;

    descriptor_reserve_standard();
    /* A limit on file sizes is an error of the write. */
    (void)signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        printable_error("microtrace: a command is missing; see microtrace --help");
        return COMMAND_USAGE;
    }
    config_names_check(warn);
    status = run(argc - 1, argv + 1);
    /* A full disk or a closed pipe shows only when the buffered text goes out. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        printable_error("microtrace: the output could not be written");
        return COMMAND_FAILED;
    }
    return status;
}
