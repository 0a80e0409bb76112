#include "cli/command.h"

#include "cli/instance.h"
#include "cli/top_json.h"
#include "cli/top_picture.h"
#include "cli/top_terminal.h"
#include "cli/top_verdict.h"
#include "lib/base/clock.h"
#include "lib/base/printable.h"
#include "lib/metrics/reader.h"
#include "view/history.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct values {
    uint64_t interval_s;
    bool once, json;
};

static const struct config_setting rows[] = {
    {.name = "--interval",
     .type = CONFIG_UINT,
     .unit = CONFIG_UNIT_S,
     .offset = offsetof(struct values, interval_s),
     .min = 1,
     .max = 10,
     .fallback = "2",
     .help = "Time between two looks at the metrics file."},
};

static const struct options_switch switches[] = {
    {"--once", offsetof(struct values, once),
     "Look twice, so far apart, print one picture as plain text, and end."},
    {"--json", offsetof(struct values, json), "The same as one JSON object."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace top",
    .operands = "",
    .summary = "Shows how an instance does, as the agent's page does: is it well, rates, latency, "
               "routes, errors, programs, processes, what waits to be sent, chaos and breaker. It "
               "needs no agent. Keys: q quit, p pause, s sort the routes, 1 2 3 the last 5, 15 or "
               "60 minutes, ? help. Where standard output is no terminal it is --once.",
    .rows = rows,
    .row_count = sizeof rows / sizeof rows[0],
    .switches = switches,
    .state = instance_choose,
};

/* All that the command holds; too much for the stack. */
struct top {
    struct history *history;
    struct metrics_reader *reader;
    struct overview overview;
    struct verdict verdict;
    struct top_terminal terminal;
    struct top_picture_options shown;
    struct top_picture picture;
    unsigned range_s;
};

static void look(struct top *t)
{
    /* What it says is in the reader's state. */
    (void)metrics_reader_refresh(t->reader);
    history_sample(t->history, t->reader, clock_monotonic_ns(), clock_unix_ns());
}

static void judge(struct top *t)
{
    /* The verdict is on the last minutes, whatever the range. */
    history_overview(t->history, 300, &t->overview);
    top_verdict_make(&t->verdict, &t->overview);
    if (t->range_s != 300)
        history_overview(t->history, t->range_s, &t->overview);
}

static int draw(struct top *t)
{
    top_terminal_size(&t->terminal, &t->shown.width, &t->shown.height);
    top_picture_draw(&t->picture, &t->shown, &t->overview, &t->verdict);
    return top_terminal_draw(&t->terminal, &t->picture);
}

/* Returns whether to go on. */
static bool obey(struct top *t, int key)
{
    static const unsigned ranges_s[] = {300, 900, 3600};

    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case 'p':
    case ' ':
        t->shown.paused = !t->shown.paused;
        break;
    case 's':
        t->shown.sort = (t->shown.sort + 1) % TOP_PICTURE_SORTS;
        break;
    case '?':
    case 'h':
        t->shown.help = !t->shown.help;
        return true;
    case '1':
    case '2':
    case '3':
        t->range_s = ranges_s[key - '1'];
        break;
    default:
        return true; /* Ctrl-L and all others draw it again */
    }
    t->shown.help = false;
    if (!t->shown.paused || (key >= '1' && key <= '3'))
        judge(t);
    return true;
}

/* Looks and draws until it is told to end. Returns the signal that did, 0, or -1 with errno. */
static int watch(struct top *t, uint64_t interval_ns)
{
    uint64_t due = clock_monotonic_ns();
    int key;

    for (;;) {
        if (clock_monotonic_ns() >= due) {
            look(t);
            if (!t->shown.paused)
                judge(t);
            /* After a pause there is nothing to catch up with. */
            due += interval_ns;
            if (clock_monotonic_ns() > due)
                due = clock_monotonic_ns() + interval_ns;
            if (draw(t) != 0)
                return -1;
        }
        switch (top_terminal_wait(&t->terminal, due, &key)) {
        case TOP_TERMINAL_TIME:
            break;
        case TOP_TERMINAL_END:
            return key;
        case TOP_TERMINAL_KEY:
            if (!obey(t, key))
                return 0;
            __attribute__((fallthrough));
        case TOP_TERMINAL_RESIZE:
            if (t->terminal.screen && draw(t) != 0)
                return -1;
            break;
        }
    }
}

static int print_once(struct top *t, const struct values *values)
{
    look(t);
    clock_sleep_ns(values->interval_s * CLOCK_NS_PER_S);
    look(t);
    judge(t);
    if (values->json)
        return top_json_print(&t->overview, &t->verdict);
    return draw(t);
}

/* Returns the signal that ended it, 0, or -1 with errno. */
static int show(struct top *t, const struct values *values)
{
    int result, error;

    if (values->once || values->json || isatty(STDOUT_FILENO) != 1)
        return print_once(t, values);
    if (top_terminal_open(&t->terminal) != 0)
        return -1;
    t->shown.keys = t->terminal.keys;
    result = watch(t, values->interval_s * CLOCK_NS_PER_S);
    error = errno;
    top_terminal_close(&t->terminal);
    errno = error;
    return result;
}

/* As if we had not taken it: whoever has started us sees what ended us. */
static int end_by(int number)
{
    sigset_t set;

    (void)signal(number, SIG_DFL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)raise(number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    return COMMAND_FAILED;
}

static int run(int argc, char **argv)
{
    struct values values = {.once = false};
    const int result = options_read(&options, &values, &argc, &argv);
    struct top *t;
    int ended;

    if (result != OPTIONS_GO)
        return result;
    if (argc > 0)
        return options_unknown(options.command, argv[0]);
    (void)setlocale(LC_CTYPE, "");
    t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->history = history_new();
        t->reader = metrics_reader_open(instance_run_dir());
    }
    if (t == NULL || t->history == NULL || t->reader == NULL) {
        errno = ENOMEM;
        ended = -1;
    } else {
        t->range_s = 300;
        t->shown.where = instance_run_dir();
        t->shown.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
        ended = show(t, &values);
    }
    if (ended < 0)
        printable_error("microtrace top: %s", strerror(errno));
    if (t != NULL) {
        metrics_reader_close(t->reader);
        history_free(t->history);
    }
    free(t);
    return ended > 0 ? end_by(ended) : ended == 0 ? COMMAND_OK : COMMAND_FAILED;
}

const struct command command_top = {&options, run};
