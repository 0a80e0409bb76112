#include "cli/command.h"

#include "cli/instance.h"
#include "lib/base/config.h"
#include "lib/base/ids.h"
#include "lib/base/json_writer.h"
#include "lib/base/printable.h"
#include "lib/control/chaos.h"
#include "lib/metrics/words.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SEED_MAX = 1000000000, /* of those that are drawn: short enough to be typed again */
    JSON_MAX = 2048,
};

struct values {
    double probability;
    struct config_range delay_ms;
    double error_rate;
    double abort_rate;
    uint64_t seed;
    bool json;
};

#define OPTION(text, kind, member)                                                                 \
    .name = text, .type = kind, .offset = offsetof(struct values, member)

enum row { PROBABILITY, DELAY, ERROR_RATE, ABORT_RATE, SEED };

static const struct config_setting rows[] = {
    [PROBABILITY] = {OPTION("--probability", CONFIG_DOUBLE, probability), .max = 1,
                     .fallback = "0.05",
                     .help = "Share of the analyses that are delayed. With --error-rate or "
                             "--abort-rate alone nothing "
                             "is delayed."},
    [DELAY] = {OPTION("--delay-ms", CONFIG_RANGE, delay_ms), .unit = CONFIG_UNIT_MS,
               .max = CHAOS_CONTROL_DELAY_MAX_MS, .fallback = "100-200",
               .help = "How long: one time or a range, in milliseconds."},
    [ERROR_RATE] = {OPTION("--error-rate", CONFIG_DOUBLE, error_rate), .max = 1, .fallback = "0",
                    .help = "Share that is answered with 500."},
    [ABORT_RATE] = {OPTION("--abort-rate", CONFIG_DOUBLE, abort_rate), .max = 1, .fallback = "0",
                    .help = "Share whose process ends without an answer."},
    [SEED] = {OPTION("--seed", CONFIG_UINT, seed), .max = 1e15, .fallback = "0",
              .help = "The same seed gives the same faults; 0 draws one at random."},
};

#undef OPTION

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* The metrics file of the instance; COMMAND_FAILED and a line on stderr if it can't be used. */
static int open_words(struct metrics_words_file *file, char path[PATH_MAX], bool writable)
{
    enum metrics_file_state state;

    (void)snprintf(path, PATH_MAX, "%s/" METRICS_FILE_NAME, instance_run_dir());
    state = metrics_words_open(file, path, writable);
    if (state == METRICS_FILE_OK)
        return COMMAND_OK;
    printable_error("microtrace chaos: %s: %s%s", path, metrics_file_state_text(state),
                    instance_hint(state == METRICS_FILE_MISSING));
    return COMMAND_FAILED;
}

static void print_set(const struct chaos_set *set)
{
    printf("  delay: probability %.9g, %u-%u ms\n", set->probability, set->delay_low_ms,
           set->delay_high_ms);
    printf("  error: rate %.9g\n", set->error_rate);
    printf("  abort: rate %.9g\n", set->abort_rate);
    if (set->seed != 0)
        printf("  seed: %llu\n", (unsigned long long)set->seed);
    else
        printf("  seed: none\n");
}

static void print_environment(const struct chaos_set *set)
{
    printf("environment (CHAOS_*): %s\n", set->state == CHAOS_UNSET ? "not known yet"
                                          : set->state == CHAOS_ON  ? "on"
                                                                    : "off");
    if (set->state == CHAOS_ON)
        print_set(set);
}

static bool is_of_run_time(const struct chaos_status *status)
{
    return status->run_time.state != CHAOS_UNSET;
}

static bool is_on(const struct chaos_status *status)
{
    return (is_of_run_time(status) ? status->run_time.state : status->environment.state) ==
           CHAOS_ON;
}

static void print_people(const struct chaos_status *status)
{
    const bool run_time = is_of_run_time(status), on = is_on(status);

    if (status->damaged)
        printf("chaos is off: what was set at run time is damaged\n");
    else
        printf("chaos is %s, by %s\n", on ? "on" : "off",
               run_time ? "what was set at run time" : "the environment");
    if (run_time && on)
        print_set(&status->run_time);
    if (on)
        printf("  analyses so far: %llu\n", (unsigned long long)status->numbered);
    print_environment(&status->environment);
    if (status->environment.fixed)
        printf("run time is forbidden (CHAOS_RUNTIME)\n");
    else if (run_time)
        printf("run time wins until microtrace chaos reset\n");
}

static void write_set(struct json_writer *w, const char *key, const struct chaos_set *set)
{
    static const char *const states[] = {
        [CHAOS_UNSET] = "unset", [CHAOS_OFF] = "off", [CHAOS_ON] = "on"};

    json_writer_key(w, key);
    json_writer_begin_object(w);
    json_writer_key_string(w, "state", states[set->state]);
    if (set->state == CHAOS_ON) {
        json_writer_key_double(w, "probability", set->probability);
        json_writer_key_uint(w, "delay_low_ms", set->delay_low_ms);
        json_writer_key_uint(w, "delay_high_ms", set->delay_high_ms);
        json_writer_key_double(w, "error_rate", set->error_rate);
        json_writer_key_double(w, "abort_rate", set->abort_rate);
        json_writer_key_uint(w, "seed", set->seed);
    }
    json_writer_end_object(w);
}

static void print_json(const struct chaos_status *status)
{
    const struct {
        const char *key;
        bool value;
    } truths[] = {{"on", is_on(status)},
                  {"run_time_forbidden", status->environment.fixed},
                  {"damaged", status->damaged}};
    char text[JSON_MAX];
    struct json_writer w;

    json_writer_init(&w, text, sizeof(text));
    json_writer_begin_object(&w);
    for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
        json_writer_key_bool(&w, truths[i].key, truths[i].value);
    }
    json_writer_key_uint(&w, "analyses", status->numbered);
    write_set(&w, "run_time", &status->run_time);
    write_set(&w, "environment", &status->environment);
    json_writer_end_object(&w);
    printf("%.*s\n", (int)w.len, text);
}

static int print_status(const struct values *values)
{
    struct metrics_words_file file;
    struct chaos_status status;
    char path[PATH_MAX];

    if (open_words(&file, path, false) != COMMAND_OK)
        return COMMAND_FAILED;
    chaos_control_status(&file.words, &status);
    metrics_words_close(&file);
    if (values->json)
        print_json(&status);
    else
        print_people(&status);
    return COMMAND_OK;
}

static int set(const struct values *values, const struct chaos_set *wanted)
{
    struct metrics_words_file file;
    char path[PATH_MAX];
    int lock;

    if (open_words(&file, path, true) != COMMAND_OK)
        return COMMAND_FAILED;
    lock = chaos_control_lock(path);
    if (lock < 0) {
        printable_error("microtrace chaos: %s: %s", path, strerror(errno));
        metrics_words_close(&file);
        return COMMAND_FAILED;
    }
    chaos_control_write(&file.words, wanted);
    (void)close(lock);
    metrics_words_close(&file);
    return print_status(values);
}

/* A setting of the instance's processes, which store it, or of this one. */
static bool is_forbidden(void)
{
    const char *const here = config_get("CHAOS_RUNTIME");
    struct metrics_words_file file;
    struct chaos_status status;
    char path[PATH_MAX];

    if (open_words(&file, path, false) != COMMAND_OK)
        return true;
    chaos_control_status(&file.words, &status);
    metrics_words_close(&file);
    if (!status.environment.fixed && (here == NULL || strcmp(here, "forbid") != 0))
        return false;
    (void)fprintf(stderr,
                  "microtrace chaos: refused: CHAOS_RUNTIME=forbid is set for the instance in %s\n",
                  instance_run_dir());
    return true;
}

static uint64_t given; /* a bit for each row */

static bool is_given(enum row row)
{
    return (given >> row & 1) != 0;
}

static int set_on(const struct values *values)
{
    const bool no_delay = (is_given(ERROR_RATE) || is_given(ABORT_RATE)) &&
                          !is_given(PROBABILITY) && !is_given(DELAY);

    if (is_forbidden())
        return COMMAND_FAILED;
    return set(values, &(const struct chaos_set){
                           .state = CHAOS_ON,
                           .probability = no_delay ? 0 : values->probability,
                           .delay_low_ms = (uint32_t)values->delay_ms.low,
                           .delay_high_ms = (uint32_t)values->delay_ms.high,
                           .error_rate = values->error_rate,
                           .abort_rate = values->abort_rate,
                           /* All processes have to have the same one. */
                           .seed = values->seed != 0 ? values->seed : 1 + ids_random64() % SEED_MAX,
                       });
}

static const struct options_switch switches[] = {
    {"--json", offsetof(struct values, json), "Print what holds as JSON."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace chaos",
    .operands = "on|off|reset|status",
    .summary = "Injects faults into all processes of the instance (on), stops them (off), leaves "
               "them to CHAOS_* in the environment again (reset), or shows what is in force "
               "(status). The options of faults go with on. If the processes have "
               "CHAOS_RUNTIME=forbid, on is refused and nothing set here has an effect.",
    .rows = rows,
    .row_count = ROWS,
    .rows_with = "on",
    .switches = switches,
    .given = &given,
    .state = instance_choose,
};

static int run(int argc, char **argv)
{
    struct values values = {0};
    const int result = options_read(&options, &values, &argc, &argv);

    if (result != OPTIONS_GO)
        return result;
    if (argc == 0) {
        printable_error("microtrace chaos: one of on, off, reset, status is missing; "
                        "see microtrace chaos --help");
        return COMMAND_USAGE;
    }
    if (argc > 1)
        return options_unknown(options.command, argv[1]);
    if (strcmp(argv[0], "on") == 0)
        return set_on(&values);
    if (strcmp(argv[0], "status") == 0)
        return print_status(&values);
    if (strcmp(argv[0], "off") == 0)
        return set(&values, &(const struct chaos_set){.state = CHAOS_OFF});
    if (strcmp(argv[0], "reset") == 0)
        return set(&values, &(const struct chaos_set){.state = CHAOS_UNSET});
    return options_unknown(options.command, argv[0]);
}

const struct command command_chaos = {&options, run};
