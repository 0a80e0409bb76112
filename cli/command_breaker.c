#include "cli/command.h"

#include "cli/instance.h"
#include "lib/base/clock.h"
#include "lib/base/json_writer.h"
#include "lib/base/printable.h"
#include "lib/control/breaker.h"
#include "lib/metrics/words.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { JSON_MAX = 512 };

struct values {
    bool json;
};

/* Reads the word without writing anything, not even a file if there is none. */
static int read_status(struct breaker_status *status)
{
    struct metrics_words_file file;
    char path[PATH_MAX];
    enum metrics_file_state state;

    (void)snprintf(path, sizeof(path), "%s/" METRICS_FILE_NAME, instance_run_dir());
    state = metrics_words_open(&file, path, false);
    if (state != METRICS_FILE_OK) {
        printable_error("microtrace breaker: %s: %s%s", path, metrics_file_state_text(state),
                        instance_hint(state == METRICS_FILE_MISSING));
        return -1;
    }
    *status = breaker_look(&file.words);
    metrics_words_close(&file);
    return 0;
}

/* Seconds since it opened; -1 if it is closed. A time from before a reboot is not known either. */
static double since(const struct breaker_status *status)
{
    const double seconds = (double)(int64_t)(clock_monotonic_ms() - status->since_ms) / 1000;

    return status->state != BREAKER_CLOSED && seconds >= 0 ? seconds : -1;
}

static void print_people(const struct breaker_status *status)
{
    printf("%s", breaker_state_names[status->state]);
    if (status->state == BREAKER_OPEN && status->forced)
        printf(", by hand, until microtrace breaker close");
    else if (status->state == BREAKER_HALF_OPEN)
        printf(", a probe under way");
    if (since(status) >= 0)
        printf(", for %.1f s", since(status));
    if (!status->forced)
        printf(", %u failure%s in a row", status->failures, status->failures == 1 ? "" : "s");
    if (status->damaged)
        printf("; its words are damaged: microtrace breaker reset mends them");
    printf("\n");
}

static void print_json(const struct breaker_status *status)
{
    char text[JSON_MAX];
    struct json_writer w;

    json_writer_init(&w, text, sizeof(text));
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "state", breaker_state_names[status->state]);
    json_writer_key_bool(&w, "by_hand", status->forced);
    json_writer_key(&w, "seconds");
    if (since(status) >= 0)
        json_writer_double(&w, since(status));
    else
        json_writer_null(&w);
    json_writer_key_uint(&w, "failures", status->failures);
    json_writer_key_bool(&w, "damaged", status->damaged);
    json_writer_end_object(&w);
    printf("%.*s\n", (int)w.len, text);
}

static int print_status(const struct values *values)
{
    struct breaker_status status;

    if (read_status(&status) != 0)
        return COMMAND_FAILED;
    if (values->json)
        print_json(&status);
    else
        print_people(&status);
    return COMMAND_OK;
}

static int change(void (*act)(struct breaker *breaker), const struct values *values)
{
    struct breaker_status status;
    struct breaker breaker = {.words = NULL};
    struct metrics *metrics;
    int result = COMMAND_FAILED;

    if (read_status(&status) != 0)
        return COMMAND_FAILED;
    metrics = metrics_open(instance_run_dir(), 0);
    if (metrics == NULL) {
        printable_error("microtrace breaker: out of memory");
    } else if (metrics_problem(metrics) != NULL) {
        printable_error("microtrace breaker: %s", metrics_problem(metrics));
    } else {
        breaker_attach(&breaker, metrics);
        act(&breaker);
        result = COMMAND_OK;
    }
    metrics_close(metrics);
    return result == COMMAND_OK ? print_status(values) : result;
}

static void open_now(struct breaker *breaker)
{
    breaker_force_open(breaker, clock_monotonic_ms());
}

static const struct options_switch switches[] = {
    {"--json", offsetof(struct values, json), "Print the state as JSON."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace breaker",
    .operands = "status|open|close|reset",
    .summary = "Shows or sets the state of the downstream breaker, for all processes of the "
               "instance. A breaker that was opened by hand stays open until it is closed by hand.",
    .switches = switches,
    .state = instance_choose,
};

static int run(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*act)(struct breaker *breaker);
    } actions[] = {{"open", open_now}, {"close", breaker_close}, {"reset", breaker_reset}};
    struct values values = {.json = false};
    const int result = options_read(&options, &values, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    if (argc == 0) {
        printable_error("microtrace breaker: one of status, open, close, reset is missing");
        return COMMAND_USAGE;
    }
    if (argc > 1)
        return options_unknown(options.command, argv[1]);
    if (strcmp(argv[0], "status") == 0)
        return print_status(&values);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(argv[0], actions[i].name) == 0)
            return change(actions[i].act, &values);
    }
    return options_unknown(options.command, argv[0]);
}

const struct command command_breaker = {&options, run};
