#include "cli/spool_status.h"

#include "cli/command.h"
#include "cli/instance.h"
#include "cli/spool_report.h"
#include "lib/base/json_writer.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { JSON_MAX = 131072 /* all texts, escaped at worst, and the figures */ };

static const char *const agent_texts[] = {
    [SPOOL_VIEW_AGENT_NONE] = "no agent runs",
    [SPOOL_VIEW_AGENT_RUNS] = "an agent runs",
    [SPOOL_VIEW_AGENT_UNKNOWN] = "whether an agent runs can't be seen",
};

static const char *const checkpoint_texts[] = {
    [CHECKPOINT_VALID] = "valid",
    [CHECKPOINT_MISSING] = "missing",
    [CHECKPOINT_CORRUPT] = "damaged",
};

static const struct {
    const char *json, *people;
} balances[] = {
    [SPOOL_REPORT_BALANCED] = {"balanced", "balance"},
    [SPOOL_REPORT_MISSING] = {"missing", "DO NOT BALANCE"},
    [SPOOL_REPORT_MOVING] = {"moving", "moving too fast to tell"},
    [SPOOL_REPORT_ALONE] = {"alone", "nothing to compare with"},
};

static void row(const char *head, const char cells[SPOOL_SIGNALS][64], int signals)
{
    printf("  %-19s", head);
    for (int i = 0; i < signals; i++)
        printf(" %-28s", cells[i]);
    printf("\n");
}

/* One row of numbers, the same member of all signals. */
#define NUMBERS(head, expression)                                                                  \
    do {                                                                                           \
        for (int i = 0; i < signals; i++) {                                                        \
            const struct spool_report_signal *r = &report->signals[i];                             \
            const struct spool_view_signal *v = &report->view.signals[i];                          \
                                                                                                   \
            (void)r, (void)v;                                                                      \
            (void)snprintf(cells[i], sizeof(cells[i]), "%llu", (unsigned long long)(expression));  \
        }                                                                                          \
        row(head, cells, signals);                                                                 \
    } while (0)

static void rate_text(char cell[64], double rate)
{
    if (rate < 0)
        (void)snprintf(cell, 64, "-");
    else
        (void)snprintf(cell, 64, "%.1f /s", rate);
}

static void print_signals(const struct spool_report *report)
{
    const int signals = spool_report_signals(report);
    char cells[SPOOL_SIGNALS][64];

    for (int i = 0; i < signals; i++)
        (void)snprintf(cells[i], sizeof(cells[i]), "%s", spool_signal_names[i]);
    row("", cells, signals);
    NUMBERS("backlog, records", r->waiting);
    NUMBERS("backlog, bytes", r->waiting_bytes);
    for (int i = 0; i < signals; i++) {
        if (report->signals[i].oldest_s < 0)
            (void)snprintf(cells[i], sizeof(cells[i]), "-");
        else
            (void)snprintf(cells[i], sizeof(cells[i]), "%.1f s", report->signals[i].oldest_s);
    }
    row("oldest waits for", cells, signals);
    for (int i = 0; i < signals; i++)
        rate_text(cells[i], report->signals[i].in_rate);
    row("coming in", cells, signals);
    for (int i = 0; i < signals; i++)
        rate_text(cells[i], report->signals[i].out_rate);
    row("going out", cells, signals);
    for (int i = 0; i < signals; i++)
        (void)snprintf(cells[i], sizeof(cells[i]), "%llu, %llu held by writers",
                       (unsigned long long)report->signals[i].segments,
                       (unsigned long long)report->signals[i].held);
    row("segments", cells, signals);
    NUMBERS("bytes on disk", v->bytes - v->memory_bytes);
    NUMBERS("kept, bytes", v->kept_bytes);
    if (report->view.memory_fd >= 0)
        NUMBERS("bytes in memory", v->memory_bytes);
    for (int i = 0; i < signals; i++) {
        const struct spool_segment *at = report->signals[i].at;

        if (at == NULL)
            (void)snprintf(cells[i], sizeof(cells[i]), "-");
        else
            (void)snprintf(cells[i], sizeof(cells[i]), "%llu of %llu in no. %llu",
                           (unsigned long long)at->offset, (unsigned long long)at->size,
                           (unsigned long long)at->seq);
    }
    row("settled, bytes", cells, signals);
    NUMBERS("written", r->written);
    NUMBERS("  delivered", v->counts.delivered);
    NUMBERS("  rejected", v->counts.rejected);
    NUMBERS("  quarantined", v->counts.quarantined);
    NUMBERS("  dropped: cap", v->counts.dropped[SPOOL_DROP_CAP]);
    NUMBERS("  dropped: torn", v->counts.dropped[SPOOL_DROP_TORN]);
    NUMBERS("  dropped: deleted", v->counts.dropped[SPOOL_DROP_DELETED]);
    NUMBERS("  dropped: not kept", v->counts.dropped[SPOOL_DROP_UNKEPT]);
    for (int i = 0; i < signals; i++)
        (void)snprintf(cells[i], sizeof(cells[i]), "%s",
                       balances[report->signals[i].verdict].people);
    row("books", cells, signals);
    NUMBERS("quarantine, bytes", v->listing.quarantine_bytes);
}

/* For texts that others chose. */
static void say(const char *text)
{
    printable_write(stdout, text, strlen(text));
}

/* How the last export of each signal went, a line for each. */
static void print_exports(const struct spool_agent *agent, int signals)
{
    const char *const verb = agent->state == SPOOL_AGENT_LIVE ? "are" : "were";

    for (int i = 0; i < signals && agent->state != SPOOL_AGENT_UNKNOWN; i++) {
        const struct agent_status_signal *const s = &agent->status.signals[i];

        if (s->nowhere[0] != '\0') {
            printf("%s %s sent nowhere: ", spool_signal_names[i], verb);
            say(s->nowhere);
            printf("\n");
            continue;
        }
        printf("%s %s sent to ", spool_signal_names[i], verb);
        say(s->endpoint);
        if (s->result_ms == 0) {
            printf(": nothing yet");
        } else {
            printf(": %.1f s ago ", spool_agent_age_s(agent, s->result_ms));
            say(s->reason);
        }
        if (agent->state == SPOOL_AGENT_LIVE && s->next_ms > agent->now_ms)
            printf("; next try in %.1f s", (double)(s->next_ms - agent->now_ms) / 1e3);
        printf("\n");
    }
}

static void print_texts(const char *head, const char texts[][SPOOL_REPORT_TEXT_MAX], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s", head);
        say(texts[i]);
        printf("\n");
    }
}

static void print_people(const struct spool_report *report, const char *dir)
{
    say(dir);
    printf(": %s; ", agent_texts[report->view.agent]);
    if (report->view.checkpoint == CHECKPOINT_VALID)
        printf("checkpoint number %llu, %.1f s old\n",
               (unsigned long long)report->view.state.generation, report->checkpoint_age_s);
    else
        printf("%s\n", report->view.checkpoint == CHECKPOINT_MISSING ? "no checkpoint yet"
                                                                     : "the checkpoint is damaged");
    print_signals(report);
    print_exports(&report->agent, spool_report_signals(report));
    print_texts("note: ", report->notes, report->note_count);
    print_texts("wrong: ", report->wrong, report->wrong_count);
    if (report->wrong_count == 0)
        printf("Nothing is wrong.\n");
}

/* A negative value stands for "not known". */
static void known(struct json_writer *w, const char *key, double value)
{
    json_writer_key(w, key);
    if (value < 0)
        json_writer_null(w);
    else
        json_writer_double(w, value);
}

static void key_true(struct json_writer *w, const char *key)
{
    json_writer_key_bool(w, key, true);
}

static void write_segments(struct json_writer *w, enum spool_signal signal,
                           const struct spool_view_signal *seen)
{
    json_writer_key(w, "segments");
    json_writer_begin_array(w);
    for (size_t i = 0; i < seen->count && w->len < JSON_MAX / 2; i++) {
        const struct spool_segment *segment = &seen->list[i];
        char file[SPOOL_FILES_NAME_MAX];

        spool_segment_name(file, signal, segment);
        json_writer_begin_object(w);
        json_writer_key_string(w, "file", file);
        json_writer_key_uint(w, "number", segment->seq);
        json_writer_key_uint(w, "bytes", segment->size);
        json_writer_key_uint(w, "settled_bytes", segment->offset);
        json_writer_key_uint(w, "backlog_records", segment->pending);
        json_writer_key_bool(w, "held", segment->held);
        if (segment->in_memory)
            key_true(w, "in_memory");
        if (segment->kept)
            key_true(w, "kept");
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void write_export(struct json_writer *w, const struct spool_agent *agent,
                         enum spool_signal signal)
{
    const struct agent_status_signal *const s = &agent->status.signals[signal];
    static const char *const states[] = {[SPOOL_AGENT_UNKNOWN] = "unknown",
                                         [SPOOL_AGENT_LIVE] = "live",
                                         [SPOOL_AGENT_ENDED] = "ended",
                                         [SPOOL_AGENT_DIED] = "died"};
    const double until_next = s->next_ms > agent->now_ms ? (double)(s->next_ms - agent->now_ms) : 0;

    json_writer_key(w, "export");
    json_writer_begin_object(w);
    json_writer_key_string(w, "agent", states[agent->state]);
    json_writer_key_string(w, "endpoint", s->endpoint);
    json_writer_key_string(w, "nowhere", s->nowhere);
    json_writer_key_string(w, "code", s->code);
    json_writer_key_string(w, "reason", s->reason);
    known(w, "age_seconds", spool_agent_age_s(agent, s->result_ms));
    known(w, "failing_seconds", spool_agent_age_s(agent, s->failing_ms));
    known(w, "next_try_seconds", s->next_ms != 0 ? until_next / 1e3 : -1);
    known(w, "unanswered_seconds", spool_agent_age_s(agent, s->unanswered_ms));
    json_writer_end_object(w);
}

static void write_losses(struct json_writer *w, const struct spool_agent_loss *losses)
{
    json_writer_key(w, "writers_lost");
    json_writer_begin_object(w);
    for (int i = 0; i < AGENT_STATUS_LOSSES; i++) {
        json_writer_key(w, spool_reason((enum spool_result)(i + 1)));
        json_writer_begin_object(w);
        json_writer_key_uint(w, "records", losses[i].records);
        known(w, "age_seconds", losses[i].records > 0 ? losses[i].age_s : -1);
        json_writer_key_bool(w, "now", losses[i].now);
        json_writer_end_object(w);
    }
    json_writer_end_object(w);
}

static void write_signal(struct json_writer *w, const struct spool_report *report,
                         enum spool_signal signal)
{
    const struct spool_report_signal *r = &report->signals[signal];
    const struct spool_view_signal *seen = &report->view.signals[signal];

    json_writer_begin_object(w);
    json_writer_key_uint(w, "backlog_records", r->waiting);
    json_writer_key_uint(w, "backlog_bytes", r->waiting_bytes);
    known(w, "oldest_age_seconds", r->oldest_s);
    known(w, "in_per_second", r->in_rate);
    known(w, "out_per_second", r->out_rate);
    json_writer_key_uint(w, "bytes", seen->bytes);
    json_writer_key_uint(w, "memory_bytes", seen->memory_bytes);
    json_writer_key_uint(w, "kept_bytes", seen->kept_bytes);
    json_writer_key_uint(w, "segment_count", r->segments);
    write_segments(w, signal, seen);
    json_writer_key_uint(w, "written", r->written);
    json_writer_key_uint(w, "delivered", seen->counts.delivered);
    json_writer_key_uint(w, "rejected", seen->counts.rejected);
    json_writer_key_uint(w, "quarantined", seen->counts.quarantined);
    json_writer_key(w, "dropped");
    json_writer_begin_object(w);
    for (int drop = 0; drop < SPOOL_DROPS; drop++)
        json_writer_key_uint(w, spool_counts_reason((enum spool_drop)drop),
                             seen->counts.dropped[drop]);
    json_writer_end_object(w);
    json_writer_key_string(w, "books", balances[r->verdict].json);
    json_writer_key_uint(w, "quarantine_bytes", seen->listing.quarantine_bytes);
    json_writer_key_uint(w, "import_waiting_bytes", r->import_waiting);
    json_writer_key_uint(w, "import_unreadable_files", r->import_unreadable);
    write_export(w, &report->agent, signal);
    write_losses(w, report->agent.lost[signal]);
    json_writer_end_object(w);
}

static void write_texts(struct json_writer *w, const char *key,
                        const char texts[][SPOOL_REPORT_TEXT_MAX], size_t count)
{
    json_writer_key(w, key);
    json_writer_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_writer_string(w, texts[i]);
    json_writer_end_array(w);
}

static int print_json(const struct spool_report *report, const char *dir)
{
    static char text[JSON_MAX];
    struct json_writer w;

    json_writer_init(&w, text, sizeof(text));
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "spool", dir);
    json_writer_key(&w, "agent_running");
    if (report->view.agent == SPOOL_VIEW_AGENT_UNKNOWN)
        json_writer_null(&w);
    else
        json_writer_bool(&w, report->view.agent == SPOOL_VIEW_AGENT_RUNS);
    json_writer_key(&w, "checkpoint");
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "state", checkpoint_texts[report->view.checkpoint]);
    json_writer_key_uint(&w, "generation", report->view.state.generation);
    known(&w, "age_seconds", report->checkpoint_age_s);
    json_writer_end_object(&w);
    json_writer_key(&w, "signals");
    json_writer_begin_object(&w);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        json_writer_key(&w, spool_signal_names[i]);
        write_signal(&w, report, (enum spool_signal)i);
    }
    json_writer_end_object(&w);
    write_texts(&w, "notes", report->notes, report->note_count);
    write_texts(&w, "wrong", report->wrong, report->wrong_count);
    json_writer_end_object(&w);
    if (w.overflow) {
        printable_error("microtrace spool status: too much to say");
        return COMMAND_FAILED;
    }
    printf("%.*s\n", (int)w.len, text);
    return COMMAND_OK;
}

int spool_status_run(const struct spool_status_options *options)
{
    static struct spool_report report;
    const char *dir = instance_spool_dir();
    int result = COMMAND_OK;

    if (spool_report_make(&report, dir, options->rate) != 0) {
        printable_error("microtrace spool: %s: %s%s", dir, strerror(errno),
                        instance_hint(errno == ENOENT));
        return COMMAND_FAILED;
    }
    if (options->json)
        result = print_json(&report, dir);
    else
        print_people(&report, dir);
    if (report.wrong_count > 0)
        result = COMMAND_FAILED;
    spool_report_free(&report);
    return result;
}
