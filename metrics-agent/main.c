/*
 * metrics-agent: serves /metrics and forwards the spool. One thread, one waiting place.
 */
#include "lib/base/clock.h"
#include "lib/base/config_names.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/base/options.h"
#include "lib/metrics/reader.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_metrics.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/export/exporters.h"
#include "metrics-agent/export/status_file.h"
#include "metrics-agent/scrape/exposition_negotiate.h"
#include "metrics-agent/scrape/http_server.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TICK_MS = 10000,     /* a look at everything, whatever inotify says */
    TICK_BLIND_MS = 250, /* the same without inotify */
    PAUSE_MS = 10,       /* between two looks while waiting itself fails */
    STOP_MS = 2000,      /* that a request under way gets when we are told to end */
    NS_PER_MS = CLOCK_NS_PER_MS,
};

struct agent {
    struct agent_settings settings;
    bool drain;
    int signal_fd;
    CURLM *multi;
    struct resource resource;
    struct agent_metrics metrics;
    struct metrics_reader *reader;
    struct exporters exporters;
    struct http_server *http;
    uint64_t tick_ns;
    uint64_t stop_ns; /* when to end at the latest; 0 while we go on */
};

/* What the command line says. */
struct arguments {
    bool drain, check;
};

/* Returns OPTIONS_GO, or the exit status to end with. */
static int read_options(struct arguments *arguments, int argc, char **argv)
{
    static const struct options_switch switches[] = {
        {"--drain", offsetof(struct arguments, drain),
         "Send what is in the spool and end: 0 if all is delivered, else 1."},
        {"--check", offsetof(struct arguments, check),
         "Look at the settings and end: 0, or 2 and what is wrong."},
        {NULL, 0, NULL},
    };
    static const struct options_table table = {
        .command = "metrics-agent",
        .operands = "",
        .summary = "Serves the instance's metrics on MICROTRACE_AGENT_LISTEN and sends the spans "
                   "and log records of its spool by OTLP/HTTP.",
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
    message_print("%s", text);
    keep_warning(text);
}

static void print_warning(const char *text)
{
    message_print("%s", text);
}

static int read_settings(struct agent *agent)
{
    char error[CONFIG_ERROR_MAX];

    config_names_check(print_warning);
    config_names_find(keep_warning);
    if (agent_settings_load(&agent->settings, warn, error) == 0)
        return OPTIONS_GO;
    message_print("%s", error);
    return OPTIONS_USAGE;
}

/* Returns -1 where the directory is not to be used, having said why. */
static int prepare_run_dir(const char *path)
{
    enum instance_dir_state state = INSTANCE_DIR_SAFE;
    char unsafe[INSTANCE_DIR_REASON_MAX];
    struct stat status;

    if (instance_dir_make(path, (gid_t)-1) != 0)
        message_print("MICROTRACE_RUN_DIR: %s can't be made: %s", path, strerror(errno));
    else if (stat(path, &status) == 0)
        state = instance_dir_check(&status, path, unsafe);
    if (state != INSTANCE_DIR_SAFE)
        message_print("MICROTRACE_RUN_DIR: %s", unsafe);
    return state == INSTANCE_DIR_FOREIGN ? -1 : 0;
}

static int open_metrics(struct agent *agent)
{
    const struct telemetry_settings *telemetry = &agent->settings.telemetry;
    static const struct resource_service service = {"microtrace", MICROTRACE_VERSION};
    const char *discarded;

    if (prepare_run_dir(telemetry->run_dir) != 0)
        return -1;
    if (agent_metrics_open(&agent->metrics, telemetry->run_dir,
                           (uint32_t)telemetry->metrics_max_series) != 0 ||
        (agent->reader = metrics_reader_open(telemetry->run_dir)) == NULL) {
        message_print("out of memory");
        return -1;
    }
    if (metrics_problem(agent->metrics.metrics) != NULL)
        message_print("%s", metrics_problem(agent->metrics.metrics));
    /* For lines that name no resource. Which instance wrote them nobody knows. */
    discarded = resource_init(&agent->resource, &service, telemetry->service_name,
                              telemetry->resource_attributes, NULL);
    if (discarded != NULL)
        message_print("%s", discarded);
    return 0;
}

static int open_exporters(struct agent *agent)
{
    struct exporter_shared shared = {.settings = &agent->settings,
                                     .metrics = &agent->metrics,
                                     .resource = &agent->resource,
                                     .drain = agent->drain};

    shared.multi = agent->multi =
        curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    if (agent->multi == NULL) {
        message_print("libcurl can't be started");
        return -1;
    }
    return exporters_open(&agent->exporters, &shared);
}

static int page_of_metrics(void *context, const char *accept, struct http_server_page *page,
                           char reason[HTTP_SERVER_REASON_MAX])
{
    struct exposition_choice choice = exposition_negotiate(accept);
    struct agent *agent = context;
    struct exposition out;

    agent_metrics_refresh(&agent->metrics);
    exporters_publish(&agent->exporters);
    if (metrics_reader_refresh(agent->reader) != 0) {
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "%s", metrics_reader_problem(agent->reader));
        return -1;
    }
    exposition_begin(&out, choice.format);
    exposition_reader(&out, agent->reader);
    metrics_reader_rest(agent->reader);
    if (exposition_end(&out) != 0 || metrics_reader_lost(agent->reader)) {
        exposition_free(&out);
        (void)snprintf(reason, HTTP_SERVER_REASON_MAX, "the metrics file can't be read now");
        return -1;
    }
    *page = (struct http_server_page){
        .text = out.text, .length = out.len, .content_type = choice.content_type};
    return 0;
}

static const char *problem_of_spool(void *context)
{
    const struct agent *agent = context;

    return agent->exporters.problem[0] != '\0' ? agent->exporters.problem : NULL;
}

static int open_http(struct agent *agent)
{
    char reason[HTTP_SERVER_REASON_MAX];

    if (agent->drain)
        return 0;
    agent->http =
        http_server_open(agent->settings.listen, page_of_metrics, problem_of_spool, agent, reason);
    if (agent->http != NULL)
        return 0;
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

static void read_signal(struct agent *agent, uint64_t now)
{
    struct signalfd_siginfo info;
    const ssize_t got = read(agent->signal_fd, &info, sizeof info);

    /* A signal is waiting: not to be able to read which one is no reason to go on. */
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (agent->stop_ns == 0)
        agent->stop_ns = now + (uint64_t)STOP_MS * NS_PER_MS;
}

static void read_transfers(struct agent *agent)
{
    struct CURLMsg *message;
    int left;

    (void)curl_multi_perform(agent->multi, &left);
    while ((message = curl_multi_info_read(agent->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE)
            exporters_outcome(&agent->exporters, message->easy_handle, message->data.result,
                              agent->stop_ns != 0);
    }
}

/* Does all that is due. Returns when something is due again. */
static uint64_t run(struct agent *agent, uint64_t now)
{
    uint64_t next, status;

    if (agent->stop_ns != 0)
        return agent->stop_ns;
    if (now >= agent->tick_ns) {
        agent_metrics_refresh(&agent->metrics);
        exporters_notify(&agent->exporters, now);
        agent->tick_ns =
            now + (uint64_t)(agent->exporters.watch.fd < 0 ? TICK_BLIND_MS : TICK_MS) * NS_PER_MS;
    }
    next = exporters_run(&agent->exporters, now);
    status = status_file_run(&status_file, &agent->exporters, now);
    if (status < next)
        next = status;
    return next < agent->tick_ns ? next : agent->tick_ns;
}

static void wait_for_events(struct agent *agent, uint64_t until, uint64_t now)
{
    struct curl_waitfd fds[3] = {{.fd = agent->signal_fd, .events = CURL_WAIT_POLLIN}};
    uint64_t timeout = until > now ? (until - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    struct spool_watch *spool = &agent->exporters.watch;
    unsigned count = 1;
    int http = -1, watch = -1, ready;
    bool notified = exporters_notified(&agent->exporters);

    if (agent->http != NULL) {
        uint64_t http_timeout = http_server_timeout_ms(agent->http);

        http = (int)count;
        fds[count++] =
            (struct curl_waitfd){.fd = http_server_fd(agent->http), .events = CURL_WAIT_POLLIN};
        if (http_timeout < timeout)
            timeout = http_timeout;
    }
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
    if (curl_multi_poll(agent->multi, fds, count, (int)timeout, &ready) != CURLM_OK) {
        /* The kernel has no memory to wait: look at everything, and not without a pause. */
        clock_sleep_ns((uint64_t)PAUSE_MS * NS_PER_MS);
        for (unsigned i = 0; i < count; i++)
            fds[i].revents = CURL_WAIT_POLLIN;
    }
    now = clock_monotonic_ns();
    if (fds[0].revents != 0)
        read_signal(agent, now);
    if (watch >= 0 && fds[watch].revents != 0 && spool_watch_read(spool))
        exporters_notify(&agent->exporters, now);
    if (http >= 0)
        http_server_run(agent->http);
}

static int loop(struct agent *agent)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns(), next;
        int result;

        if (exporters_check(&agent->exporters, now) != 0)
            return EXIT_FAILURE;
        next = run(agent, now);
        result = agent->drain ? exporters_drained(&agent->exporters) : -1;
        if (result >= 0)
            return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (agent->stop_ns != 0 && (!exporters_busy(&agent->exporters) || now >= agent->stop_ns))
            return agent->drain ? EXIT_FAILURE : EXIT_SUCCESS;
        wait_for_events(agent, next, now);
        read_transfers(agent);
    }
}

static void finish(struct agent *agent)
{
    status_file_close(&status_file, &agent->exporters);
    exporters_close(&agent->exporters);
    http_server_close(agent->http);
    (void)curl_multi_cleanup(agent->multi);
    curl_global_cleanup();
    metrics_reader_close(agent->reader);
    agent_metrics_close(&agent->metrics);
}

int main(int argc, char **argv)
{
    static struct agent agent;
    struct arguments arguments = {false, false};
    int result;

    if ((result = read_options(&arguments, argc, argv)) != OPTIONS_GO ||
        (result = read_settings(&agent)) != OPTIONS_GO)
        return result;
    if (arguments.check)
        return EXIT_SUCCESS;
    agent.drain = arguments.drain;
    if (exporters_lock(&agent.exporters, agent.settings.telemetry.spool_dir) != 0 ||
        open_metrics(&agent) != 0 || open_exporters(&agent) != 0 || open_events(&agent) != 0 ||
        open_http(&agent) != 0)
        return EXIT_FAILURE;
    status_file_open(&status_file, &agent.exporters);
    if (agent.drain)
        exporters_publish(&agent.exporters);
    result = loop(&agent);
    finish(&agent);
    return result;
}
