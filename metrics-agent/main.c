/*
 * metrics-agent: serves /metrics and forwards the spool. The scraper's thread answers; all else is
 * done here, in one loop with one waiting place.
 */
#include "lib/base/clock.h"
#include "lib/base/config_file.h"
#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/message.h"
#include "lib/base/notify.h"
#include "lib/base/options.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_metrics.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/code_pages.h"
#include "metrics-agent/export/exporters.h"
#include "metrics-agent/export/probe.h"
#include "metrics-agent/export/status_file.h"
#include "metrics-agent/run_dir.h"
#include "metrics-agent/scrape/scraper.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    TICK_MS = 10000,     /* a look at everything, whatever inotify says */
    TICK_BLIND_MS = 250, /* the same without inotify */
    PAUSE_MS = 10,       /* between two looks while waiting itself fails */
    STOP_MS = 2000,      /* that sending the rest gets when we are told to end */
    WITHIN_MIN_S = 1,
    WITHIN_MAX_S = 86400,
};

struct agent {
    struct agent_settings settings;
    bool drain, once;
    struct notify notify;
    int signal_fd;
    CURLM *multi;
    struct resource resource;
    struct agent_metrics metrics;
    struct exporters exporters;
    struct scraper *scraper;            /* NULL for a drain */
    char problem[SPOOL_DIR_REASON_MAX]; /* as the scraper was told */
    bool told;
    struct run_dir run_dir;
    uint64_t tick_ns;
    uint64_t within_ns; /* when to begin to end; UINT64_MAX for never */
    uint64_t stop_ns;   /* when to end at the latest; 0 while we go on */
};

/* What the command line says. */
struct arguments {
    bool drain, once, check, probe;
    double within_s;
};

/* Returns OPTIONS_GO, or the exit status to end with. */
static int read_options(struct arguments *arguments, int argc, char **argv)
{
    static const struct options_switch switches[] = {
        {"--drain", offsetof(struct arguments, drain),
         "Send what is in the spool and exit: 0 if all is delivered, else 1."},
        {"--once", offsetof(struct arguments, once),
         "The same for a crontab, where no agent runs: exits after --within, prints "
         "nothing if all is well, and also succeeds if there is nothing to send or "
         "another agent sends it."},
        {"--check", offsetof(struct arguments, check),
         "Check the settings and exit: 0, or 2 after saying what is wrong."},
        {"--probe", offsetof(struct arguments, probe),
         "Send one empty request to the endpoint of each signal, print the answer in "
         "words, and exit: 0, or 1 if one is not accepted."},
        {NULL, 0, NULL},
    };
    static const struct config_setting rows[] = {
        {.name = "--within",
         .type = CONFIG_DOUBLE,
         .offset = offsetof(struct arguments, within_s),
         .min = WITHIN_MIN_S,
         .max = WITHIN_MAX_S,
         .unit = CONFIG_UNIT_S,
         .fallback = "50",
         .help = "How long --once may send; a request that is under way then has 2 seconds more."},
    };
    static const struct options_table table = {
        .command = "metrics-agent",
        .operands = "",
        .summary = "Serves the instance's metrics on MICROTRACE_AGENT_LISTEN and sends the spans "
                   "and log records of its spool by OTLP/HTTP.",
        .rows = rows,
        .row_count = sizeof(rows) / sizeof(rows[0]),
        .switches = switches,
        .environment = agent_settings_tables,
    };

    return options_read(&table, arguments, &argc, &argv);
}

/* One a process, since whoever warns of a setting has no context to pass. */
static struct status_file status_file;

static void keep_warning(const char *text)
{
    status_file_warning(&status_file, text);
}

static void warn(const char *text)
{
    message_say(text);
    keep_warning(text);
}

static int read_settings(struct agent *agent)
{
    char error[CONFIG_ERROR_MAX];

    config_names_check(message_say);
    config_names_find(keep_warning);
    config_file_load(warn);
    if (agent_settings_load(&agent->settings, warn, error) == 0)
        return OPTIONS_GO;
    message_print("%s", error);
    return OPTIONS_USAGE;
}

static int open_metrics(struct agent *agent)
{
    const struct telemetry_settings *telemetry = &agent->settings.telemetry;
    static const struct resource_service service = {"microtrace", MICROTRACE_VERSION, NULL};

    agent->run_dir.path = telemetry->run_dir;
    if (run_dir_prepare(&agent->run_dir) != 0)
        return -1;
    if (agent_metrics_open(&agent->metrics, telemetry->run_dir,
                           (uint32_t)telemetry->metrics_max_series) != 0) {
        message_print("out of memory");
        return -1;
    }
    /* For lines that name no resource. Which instance wrote them nobody knows. */
    config_warn(resource_init(&agent->resource, &service, telemetry->service_name,
                              telemetry->resource_attributes, NULL));
    return 0;
}

static int open_exporters(struct agent *agent)
{
    struct exporter_shared shared = {.settings = &agent->settings,
                                     .multi = agent->multi,
                                     .metrics = &agent->metrics,
                                     .resource = &agent->resource,
                                     .drain = agent->drain,
                                     .once = agent->once};

    return exporters_open(&agent->exporters, &shared);
}

static int open_multi(struct agent *agent)
{
    agent->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    if (agent->multi != NULL)
        return 0;
    message_print("libcurl can't be started");
    return -1;
}

/* From the scraper's thread. */
static void wake(void *multi)
{
    (void)curl_multi_wakeup(multi);
}

/* Before the spool is opened: what is wrong with that is to be seen here. */
static int open_scraper(struct agent *agent)
{
    const struct scraper_settings settings = {.listen = agent->settings.listen,
                                              .run_dir = agent->settings.telemetry.run_dir,
                                              .spool_dir = agent->settings.telemetry.spool_dir,
                                              .page = agent->settings.page,
                                              .notify = &agent->notify,
                                              .wake = wake,
                                              .context = agent->multi};
    char reason[HTTP_SERVER_REASON_MAX];

    if (agent->drain)
        return 0;
    agent->scraper = scraper_start(&settings, reason);
    if (agent->scraper != NULL)
        return 0;
    /* A second agent has the first one's port too: that is what to say then. */
    if (!exporters_taken(agent->settings.telemetry.spool_dir))
        message_print("%s", reason);
    return -1;
}

/* Signals arrive by a descriptor. */
static int open_events(struct agent *agent)
{
    sigset_t signals;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 ||
        (agent->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)) < 0) {
        message_print("signals can't be received: %s", strerror(errno));
        return -1;
    }
    return 0;
}

static void begin_to_end(struct agent *agent, uint64_t now)
{
    if (agent->stop_ns != 0)
        return;
    notify_stopping(&agent->notify);
    agent->stop_ns = now + clock_ms_to_ns(STOP_MS);
    exporters_stop(&agent->exporters, now);
}

static void read_signal(struct agent *agent, uint64_t now)
{
    struct signalfd_siginfo info;
    const ssize_t got = read(agent->signal_fd, &info, sizeof info);

    /* A signal is waiting: not to be able to read which one is no reason to go on. */
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    begin_to_end(agent, now);
}

static void read_transfers(struct agent *agent)
{
    struct CURLMsg *message;
    int left;

    (void)curl_multi_perform(agent->multi, &left);
    while ((message = curl_multi_info_read(agent->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE)
            exporters_outcome(&agent->exporters, message->easy_handle, message->data.result);
    }
}

/* Counts on for a scrape that waits. Returns whether it has what it asked for. */
static bool answer_scrape(struct agent *agent)
{
    if (!scraper_asks(agent->scraper))
        return true;
    agent_metrics_refresh(&agent->metrics);
    if (!exporters_publish(&agent->exporters))
        return false;
    scraper_fresh(agent->scraper);
    return true;
}

/* One line for the service manager. */
static void write_status(const struct agent *agent, char text[NOTIFY_TEXT_MAX])
{
    if (agent->problem[0] != '\0')
        (void)snprintf(text, NOTIFY_TEXT_MAX, "%.500s", agent->problem);
    else
        (void)snprintf(text, NOTIFY_TEXT_MAX, "serves http://%.300s/metrics",
                       agent->settings.listen);
}

/* Passes on what is wrong with the spool, or else with the run directory. */
static void tell_problem(struct agent *agent)
{
    const char *const now = agent->exporters.problem[0] == '\0' && agent->run_dir.gone
                                ? agent->run_dir.problem
                                : agent->exporters.problem;
    char status[NOTIFY_TEXT_MAX];

    if (agent->told && strcmp(agent->problem, now) == 0)
        return;
    (void)snprintf(agent->problem, sizeof agent->problem, "%s", now);
    agent->told = true;
    scraper_problem(agent->scraper, agent->problem);
    write_status(agent, status);
    notify_status(&agent->notify, status);
}

/* Does what is due, for EXPORTER_STEP_MS and a step more at most. Returns when something is due
 * again. */
static uint64_t run(struct agent *agent, uint64_t now)
{
    const bool answered = answer_scrape(agent);
    uint64_t next, status;

    if (run_dir_keep(&agent->run_dir, metrics_problem(agent->metrics.metrics), now))
        agent->tick_ns = agent->run_dir.look_ns;
    tell_problem(agent);
    if (now >= agent->tick_ns && agent->stop_ns == 0) {
        agent_metrics_refresh(&agent->metrics);
        exporters_notify(&agent->exporters, now);
        agent->tick_ns = now + (uint64_t)(agent->exporters.watch.fd < 0 ? TICK_BLIND_MS : TICK_MS) *
                                   CLOCK_NS_PER_MS;
    }
    next = exporters_run(&agent->exporters, now);
    if (agent->stop_ns != 0)
        return answered ? (next < agent->stop_ns ? next : agent->stop_ns) : now;
    if (!answered)
        next = now;
    status = status_file_run(&status_file, &agent->exporters, now);
    scraper_status(agent->scraper, &status_file.now);
    if (status < next)
        next = status;
    if (agent->within_ns < next)
        next = agent->within_ns;
    return next < agent->tick_ns ? next : agent->tick_ns;
}

static void wait_for_events(struct agent *agent, uint64_t until, uint64_t now)
{
    struct curl_waitfd fds[2] = {{.fd = agent->signal_fd, .events = CURL_WAIT_POLLIN}};
    uint64_t timeout = until > now ? (until - now + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS : 0;
    struct spool_watch *spool = &agent->exporters.watch;
    unsigned count = 1;
    int watch = -1, ready;
    bool notified = agent->stop_ns != 0 || exporters_notified(&agent->exporters);

    /* What was written before the new watch needs one more look; it counts as notified until then.
     */
    if (spool->fd >= 0 && !notified && !spool->armed && spool_watch_arm(spool) == 0) {
        exporters_notify(&agent->exporters, now);
        notified = true;
        timeout = 0;
    }
    /* While a look is due anyhow, further writes need not wake us. */
    if (spool->fd >= 0 && !notified) {
        watch = (int)count;
        fds[count++] = (struct curl_waitfd){.fd = spool->fd, .events = CURL_WAIT_POLLIN};
    }
    if (timeout > TICK_MS)
        timeout = TICK_MS;
    scraper_waiting(agent->scraper);
    if (curl_multi_poll(agent->multi, fds, count, (int)timeout, &ready) != CURLM_OK) {
        /* The kernel has no memory to wait: look at everything, and not without a pause. */
        clock_sleep_ns(clock_ms_to_ns(PAUSE_MS));
        for (unsigned i = 0; i < count; i++)
            fds[i].revents = CURL_WAIT_POLLIN;
    }
    now = clock_monotonic_ns();
    scraper_working(agent->scraper, now);
    if (fds[0].revents != 0)
        read_signal(agent, now);
    if (watch >= 0 && fds[watch].revents != 0 && spool_watch_read(spool))
        exporters_notify(&agent->exporters, now);
}

/* Also with a spool that can't be used: /metrics is answered, and the loop goes on trying. */
static void tell_ready(const struct agent *agent)
{
    char status[NOTIFY_TEXT_MAX];

    write_status(agent, status);
    if (!agent->drain && notify_ready(&agent->notify, status) != 0)
        message_print("NOTIFY_SOCKET: the service manager can't be told: %s", strerror(errno));
}

static int loop(struct agent *agent)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns(), next;
        int result;

        if (exporters_check(&agent->exporters, now) != 0)
            return EXIT_FAILURE;
        next = run(agent, now);
        result = agent->drain && !(agent->once && agent->stop_ns != 0)
                     ? exporters_drained(&agent->exporters)
                     : -1;
        if (result >= 0)
            return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (now >= agent->within_ns && agent->stop_ns == 0) {
            exporters_say_left(&agent->exporters);
            begin_to_end(agent, now);
        }
        if (agent->stop_ns != 0 && (exporters_stopped(&agent->exporters) || now >= agent->stop_ns))
            return agent->drain ? EXIT_FAILURE : EXIT_SUCCESS;
        wait_for_events(agent, next, now);
        read_transfers(agent);
    }
}

static void finish(struct agent *agent)
{
    status_file_close(&status_file, &agent->exporters);
    exporters_close(&agent->exporters);
    scraper_stop(agent->scraper);
    (void)curl_multi_cleanup(agent->multi);
    curl_global_cleanup();
    agent_metrics_close(&agent->metrics);
}

static int run_probe(struct agent *agent)
{
    int result;

    if (open_multi(agent) != 0)
        return EXIT_FAILURE;
    result = probe_run(&agent->settings, agent->multi);
    (void)curl_multi_cleanup(agent->multi);
    curl_global_cleanup();
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct agent agent;
    struct arguments arguments = {.drain = false};
    int result;

    descriptor_reserve_standard();
    if ((result = read_options(&arguments, argc, argv)) != OPTIONS_GO ||
        (result = read_settings(&agent)) != OPTIONS_GO)
        return result;
    if (arguments.check) {
        telemetry_settings_check(&agent.settings.telemetry);
        return EXIT_SUCCESS;
    }
    if (arguments.probe)
        return run_probe(&agent);
    agent.drain = arguments.drain || arguments.once;
    agent.once = arguments.once;
    agent.within_ns = arguments.once
                          ? clock_monotonic_ns() + (uint64_t)(arguments.within_s * CLOCK_NS_PER_S)
                          : UINT64_MAX;
    notify_open(&agent.notify);
    if (open_events(&agent) != 0 || open_multi(&agent) != 0 || open_scraper(&agent) != 0)
        return EXIT_FAILURE;
    scraper_working(agent.scraper, clock_monotonic_ns());
    if (open_metrics(&agent) != 0 || open_exporters(&agent) != 0) {
        scraper_stop(agent.scraper);
        agent_metrics_close(&agent.metrics);
        return agent.once && agent.exporters.dir.taken ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    agent_metrics_started(&agent.metrics);
    status_file_open(&status_file, &agent.exporters);
    if (scraper_has_page(agent.scraper))
        message_print("the page is at http://%s/", agent.settings.listen);
    tell_ready(&agent);
    if (!agent.drain)
        code_pages_rest();
    if (agent.drain)
        (void)exporters_publish(&agent.exporters);
    result = loop(&agent);
    finish(&agent);
    return result;
}
