#include "cli/command.h"

#include "cli/instance.h"
#include "cli/load_client.h"
#include "cli/load_plan.h"
#include "cli/load_report.h"
#include "lib/base/clock.h"
#include "lib/base/config.h"
#include "lib/base/ids.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

enum {
    COLUMNS_MAX = 200,
    ERROR_MAX = 512,
    FAILURES_IN_A_ROW = 3, /* answers that do not come, after which the server counts as down */
};

static const uint64_t live_every_ns = NS_PER_S;
/* What is due for longer than this is not sent any more: it would only make a bad moment longer. */
static const uint64_t debt_max_ns = NS_PER_S;
static const uint64_t retry_first_ns = NS_PER_S / 2, retry_max_ns = 10 * NS_PER_S;

struct values {
    const char *url;
    double rate, mix, period_s, duration_s, timeout_s;
    uint64_t concurrency, count;
    int shape;
    bool json;
};

#define OPTION(text, kind, member)                                                                 \
    .name = text, .type = kind, .offset = offsetof(struct values, member)

static const struct config_setting rows[] = {
    {OPTION("--url", CONFIG_STRING, url), .fallback = "http://127.0.0.1:8000",
     .help = "The server, without /analyze. Unless given, that of the instance, if make run or "
             "microtrace-run started it."},
    {OPTION("--rate", CONFIG_DOUBLE, rate), .min = 0.01, .max = 100000, .fallback = "10",
     .help = "Requests a second; with --shape daily, at the busiest moment."},
    {OPTION("--concurrency", CONFIG_UINT, concurrency), .min = 1,
     .max = LOAD_CLIENT_CONCURRENCY_MAX, .fallback = "8",
     .help = "Requests under way at the same time, at most."},
    {OPTION("--mix", CONFIG_DOUBLE, mix), .min = 0, .max = 1, .fallback = "0.05",
     .help = "Share of bad requests: 404, 405, 415 and four kinds of 422 in turn."},
    {OPTION("--shape", CONFIG_CHOICE, shape), .choices = load_plan_shapes, .fallback = "flat",
     .help = "How the rate changes over time."},
    {OPTION("--period", CONFIG_DOUBLE, period_s), .unit = CONFIG_UNIT_S, .min = 1, .max = 31536000,
     .fallback = "86400",
     .help = "Length of a day of --shape daily; 86400 s follows the clock in UTC."},
    {OPTION("--count", CONFIG_UINT, count), .max = 1e15, .fallback = "0",
     .help = "Stop after this many requests; 0: never."},
    {OPTION("--duration", CONFIG_DOUBLE, duration_s), .unit = CONFIG_UNIT_S, .max = 31536000,
     .fallback = "0", .help = "Stop after this time; 0: never."},
    {OPTION("--timeout", CONFIG_DOUBLE, timeout_s), .unit = CONFIG_UNIT_S, .min = 0.01, .max = 3600,
     .fallback = "10", .help = "How long one answer may take."},
};

#undef OPTION

enum { ROWS = sizeof(rows) / sizeof(rows[0]), URL = 0 };

static const struct options_switch switches[] = {
    {"--json", offsetof(struct values, json), "Print the summary as JSON."},
    {NULL, 0, NULL},
};

static uint64_t given; /* a bit for each row */

static const struct options_table options = {
    .command = "microtrace load",
    .operands = "",
    .summary = "Sends requests to an instance, a share of them bad on purpose, until it is "
               "interrupted, and prints a summary. If the server is down, it backs off and "
               "retries.",
    .rows = rows,
    .row_count = ROWS,
    .switches = switches,
    .given = &given,
    .state = instance_choose,
};

/* One run, from the first request to the summary. */
struct run {
    struct values options;
    struct load_client *client;
    struct load_report report;
    int signals, timer;
    bool live; /* there is a terminal for the live line */
    bool stopped;
    uint64_t due_ns; /* the next request */
    uint64_t live_ns;
    unsigned failures; /* in a row */
    uint64_t down_ns;  /* since when the server is taken for down; 0: it is not */
    uint64_t retry_ns, retry_delay_ns;
};

/* --- The live line and what is said beside it --- */

static unsigned columns(void)
{
    struct winsize size;

    /* A line that wraps can't be written over. */
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
        return 79;
    return size.ws_col - 1U < COLUMNS_MAX ? size.ws_col - 1U : COLUMNS_MAX;
}

static void clear_live(const struct run *run)
{
    if (run->live)
        (void)fprintf(stderr, "\r\033[K");
}

static void show_live(struct run *run, uint64_t now)
{
    if (!run->live || now < run->live_ns)
        return;
    clear_live(run);
    load_report_live(&run->report, stderr, columns(), now, load_client_busy(run->client));
    (void)fflush(stderr);
    run->live_ns = now + live_every_ns;
}

/* --- When to send --- */

static double rate_now(const struct run *run)
{
    const double seconds = (double)clock_unix_ns() / (double)NS_PER_S;

    return run->options.rate *
           load_plan_level((enum load_shape)run->options.shape, seconds / run->options.period_s);
}

static uint64_t end_ns(const struct run *run)
{
    if (run->options.duration_s == 0)
        return UINT64_MAX;
    return run->report.begin_ns + (uint64_t)(run->options.duration_s * (double)NS_PER_S);
}

/* Whether no request is to be sent any more. */
static bool is_over(const struct run *run, uint64_t now)
{
    return run->stopped || now >= end_ns(run) ||
           (run->options.count > 0 && run->report.sent >= run->options.count);
}

static int send_one(struct run *run, uint64_t due_ns)
{
    const unsigned asked = load_plan_case(run->report.sent, run->options.mix);

    if (load_client_send(run->client, asked, due_ns) != 0)
        return -1;
    run->report.sent++;
    run->report.bad += asked != LOAD_PLAN_GOOD;
    return 0;
}

static int send_due(struct run *run, uint64_t now)
{
    if (run->down_ns != 0) {
        if (now < run->retry_ns || is_over(run, now) || load_client_busy(run->client) > 0)
            return 0;
        return send_one(run, now);
    }
    while (run->due_ns <= now && !load_client_full(run->client) && !is_over(run, now)) {
        if (send_one(run, run->due_ns) != 0)
            return -1;
        run->due_ns += (uint64_t)((double)NS_PER_S / rate_now(run));
    }
    if (run->due_ns + debt_max_ns < now) {
        run->report.skipped += (uint64_t)((double)(now - debt_max_ns - run->due_ns) *
                                          rate_now(run) / (double)NS_PER_S);
        run->due_ns = now - debt_max_ns;
    }
    return 0;
}

/* Sets the timer to the next moment at which there is something to do. */
static int set_timer(const struct run *run, uint64_t now)
{
    uint64_t next = end_ns(run);
    struct itimerspec at = {.it_interval = {0, 0}};

    if (run->down_ns != 0) {
        if (load_client_busy(run->client) == 0 && run->retry_ns < next)
            next = run->retry_ns;
    } else if (!load_client_full(run->client) && run->due_ns < next) {
        next = run->due_ns;
    }
    if (run->live && run->live_ns < next)
        next = run->live_ns;
    /* Zero would switch it off; so would a time that is over for good, once nothing is to be sent.
     */
    if (is_over(run, now))
        next = run->live ? run->live_ns : UINT64_MAX;
    if (next != UINT64_MAX) {
        at.it_value.tv_sec = (time_t)(next / NS_PER_S);
        at.it_value.tv_nsec = (long)(next % NS_PER_S);
    }
    return timerfd_settime(run->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* --- A server that is down --- */

static void set_retry(struct run *run, uint64_t now, uint64_t delay)
{
    run->retry_delay_ns = delay < retry_max_ns ? delay : retry_max_ns;
    /* Two that wait for the same server do not come back hand in hand. */
    run->retry_ns = now + run->retry_delay_ns / 2 + ids_random64() % (run->retry_delay_ns / 2);
}

static void note_failure(struct run *run, const struct load_answer *answer)
{
    run->failures++;
    if (run->down_ns != 0) {
        if (answer->sent_ns >= run->down_ns)
            set_retry(run, answer->end_ns, 2 * run->retry_delay_ns);
        return;
    }
    if (!answer->unreachable && run->failures < FAILURES_IN_A_ROW)
        return;
    run->down_ns = answer->end_ns;
    set_retry(run, answer->end_ns, retry_first_ns);
    clear_live(run);
    printable_error("microtrace load: %s does not answer (%s); backing off and retrying",
                    run->options.url, load_client_reason(answer->code));
}

static void note_success(struct run *run, const struct load_answer *answer)
{
    run->failures = 0;
    if (run->down_ns == 0 || answer->sent_ns < run->down_ns)
        return;
    clear_live(run);
    printable_error("microtrace load: %s answers again after %.1f s", run->options.url,
                    (double)(answer->end_ns - run->down_ns) / (double)NS_PER_S);
    run->down_ns = 0;
    run->due_ns = answer->end_ns;
}

/* --- One run --- */

static int open_descriptors(struct run *run)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    run->signals = run->timer = -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    run->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    run->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return run->signals >= 0 && run->timer >= 0 ? 0 : -1;
}

static void close_descriptors(struct run *run)
{
    if (run->signals >= 0)
        (void)close(run->signals);
    if (run->timer >= 0)
        (void)close(run->timer);
}

/* Returns 0, or -1 with errno if it can't go on. */
static int go(struct run *run)
{
    const int wakers[LOAD_CLIENT_WAKERS] = {run->signals, run->timer};
    struct signalfd_siginfo signal_info;
    struct load_answer answer;
    uint64_t now = clock_monotonic_ns(), expirations;

    while (!run->stopped && (!is_over(run, now) || load_client_busy(run->client) > 0)) {
        if (send_due(run, now) != 0 || set_timer(run, now) != 0 ||
            load_client_wait(run->client, wakers) != 0) {
            errno = errno != 0 ? errno : ENOMEM;
            return -1;
        }
        while (load_client_take(run->client, &answer)) {
            load_report_answer(&run->report, &answer);
            if (answer.status == 0)
                note_failure(run, &answer);
            else
                note_success(run, &answer);
        }
        run->stopped = read(run->signals, &signal_info, sizeof(signal_info)) == sizeof(signal_info);
        /* Only so that it is not readable any more. */
        (void)!read(run->timer, &expirations, sizeof(expirations));
        now = clock_monotonic_ns();
        show_live(run, now);
    }
    run->report.end_ns = now;
    run->report.unfinished = load_client_busy(run->client);
    return 0;
}

static int run_and_report(struct run *run)
{
    if (open_descriptors(run) != 0) {
        printable_error("microtrace load: %s", strerror(errno));
        return COMMAND_FAILED;
    }
    run->live = isatty(STDERR_FILENO) == 1;
    run->report.url = run->options.url;
    run->report.begin_ns = run->due_ns = clock_monotonic_ns();
    run->live_ns = run->report.begin_ns + live_every_ns;
    errno = 0;
    if (go(run) != 0) {
        clear_live(run);
        printable_error("microtrace load: %s", strerror(errno));
        return COMMAND_FAILED;
    }
    clear_live(run);
    if (run->options.json)
        load_report_print_json(&run->report, stdout);
    else
        load_report_print(&run->report, stdout);
    return run->report.expected + run->report.unexpected > 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int run_load(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    char url[INSTANCE_URL_MAX], error[ERROR_MAX];
    const char *problem;
    int status;

    if (run == NULL) {
        printable_error("microtrace load: out of memory");
        return COMMAND_FAILED;
    }
    status = options_read(&options, &run->options, &argc, &argv);
    if (status != OPTIONS_GO) {
        free(run);
        return status;
    }
    if ((given >> URL & 1) == 0 && instance_url(url) == 0)
        run->options.url = url;
    if (load_client_prepare(error, sizeof(error)) != 0) {
        printable_error("microtrace load: %s", error);
        free(run);
        return COMMAND_FAILED;
    }
    run->client = load_client_open(run->options.url, (unsigned)run->options.concurrency,
                                   run->options.timeout_s, &problem);
    if (run->client == NULL) {
        printable_error("microtrace load: --url %s: %s", run->options.url, problem);
        free(run);
        return COMMAND_USAGE;
    }
    status = run_and_report(run);
    close_descriptors(run);
    load_client_close(run->client);
    free(run);
    return status;
}

const struct command command_load = {&options, run_load};
