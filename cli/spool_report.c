#include "cli/spool_report.h"

#include "cli/instance.h"
#include "lib/base/clock.h"
#include "lib/families.h"
#include "lib/metrics/reader.h"
#include "view/spool_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

enum {
    LOOKS_MAX = 5,      /* until the checkpoint stays the same meanwhile */
    WAITING_MAX_S = 60, /* that a record may wait with an agent at work */
    HELD_MAX_S = 3600,  /* that a writer may keep a sealed segment open */
    FREE_PERCENT_MIN = 2,
    STATUS_LOOKS = 10, /* STATUS_PAUSE_MS apart */
    STATUS_PAUSE_MS = 50,
};

__attribute__((format(printf, 3, 4))) static void
say(char texts[SPOOL_REPORT_TEXTS_MAX][SPOOL_REPORT_TEXT_MAX], size_t *count, const char *format,
    ...)
{
    va_list arguments;

    if (*count == SPOOL_REPORT_TEXTS_MAX)
        return;
    va_start(arguments, format);
    (void)vsnprintf(texts[(*count)++], SPOOL_REPORT_TEXT_MAX, format, arguments);
    va_end(arguments);
}

#define WRONG(report, kind, ...)                                                                   \
    do {                                                                                           \
        if ((report)->wrong_count < SPOOL_REPORT_TEXTS_MAX)                                        \
            (report)->wrong_kinds[(report)->wrong_count] = (kind);                                 \
        say((report)->wrong, &(report)->wrong_count, __VA_ARGS__);                                 \
    } while (0)
#define NOTE(report, ...) say((report)->notes, &(report)->note_count, __VA_ARGS__)

static double age_s(uint64_t since_ns, uint64_t now_ns)
{
    return now_ns > since_ns ? (double)(now_ns - since_ns) / 1e9 : 0;
}

/*
 * The sum of a family's series whose label `signal` is this one, and the other one `second` unless
 * that is NULL; -1 where there is none. The agent writes it before we look at the files, so it
 * can't be ahead of them.
 */
static double counted(const struct metrics_reader *reader, enum families which, const char *signal,
                      const char *second)
{
    const char *const name = families_table[which].name;
    const struct metrics_reader_family *family =
        metrics_reader_find_family(reader, name, strlen(name));
    double sum = -1;

    for (size_t s = 0; family != NULL && s < family->series_count; s++) {
        const struct metrics_reader_series *series = family->series[s];

        if (family->label_count == 0 || strcmp(series->values[0], signal) != 0)
            continue;
        if (second != NULL && (family->label_count < 2 || strcmp(series->values[1], second) != 0))
            continue;
        sum = (sum < 0 ? 0 : sum) + (family->kind == METRICS_GAUGE
                                         ? metrics_reader_gauge(reader, series)
                                         : (double)metrics_reader_counter(reader, series));
    }
    return sum;
}

/* What the metrics file has counted; negative where there is none that belongs to the spool. */
struct counters {
    double written[SPOOL_SIGNALS], asked[SPOOL_SIGNALS], lost[SPOOL_SIGNALS][AGENT_STATUS_LOSSES];
    double import_waiting[SPOOL_SIGNALS], import_unreadable[SPOOL_SIGNALS];
};

static void read_metrics(struct counters *c)
{
    struct metrics_reader *reader = NULL;

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        c->written[i] = c->asked[i] = c->import_waiting[i] = c->import_unreadable[i] = -1;
        for (int k = 0; k < AGENT_STATUS_LOSSES; k++)
            c->lost[i][k] = -1;
    }
    if (instance_is_one())
        reader = metrics_reader_open(instance_run_dir());
    if (reader != NULL && metrics_reader_refresh(reader) == 0) {
        for (int i = 0; i < SPOOL_SIGNALS; i++) {
            const char *const signal = spool_signal_names[i];

            c->written[i] = counted(reader, FAMILY_SPOOL_WRITTEN, signal, NULL);
            c->asked[i] = counted(reader, FAMILY_EXPORT_REQUESTS, signal, NULL);
            c->import_waiting[i] = counted(reader, FAMILY_IMPORT_WAITING, signal, NULL);
            c->import_unreadable[i] = counted(reader, FAMILY_IMPORT_UNREADABLE, signal, NULL);
            for (int k = 0; k < AGENT_STATUS_LOSSES; k++)
                c->lost[i][k] = counted(reader, FAMILY_SPOOL_DROPPED, signal,
                                        spool_reason((enum spool_result)(k + 1)));
        }
    }
    metrics_reader_close(reader);
}

static int look(struct spool_view *view, const char *dir, bool *moving)
{
    for (int i = 0; i < LOOKS_MAX; i++) {
        struct spool_view after;

        if (spool_view_open(view, dir, instance_run_dir()) != 0)
            return -1;
        for (int k = 0; k < SPOOL_SIGNALS; k++)
            spool_view_count(view, (enum spool_signal)k);
        if (spool_view_open(&after, dir, instance_run_dir()) != 0) {
            spool_view_close(view);
            return -1;
        }
        *moving = after.state.generation != view->state.generation;
        spool_view_close(&after);
        if (!*moving || i == LOOKS_MAX - 1)
            return 0;
        spool_view_close(view);
    }
    return 0;
}

static uint64_t amount(double counted)
{
    return counted > 0 ? (uint64_t)counted : 0;
}

static void find_figures(struct spool_report_signal *r, const struct spool_view_signal *seen,
                         double known, bool moving, uint64_t now_ns)
{
    r->waiting = seen->waiting;
    for (size_t i = 0; i < seen->count; i++) {
        const struct spool_segment *segment = &seen->list[i];

        if (segment->kept)
            continue;
        r->segments++;
        r->waiting_bytes += segment->size - segment->offset;
        r->held += segment->held;
        if (r->at == NULL && segment->offset < segment->size)
            r->at = segment;
    }
    if (r->at == NULL && r->segments > 0)
        r->at = &seen->list[seen->count - 1];
    r->oldest_s = seen->oldest_ns > 0 ? age_s(seen->oldest_ns, now_ns) : -1;
    r->in_rate = r->out_rate = -1;
    r->written = spool_counts_settled(&seen->counts) + seen->waiting;
    r->known = amount(known);
    if (known < 0)
        r->verdict = SPOOL_REPORT_ALONE;
    else if (r->written >= r->known)
        r->verdict = SPOOL_REPORT_BALANCED;
    else
        r->verdict = moving ? SPOOL_REPORT_MOVING : SPOOL_REPORT_MISSING;
}

int spool_report_signals(const struct spool_report *report)
{
    const struct spool_view_signal *const others = &report->view.signals[SPOOL_METRICS];

    return others->count > 0 || others->listing.quarantine_bytes > 0 ||
                   spool_counts_settled(&others->counts) > 0 ||
                   report->signals[SPOOL_METRICS].import_waiting > 0 ||
                   report->signals[SPOOL_METRICS].import_unreadable > 0
               ? SPOOL_SIGNALS
               : SPOOL_OWN_SIGNALS;
}

/* How sending goes. Returns whether something is wrong with it. */
static bool judge_export(struct spool_report *report, int i)
{
    const struct spool_agent *agent = &report->agent;
    const struct agent_status_signal *s = &agent->status.signals[i];
    const char *name = spool_signal_names[i];
    const size_t before = report->wrong_count;
    char text[SPOOL_WORDS_MAX];

    if (agent->state != SPOOL_AGENT_LIVE && !spool_agent_drained(agent))
        return false;
    if (s->nowhere[0] != '\0' && s->mistaken)
        WRONG(report, SPOOL_REPORT_SETTING, "%s", spool_words_mistaken(text, name, s->nowhere));
    else if (s->nowhere[0] != '\0')
        NOTE(report, "%s: nothing is sent, the spool keeps the newest: %s", name, s->nowhere);
    if (s->failing_ms != 0)
        WRONG(report, SPOOL_REPORT_EXPORT, "%s",
              spool_words_failing(text, name, spool_agent_age_s(agent, s->failing_ms), s->endpoint,
                                  s->reason));
    if (s->unanswered_ms != 0)
        WRONG(report, SPOOL_REPORT_EXPORT, "%s",
              spool_words_unanswered(text, name, s->endpoint,
                                     spool_agent_age_s(agent, s->unanswered_ms)));
    if (s->failing_ms == 0 && s->rejected > 0)
        WRONG(report, SPOOL_REPORT_EXPORT, "%s",
              spool_words_rejected(text, name, s->rejected, s->reason));
    return report->wrong_count > before;
}

static void judge_losses(struct spool_report *report, int i)
{
    static const enum spool_report_kind loss_kinds[AGENT_STATUS_LOSSES] = {
        [SPOOL_NO_SPACE - 1] = SPOOL_REPORT_LOSS_FULL,
        [SPOOL_FULL - 1] = SPOOL_REPORT_NO_AGENT,
        [SPOOL_UNWRITABLE - 1] = SPOOL_REPORT_LOSS_RIGHTS,
        [SPOOL_OVERSIZE - 1] = SPOOL_REPORT_LOSS_OVERSIZE};

    for (int k = 0; k < AGENT_STATUS_LOSSES; k++) {
        const struct spool_agent_loss *const loss = &report->agent.lost[i][k];
        char text[SPOOL_WORDS_MAX];

        if (loss->records > 0 && loss->now)
            WRONG(report, loss_kinds[k], "%s",
                  spool_words_losing(text, spool_signal_names[i], loss->age_s, loss->records, k));
        else if (loss->records > 0)
            NOTE(report, "%s: writers have lost %llu records (%s)", spool_signal_names[i],
                 (unsigned long long)loss->records, spool_words_loss(k));
    }
}

/* What the agent has told of the files that other programs write beside the spool. */
static void judge_imports(struct spool_report *report, int i)
{
    const struct spool_report_signal *const r = &report->signals[i];

    if (report->agent.state != SPOOL_AGENT_LIVE)
        return;
    if (r->import_unreadable > 0)
        WRONG(report, SPOOL_REPORT_IMPORT,
              "%s: %llu files of other programs are not read; the agent's messages say why",
              spool_signal_names[i], (unsigned long long)r->import_unreadable);
    if (r->import_waiting > 0)
        NOTE(report, "%s: %llu bytes in files of other programs wait to be taken",
             spool_signal_names[i], (unsigned long long)r->import_waiting);
}

static void judge_agent(struct spool_report *report)
{
    const struct spool_agent *const agent = &report->agent;
    char text[SPOOL_WORDS_MAX];

    if (report->view.agent == SPOOL_VIEW_AGENT_UNKNOWN)
        NOTE(report, "this user can't see whether an agent runs (" SPOOL_FILES_LOCK ")");
    else if (spool_agent_drained(agent))
        NOTE(report, "no agent runs; the spool was drained %.0f s ago",
             spool_agent_age_s(agent, agent->status.ended_ms));
    else if (report->view.agent == SPOOL_VIEW_AGENT_NONE)
        WRONG(report, SPOOL_REPORT_NO_AGENT, "%s", spool_agent_none(agent, text));
    if (report->view.agent == SPOOL_VIEW_AGENT_RUNS && agent->state == SPOOL_AGENT_UNKNOWN) {
        if (agent->error != 0)
            WRONG(report, SPOOL_REPORT_AGENT_ODD,
                  "how sending goes can't be seen: %.300s/" AGENT_STATUS_FILE ": %s",
                  instance_run_dir(), strerror(agent->error));
        else if (!instance_is_one())
            NOTE(report, "how sending goes can't be seen: MICROTRACE_RUN_DIR and "
                         "MICROTRACE_SPOOL_DIR have to be named together");
        else
            WRONG(report, SPOOL_REPORT_AGENT_ODD,
                  "how sending goes can't be seen: %.300s/" AGENT_STATUS_FILE
                  " is not of the agent on this spool",
                  instance_run_dir());
    }
    for (size_t i = 0; agent->state == SPOOL_AGENT_LIVE && i < agent->status.warning_count; i++)
        NOTE(report, "%s", spool_words_setting(text, agent->status.warnings[i]));
}

static void judge_signal(struct spool_report *report, int i, double asked, uint64_t now_ns)
{
    const struct spool_report_signal *r = &report->signals[i];
    const struct spool_view_signal *seen = &report->view.signals[i];
    const struct agent_status_signal *export = &report->agent.status.signals[i];
    const char *name = spool_signal_names[i];
    const uint64_t taken =
        seen->counts.delivered + seen->counts.rejected + seen->counts.quarantined;
    char text[SPOOL_WORDS_MAX];

    const bool told = judge_export(report, i);

    judge_losses(report, i);
    judge_imports(report, i);
    if (report->view.agent == SPOOL_VIEW_AGENT_NONE && r->waiting > 0 &&
        !spool_agent_drained(&report->agent))
        WRONG(report, SPOOL_REPORT_NO_AGENT, "%s: %llu records wait and no agent runs", name,
              (unsigned long long)r->waiting);
    if (report->view.agent == SPOOL_VIEW_AGENT_RUNS && r->oldest_s > WAITING_MAX_S && !told &&
        export->nowhere[0] == '\0') {
        if (report->agent.state == SPOOL_AGENT_UNKNOWN && taken == 0 && asked <= 0)
            NOTE(report,
                 "%s: nothing was ever sent; without an endpoint the spool keeps the newest", name);
        else
            WRONG(report, SPOOL_REPORT_SLOW, "%s", spool_words_slow(text, name, r->oldest_s));
    }
    if (r->verdict == SPOOL_REPORT_MISSING)
        WRONG(report, SPOOL_REPORT_BOOKS,
              "%s: the books lack %llu records: the metrics file has counted %llu as written", name,
              (unsigned long long)(r->known - r->written), (unsigned long long)r->known);
    if (seen->listing.foreign > 0)
        WRONG(report, SPOOL_REPORT_FOREIGN, "%s: %s%s is no spool file, nobody reads it", name,
              seen->listing.first_foreign, seen->listing.foreign > 1 ? " (one of several)" : "");
    for (size_t k = 0; k < seen->count; k++) {
        const struct spool_segment *segment = &seen->list[k];
        char file[SPOOL_FILES_NAME_MAX];

        spool_segment_name(file, (enum spool_signal)i, segment);
        if (segment->unreadable)
            WRONG(report, SPOOL_REPORT_LOSS_RIGHTS, "%s can't be opened by this user", file);
        if (!segment->active && segment->held && age_s(segment->written_ns, now_ns) > HELD_MAX_S)
            NOTE(report, "%s is kept by a writer that has had it open for an hour without writing",
                 file);
    }
    for (int drop = 0; drop < SPOOL_DROPS; drop++) {
        if (seen->counts.dropped[drop] > 0)
            NOTE(report, "%s: %llu records were dropped (%s)", name,
                 (unsigned long long)seen->counts.dropped[drop],
                 spool_counts_reason((enum spool_drop)drop));
    }
    if (seen->listing.quarantine_bytes > 0)
        NOTE(report, "%s: the quarantine file holds %llu bytes of records that nobody could use",
             name, (unsigned long long)seen->listing.quarantine_bytes);
}

static void judge(struct spool_report *report, const double asked[SPOOL_SIGNALS], const char *dir,
                  uint64_t now_ns)
{
    const struct spool_view *view = &report->view;
    struct statvfs disk;

    if (view->checkpoint == CHECKPOINT_CORRUPT)
        WRONG(report, SPOOL_REPORT_CHECKPOINT,
              "the checkpoint is damaged: an agent that starts sends everything again");
    else if (view->checkpoint == CHECKPOINT_MISSING)
        NOTE(report, "there is no checkpoint: no agent has sent anything from here yet");
    judge_agent(report);
    if (statvfs(dir, &disk) == 0 && disk.f_blocks > 0 &&
        disk.f_bavail < disk.f_blocks / 100 * FREE_PERCENT_MIN)
        WRONG(report, SPOOL_REPORT_DISK,
              "the file system is full to %d %%; writers are about to lose records",
              100 - FREE_PERCENT_MIN);
    for (int i = 0; i < spool_report_signals(report); i++)
        judge_signal(report, i, asked[i], now_ns);
}

/* Adds the rates from what the first look found and the second. */
static void find_rates(struct spool_report *report, const struct spool_report *before,
                       double seconds)
{
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct spool_report_signal *now = &report->signals[i];
        const uint64_t out_now = spool_counts_settled(&report->view.signals[i].counts);
        const uint64_t out_then = spool_counts_settled(&before->view.signals[i].counts);

        now->in_rate = now->written > before->signals[i].written
                           ? (double)(now->written - before->signals[i].written) / seconds
                           : 0;
        now->out_rate = out_now > out_then ? (double)(out_now - out_then) / seconds : 0;
    }
}

/* An agent that has just started has the lock before it writes down that it is there. */
static void read_agent(struct spool_report *report,
                       const double lost[SPOOL_SIGNALS][AGENT_STATUS_LOSSES])
{
    const char *const run_dir = instance_is_one() ? instance_run_dir() : NULL;

    for (int i = 0;; i++) {
        spool_agent_read(&report->agent, run_dir, &report->view, lost);
        if (i == STATUS_LOOKS || run_dir == NULL || report->view.agent != SPOOL_VIEW_AGENT_RUNS ||
            report->agent.state != SPOOL_AGENT_UNKNOWN)
            return;
        clock_sleep_ns(clock_ms_to_ns(STATUS_PAUSE_MS));
    }
}

static int look_once(struct spool_report *report, const char *dir, double asked[SPOOL_SIGNALS],
                     uint64_t *now_ns)
{
    struct counters c;
    bool moving = false;

    memset(report, 0, sizeof(*report));
    read_metrics(&c);
    memcpy(asked, c.asked, sizeof(c.asked));
    if (look(&report->view, dir, &moving) != 0)
        return -1;
    *now_ns = clock_unix_ns();
    report->checkpoint_age_s = report->view.checkpoint == CHECKPOINT_VALID
                                   ? age_s(report->view.checkpoint_ns, *now_ns)
                                   : -1;
    for (int i = 0; i < SPOOL_SIGNALS; i++)
        find_figures(&report->signals[i], &report->view.signals[i], c.written[i], moving, *now_ns);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        report->signals[i].import_waiting = amount(c.import_waiting[i]);
        report->signals[i].import_unreadable = amount(c.import_unreadable[i]);
    }
    read_agent(report, c.lost);
    return 0;
}

int spool_report_make(struct spool_report *report, const char *dir, bool rate)
{
    static struct spool_report before;
    double asked[SPOOL_SIGNALS];
    uint64_t now_ns, started_ns = clock_monotonic_ns();

    if (rate) {
        if (look_once(&before, dir, asked, &now_ns) != 0)
            return -1;
        clock_sleep_ns(CLOCK_NS_PER_S);
    }
    if (look_once(report, dir, asked, &now_ns) != 0) {
        if (rate)
            spool_report_free(&before);
        return -1;
    }
    if (rate) {
        find_rates(report, &before, (double)(clock_monotonic_ns() - started_ns) / 1e9);
        spool_report_free(&before);
    }
    judge(report, asked, dir, now_ns);
    return 0;
}

void spool_report_free(struct spool_report *report)
{
    spool_view_close(&report->view);
}
