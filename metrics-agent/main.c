/*
 * metrics-agent: serves /metrics and forwards the spool. One thread, one waiting place.
 */
#include "lib/base/clock.h"
#include "lib/base/message.h"
#include "lib/metrics/reader.h"
#include "lib/spool/checkpoint.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_metrics.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/export/accounting.h"
#include "metrics-agent/export/exporter.h"
#include "metrics-agent/export/retention.h"
#include "metrics-agent/export/spool_watch.h"
#include "metrics-agent/scrape/exposition.h"
#include "metrics-agent/scrape/http_server.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    DIR_MODE = 02770,
    TICK_MS = 10000,             /* a look at everything, whatever inotify says */
    TICK_BLIND_MS = 250,         /* the same without inotify */
    COUNT_BYTES_MAX = 256 << 20, /* of the spool that one scrape may count */
    STOP_MS = 2000,              /* that a request under way gets when we are told to end */
    DRAIN_FAILURES_MAX = 3,
    NS_PER_MS = CLOCK_NS_PER_MS,
};

struct agent {
    struct agent_settings settings;
    bool drain;
    int dir_fd, lock_fd, signal_fd;
    CURLM *multi;
    struct resource resource;
    struct agent_metrics metrics;
    struct metrics_reader *reader;
    struct checkpoint checkpoint;
    struct exporter_shared shared;
    struct exporter exporters[SPOOL_SIGNALS];
    struct http_server *http;
    struct spool_watch watch;
    uint64_t tick_ns;
    uint64_t stop_ns; /* when to end at the latest; 0 while we go on */
};

static const char *const usage =
    "Usage: metrics-agent [--drain] [--help] [--version]\n"
    "\n"
    "Serves the instance's metrics on MICROTRACE_AGENT_LISTEN and forwards the spans and log\n"
    "records of its spool by OTLP/HTTP.\n"
    "\n"
    "  --drain    send what is in the spool and end: 0 when all is delivered, else 1\n"
    "  --help     print this\n"
    "  --version  print the version\n"
    "\n"
    "Environment:\n";

/* Returns -1 to go on, or the exit code. */
static int read_options(struct agent *agent, int argc, char **argv)
{
    static const struct option options[] = {{"drain", no_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'd':
            agent->drain = true;
            break;
        case 'h':
            (void)fputs(usage, stdout);
            agent_settings_help(stdout);
            return EXIT_SUCCESS;
        case 'v':
            (void)puts("metrics-agent " MICROTRACE_VERSION);
            return EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    message_print("unexpected argument: %s", argv[optind]);
    return EXIT_USAGE;
}

static void warn(const char *text)
{
    message_print("%s", text);
}

static int read_settings(struct agent *agent)
{
    char error[CONFIG_ERROR_MAX];

    if (agent_settings_load(&agent->settings, warn, error) == 0)
        return -1;
    message_print("%s", error);
    return EXIT_USAGE;
}

static int open_spool(struct agent *agent)
{
    const char *dir = agent->settings.telemetry.spool_dir;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (mkdir(dir, DIR_MODE) != 0 && errno != EEXIST) {
        message_print("MICROTRACE_SPOOL_DIR: %s can't be made: %s", dir, strerror(errno));
        return -1;
    }
    agent->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (agent->dir_fd < 0) {
        message_print("MICROTRACE_SPOOL_DIR: %s can't be opened: %s", dir, strerror(errno));
        return -1;
    }
    agent->lock_fd = openat(agent->dir_fd, "agent.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (agent->lock_fd < 0) {
        message_print("%s/agent.lock can't be opened: %s; the agent has to be able to write there",
                      dir, strerror(errno));
        return -1;
    }
    if (fcntl(agent->lock_fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        message_print("another metrics-agent works on %s; end it first", dir);
    else
        message_print("%s/agent.lock can't be locked: %s", dir, strerror(errno));
    return -1;
}

static int open_metrics(struct agent *agent)
{
    const struct telemetry_settings *telemetry = &agent->settings.telemetry;
    static const struct resource_service service = {"microtrace", MICROTRACE_VERSION};
    const char *discarded;

    if (mkdir(telemetry->run_dir, DIR_MODE) != 0 && errno != EEXIST)
        message_print("MICROTRACE_RUN_DIR: %s can't be made: %s", telemetry->run_dir,
                      strerror(errno));
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

static void open_checkpoint(struct agent *agent)
{
    enum checkpoint_found found = checkpoint_open(&agent->checkpoint, agent->dir_fd);
    int i;

    if (found == CHECKPOINT_VALID)
        return;
    if (found == CHECKPOINT_CORRUPT)
        message_print("the checkpoint is damaged; everything in the spool is sent again");
    for (i = 0; i < SPOOL_SIGNALS; i++)
        (void)agent_metrics_counts(&agent->metrics, (enum spool_signal)i,
                                   &agent->checkpoint.state.signals[i].counts);
}

static int open_exporters(struct agent *agent)
{
    int i;

    agent->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    if (agent->multi == NULL) {
        message_print("libcurl can't be started");
        return -1;
    }
    agent->shared = (struct exporter_shared){.settings = &agent->settings,
                                             .checkpoint = &agent->checkpoint,
                                             .metrics = &agent->metrics,
                                             .resource = &agent->resource,
                                             .multi = agent->multi,
                                             .dir_fd = agent->dir_fd,
                                             .drain = agent->drain};
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        if (exporter_open(&agent->exporters[i], (enum spool_signal)i, &agent->shared) != 0)
            return -1;
    }
    return 0;
}

static void publish_all(struct agent *agent)
{
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++)
        accounting_publish(&agent->exporters[i], COUNT_BYTES_MAX, true);
}

static int page_of_metrics(void *context, const char *accept, struct http_server_page *page,
                           char reason[HTTP_SERVER_REASON_MAX])
{
    struct exposition_choice choice = exposition_negotiate(accept);
    struct agent *agent = context;
    struct exposition out;

    agent_metrics_refresh(&agent->metrics);
    publish_all(agent);
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

static int open_http(struct agent *agent)
{
    char reason[HTTP_SERVER_REASON_MAX];

    if (agent->drain)
        return 0;
    agent->http = http_server_open(agent->settings.listen, page_of_metrics, agent, reason);
    if (agent->http != NULL)
        return 0;
    message_print("%s", reason);
    return -1;
}

/* Signals and changes of the spool arrive as descriptors. */
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
    if (spool_watch_open(&agent->watch, agent->settings.telemetry.spool_dir) != 0)
        message_print("the spool can't be watched, looking at it every %d ms: %s", TICK_BLIND_MS,
                      strerror(errno));
    return 0;
}

static void notify_exporters(struct agent *agent, uint64_t now)
{
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++)
        exporter_notify(&agent->exporters[i], now);
}

static void read_signal(struct agent *agent, uint64_t now)
{
    struct signalfd_siginfo info;

    if (read(agent->signal_fd, &info, sizeof info) == (ssize_t)sizeof info && agent->stop_ns == 0)
        agent->stop_ns = now + (uint64_t)STOP_MS * NS_PER_MS;
}

static void read_transfers(struct agent *agent)
{
    struct CURLMsg *message;
    int left, i;

    (void)curl_multi_perform(agent->multi, &left);
    while ((message = curl_multi_info_read(agent->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        for (i = 0; i < SPOOL_SIGNALS; i++) {
            struct exporter *exporter = &agent->exporters[i];

            if (exporter->transfer != NULL && transfer_owns(exporter->transfer, easy))
                exporter_outcome(exporter, result, clock_monotonic_ns(), agent->stop_ns != 0);
        }
    }
}

/* Does all that is due. Returns when something is due again. */
static uint64_t run(struct agent *agent, uint64_t now)
{
    uint64_t next = agent->tick_ns;
    int i;

    if (agent->stop_ns != 0)
        return agent->stop_ns;
    if (now >= agent->tick_ns) {
        agent_metrics_refresh(&agent->metrics);
        notify_exporters(agent, now);
        next = agent->tick_ns =
            now + (uint64_t)(agent->watch.fd < 0 ? TICK_BLIND_MS : TICK_MS) * NS_PER_MS;
    }
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        uint64_t due = exporter_run(&agent->exporters[i], now);

        if (due < next)
            next = due;
    }
    retention_enforce_cap(agent->exporters, SPOOL_SIGNALS,
                          agent->settings.telemetry.spool_max_bytes);
    for (i = 0; i < SPOOL_SIGNALS; i++)
        accounting_publish(&agent->exporters[i], 0, false);
    return next;
}

static void wait_for_events(struct agent *agent, uint64_t until, uint64_t now)
{
    struct curl_waitfd fds[3] = {{.fd = agent->signal_fd, .events = CURL_WAIT_POLLIN}};
    uint64_t timeout = until > now ? (until - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    unsigned count = 1, i;
    int http = -1, watch = -1, ready;
    bool notified = true;

    for (i = 0; i < SPOOL_SIGNALS; i++)
        notified = notified && agent->exporters[i].notified;
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
    if (agent->watch.fd >= 0 && !notified && !agent->watch.armed &&
        spool_watch_arm(&agent->watch) == 0) {
        notify_exporters(agent, now);
        notified = true;
        timeout = 0;
    }
    /* While a look is due anyhow, further writes need not wake us. */
    if (agent->watch.fd >= 0 && !notified) {
        watch = (int)count;
        fds[count++] = (struct curl_waitfd){.fd = agent->watch.fd, .events = CURL_WAIT_POLLIN};
    }
    if (timeout > TICK_MS)
        timeout = TICK_MS;
    (void)curl_multi_poll(agent->multi, fds, count, (int)timeout, &ready);
    now = clock_monotonic_ns();
    if (fds[0].revents != 0)
        read_signal(agent, now);
    if (watch >= 0 && fds[watch].revents != 0 && spool_watch_read(&agent->watch))
        notify_exporters(agent, now);
    if (http >= 0)
        http_server_run(agent->http);
}

static bool busy(const struct agent *agent)
{
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++) {
        if (agent->exporters[i].transfer != NULL && transfer_busy(agent->exporters[i].transfer))
            return true;
    }
    return false;
}

/* Whether --drain has come to its end: -1 to go on, else the exit code. */
static int drained(const struct agent *agent)
{
    bool all = true, any = false;
    int i;

    if (!agent->drain)
        return -1;
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        const struct exporter *exporter = &agent->exporters[i];

        if (exporter->transfer == NULL)
            continue;
        any = true;
        all = all && exporter_drained(exporter);
        if (exporter->failures >= DRAIN_FAILURES_MAX) {
            message_print("%s can't be drained: %u attempts failed", spool_signal_names[i],
                          exporter->failures);
            return EXIT_FAILURE;
        }
    }
    if (!any) {
        message_print("nothing can be drained: no endpoint is set");
        return EXIT_FAILURE;
    }
    return all ? EXIT_SUCCESS : -1;
}

static int loop(struct agent *agent)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns(), next = run(agent, now);
        int result = drained(agent);

        if (result >= 0)
            return result;
        if (agent->stop_ns != 0 && (!busy(agent) || now >= agent->stop_ns))
            return agent->drain ? EXIT_FAILURE : EXIT_SUCCESS;
        wait_for_events(agent, next, now);
        read_transfers(agent);
    }
}

static void finish(struct agent *agent)
{
    int i;

    for (i = 0; i < SPOOL_SIGNALS; i++) {
        exporter_commit(&agent->exporters[i]);
        accounting_publish(&agent->exporters[i], COUNT_BYTES_MAX, true);
        exporter_close(&agent->exporters[i]);
    }
    (void)checkpoint_sync(&agent->checkpoint);
    checkpoint_close(&agent->checkpoint);
    spool_watch_close(&agent->watch);
    http_server_close(agent->http);
    (void)curl_multi_cleanup(agent->multi);
    curl_global_cleanup();
    metrics_reader_close(agent->reader);
    agent_metrics_close(&agent->metrics);
}

int main(int argc, char **argv)
{
    static struct agent agent;
    int result;

    if ((result = read_options(&agent, argc, argv)) >= 0)
        return result;
    if ((result = read_settings(&agent)) >= 0)
        return result;
    if (open_spool(&agent) != 0 || open_metrics(&agent) != 0)
        return EXIT_FAILURE;
    open_checkpoint(&agent);
    if (open_exporters(&agent) != 0 || open_events(&agent) != 0 || open_http(&agent) != 0)
        return EXIT_FAILURE;
    if (agent.drain)
        publish_all(&agent);
    result = loop(&agent);
    finish(&agent);
    return result;
}
