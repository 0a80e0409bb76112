#include "metrics-agent/export/status_file.h"

#include "lib/base/clock.h"
#include "lib/base/message.h"
#include "lib/base/shown_url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WRITE_MS = 1000,      /* between two writes, at least */
    AGAIN_MS = 10000,     /* the same after a failure, and between two looks for the file */
    LOSSES_MS = 100,      /* between two looks at the writers' losses, at least */
    UNANSWERED_MS = 3000, /* after which a request without an answer is worth telling */
    CLOCKS_DIFFER_MS = 20,
    NS_PER_MS = CLOCK_NS_PER_MS,
};

void status_file_warning(struct status_file *file, const char *text)
{
    struct agent_status *const now = &file->now;

    if (now->warning_count < AGENT_STATUS_WARNINGS_MAX)
        (void)snprintf(now->warnings[now->warning_count++], AGENT_STATUS_TEXT_MAX, "%s", text);
}

/* The warning about a variable that would name this signal's endpoint, or NULL. */
static const char *endpoint_warning(const struct agent_status *status, enum spool_signal signal)
{
    const char *const own = agent_settings_endpoint_name(signal);

    for (size_t i = 0; i < status->warning_count; i++) {
        if (strstr(status->warnings[i], "OTEL_EXPORTER_OTLP_ENDPOINT") != NULL ||
            strstr(status->warnings[i], own) != NULL)
            return status->warnings[i];
    }
    return NULL;
}

static void set_nowhere(struct agent_status *status, const struct agent_settings *settings,
                        enum spool_signal signal)
{
    struct agent_status_signal *const s = &status->signals[signal];
    const char *const warning = endpoint_warning(status, signal);
    char why[CONFIG_ERROR_MAX];
    const bool meant = agent_settings_nowhere(settings, signal, why);

    s->mistaken = !meant && warning != NULL;
    (void)snprintf(s->nowhere, sizeof(s->nowhere), "%s", s->mistaken ? warning : why);
}

static void describe(struct status_file *file, const struct exporters *exporters)
{
    const struct agent_settings *const settings = exporters->shared.settings;
    struct agent_status *const now = &file->now;

    (void)snprintf(now->version, sizeof(now->version), "%s", MICROTRACE_VERSION);
    now->pid = (uint64_t)getpid();
    now->started_ms = clock_unix_ns() / NS_PER_MS;
    now->drain = exporters->shared.drain;
    (void)snprintf(now->listen, sizeof(now->listen), "%s", now->drain ? "" : settings->listen);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct agent_status_signal *const signal = &now->signals[i];

        if (settings->export[i].url[0] == '\0')
            set_nowhere(now, settings, (enum spool_signal)i);
        else
            shown_url(signal->endpoint, sizeof(signal->endpoint), settings->export[i].url);
    }
}

/* What is wrong with a setting was said before, by us or by microtrace-run. */
static void say(const struct agent_status *status, const char *spool)
{
    if (status->listen[0] != '\0')
        message_print("serving /metrics and /healthz on %s; the spool is %s", status->listen,
                      spool);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct agent_status_signal *const signal = &status->signals[i];

        if (signal->endpoint[0] != '\0')
            message_print("sending %s to %s", spool_signal_names[i], signal->endpoint);
        else
            message_print("sending %s nowhere: %s", spool_signal_names[i],
                          signal->mistaken ? "no endpoint that can be used is set"
                                           : signal->nowhere);
    }
}

/* What has been lost before the first look is not news. */
static void look_at_losses(struct status_file *file, const struct exporters *exporters, bool first)
{
    const uint64_t now_ms = clock_unix_ns() / NS_PER_MS;

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        for (int k = 0; k < AGENT_STATUS_LOSSES; k++) {
            struct agent_status_loss *const loss = &file->now.signals[i].lost[k];
            uint64_t records;

            if (!agent_metrics_lost(exporters->shared.metrics, (enum spool_signal)i,
                                    (enum spool_result)(k + 1), &records) ||
                records == loss->records)
                continue;
            /* A new metrics file begins at 0. */
            if (!first && records > 0) {
                loss->grown_ms = now_ms;
                loss->since_ms = file->looked_ms;
            }
            loss->records = records;
        }
    }
    file->looked_ms = now_ms;
}

/* When a moment of the monotonic clock is, in Unix time. */
static uint64_t unix_ms(uint64_t at_ns, uint64_t now_ns)
{
    const uint64_t now_unix_ns = clock_unix_ns();

    return (at_ns > now_ns ? now_unix_ns + (at_ns - now_ns) : now_unix_ns - (now_ns - at_ns)) /
           NS_PER_MS;
}

/* What the two clocks differ by from look to look is no change. */
static void set_next(struct agent_status_signal *signal, uint64_t at_ms)
{
    if (at_ms > signal->next_ms + CLOCKS_DIFFER_MS || signal->next_ms > at_ms + CLOCKS_DIFFER_MS)
        signal->next_ms = at_ms;
}

/* Returns when the signal's state changes by the clock alone. */
static uint64_t look_at_signal(struct agent_status_signal *signal, const struct exporter *e,
                               uint64_t now_ns)
{
    const struct export_result *const result = &e->result;
    const bool busy = e->transfer != NULL && transfer_busy(e->transfer);
    const uint64_t late_ns =
        busy ? transfer_started_ns(e->transfer) + clock_ms_to_ns(UNANSWERED_MS) : UINT64_MAX;

    signal->result_ms = result->at_ms;
    signal->rejected = result->rejected;
    signal->failing_ms = result->failing_ms;
    memcpy(signal->code, result->code, sizeof(signal->code));
    (void)snprintf(signal->reason, sizeof(signal->reason), "%s", result->detail);
    if (e->state != EXPORTER_WAITING || result->failing_ms == 0 || e->send_ns == UINT64_MAX)
        signal->next_ms = 0;
    else
        set_next(signal, unix_ms(e->send_ns, now_ns));
    if (!busy || now_ns < late_ns)
        signal->unanswered_ms = 0;
    else if (signal->unanswered_ms == 0)
        signal->unanswered_ms = unix_ms(transfer_started_ns(e->transfer), now_ns);
    return busy && now_ns < late_ns ? late_ns : UINT64_MAX;
}

static uint64_t look(struct status_file *file, const struct exporters *exporters, uint64_t now_ns)
{
    struct agent_status *const now = &file->now;
    uint64_t next = UINT64_MAX;
    struct stat spool;

    if (fstat(exporters->dir.fd, &spool) == 0) {
        now->spool_device = spool.st_dev;
        now->spool_inode = spool.st_ino;
    }
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const uint64_t due = look_at_signal(&now->signals[i], &exporters->each[i], now_ns);

        if (due < next)
            next = due;
    }
    return next;
}

static void write_down(struct status_file *file, uint64_t now_ns)
{
    const bool failed = agent_status_write(file->run_dir, file->text, file->length) != 0;

    if (failed && !file->failed)
        message_print("%s/" AGENT_STATUS_FILE " can't be written, `microtrace spool status` will "
                      "not know how sending goes: %s",
                      file->run_dir, strerror(errno));
    file->failed = failed;
    file->write_ns = now_ns + clock_ms_to_ns(failed ? AGAIN_MS : WRITE_MS);
    file->exists_ns = now_ns + clock_ms_to_ns(AGAIN_MS);
    if (failed)
        return;
    memcpy(file->written, file->text, file->length);
    file->written_length = file->length;
}

/* Returns whether there is something new to write. */
static bool changed(struct status_file *file)
{
    file->length = agent_status_format(file->text, &file->now);
    return file->length > 0 && (file->length != file->written_length ||
                                memcmp(file->text, file->written, file->length) != 0);
}

static bool is_gone(const struct status_file *file)
{
    char path[SPOOL_PATH_MAX];

    return snprintf(path, sizeof(path), "%s/" AGENT_STATUS_FILE, file->run_dir) <
               (int)sizeof(path) &&
           access(path, F_OK) != 0 && errno == ENOENT;
}

void status_file_open(struct status_file *file, const struct exporters *exporters)
{
    const uint64_t now_ns = clock_monotonic_ns();

    file->run_dir = exporters->shared.settings->telemetry.run_dir;
    describe(file, exporters);
    if (!exporters->shared.once)
        say(&file->now, exporters->dir.path);
    look_at_losses(file, exporters, true);
    (void)look(file, exporters, now_ns);
    if (changed(file))
        write_down(file, now_ns);
}

uint64_t status_file_run(struct status_file *file, const struct exporters *exporters,
                         uint64_t now_ns)
{
    uint64_t next;

    if (now_ns >= file->losses_ns) {
        look_at_losses(file, exporters, false);
        file->losses_ns = now_ns + clock_ms_to_ns(LOSSES_MS);
    }
    if (now_ns < file->write_ns)
        return file->write_ns;
    next = look(file, exporters, now_ns);
    if (now_ns >= file->exists_ns) {
        file->exists_ns = now_ns + clock_ms_to_ns(AGAIN_MS);
        if (is_gone(file))
            file->written_length = 0;
    }
    if (!changed(file))
        return next;
    write_down(file, now_ns);
    return next < file->write_ns ? next : file->write_ns;
}

void status_file_close(struct status_file *file, const struct exporters *exporters)
{
    const uint64_t now_ns = clock_monotonic_ns();

    look_at_losses(file, exporters, false);
    (void)look(file, exporters, now_ns);
    file->now.ended_ms = clock_unix_ns() / NS_PER_MS;
    if (changed(file))
        write_down(file, now_ns);
}
