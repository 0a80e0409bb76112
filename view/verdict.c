#include "view/verdict.h"

#include "view/figure.h"
#include "view/spool_words.h"
#include "view/waiting.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FIGURE_MAX = 48,
    WAITING_MAX_S = 60, /* as cli/spool_report.c: that a record may wait with an agent at work */
    LOSING_S = 60,      /* as cli/spool_agent.c: a loss this young may go on */
    MINUTE_S = 60,
    HOUR_S = 3600,
    DAY_S = 86400,
};

/* The shares of failed requests that count: of a fast burn, as dashboards/rules has it; a tenth. */
static const double share_warning = 14.4 * 0.001, share_wrong = 0.1;

static const double queue_long_s = 0.1;

/* For a person: the request of the README. */
static const char first_request[] = "curl -X POST http://localhost:8000/analyze "
                                    "-H 'Content-Type: application/json' "
                                    "-d '{\"a\": 10.5, \"b\": 3.5}'";

/* The worst come first, and push others out where there is no room for all. */
__attribute__((format(printf, 4, 5))) static void add(struct verdict *v, enum verdict_level level,
                                                      const char *mend, const char *format, ...)
{
    struct verdict_problem *problem;
    size_t at = v->problem_count;
    va_list arguments;

    while (at > 0 && v->problems[at - 1].level < level)
        at--;
    if (at == VERDICT_PROBLEMS_MAX)
        return;
    if (v->problem_count == VERDICT_PROBLEMS_MAX)
        v->problem_count--;
    problem = &v->problems[at];
    memmove(problem + 1, problem, (v->problem_count - at) * sizeof(*problem));
    v->problem_count++;
    problem->level = level;
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
    (void)snprintf(problem->mend, sizeof(problem->mend), "%s", mend);
    if (level > v->level)
        v->level = level;
}

/* Coarse, since it is a guess or goes on, and in ASCII, for a terminal's sake. */
static const char *time_text(char out[FIGURE_MAX], double seconds)
{
    if (seconds < 0.01)
        (void)snprintf(out, FIGURE_MAX, "%.1f ms", seconds * 1e3);
    else if (seconds < 1)
        (void)snprintf(out, FIGURE_MAX, "%.0f ms", seconds * 1e3);
    else if (seconds < 10)
        (void)snprintf(out, FIGURE_MAX, "%.1f s", seconds);
    else if (seconds < 2 * MINUTE_S)
        (void)snprintf(out, FIGURE_MAX, "%.0f s", seconds);
    else if (seconds < 2 * HOUR_S)
        (void)snprintf(out, FIGURE_MAX, "%.0f min", seconds / MINUTE_S);
    else if (seconds < 2 * DAY_S)
        (void)snprintf(out, FIGURE_MAX, "%.0f h", seconds / HOUR_S);
    else
        (void)snprintf(out, FIGURE_MAX, "%.0f days", seconds / DAY_S);
    return out;
}

static double since_s(const struct overview *overview, uint64_t at_ms)
{
    const uint64_t now_ms = overview->at_ns / 1000000;

    return now_ms > at_ms ? (double)(now_ms - at_ms) / 1e3 : 0;
}

static void judge_losses(struct verdict *v, const struct overview *overview, const char *name,
                         const struct agent_status_signal *s)
{
    char text[SPOOL_WORDS_MAX], mend[SPOOL_WORDS_MAX] = "microtrace doctor";

    for (int k = 0; k < AGENT_STATUS_LOSSES; k++) {
        const struct agent_status_loss *const loss = &s->lost[k];

        if (loss->records == 0 || loss->grown_ms == 0 ||
            since_s(overview, loss->grown_ms) >= LOSING_S)
            continue;
        if (k == SPOOL_OVERSIZE - 1)
            (void)snprintf(mend, sizeof(mend), "microtrace %s", spool_words_oversize);
        add(v, VERDICT_WRONG, mend, "%s",
            spool_words_losing(text, name, since_s(overview, loss->grown_ms), loss->records, k));
    }
}

/* How the exports of a signal go. */
static void judge_signal(struct verdict *v, const struct overview *overview,
                         const struct agent_status *status, int i)
{
    const struct agent_status_signal *const s = &status->signals[i];
    const char *const name = spool_signal_names[i];
    char text[SPOOL_WORDS_MAX], probe[SPOOL_WORDS_MAX], check[SPOOL_WORDS_MAX];
    const size_t before = v->problem_count;

    (void)snprintf(probe, sizeof(probe), "metrics-agent %s", spool_words_probe);
    (void)snprintf(check, sizeof(check), "metrics-agent %s", spool_words_check);
    if (s->nowhere[0] != '\0' && s->mistaken)
        add(v, VERDICT_WRONG, check, "%s", spool_words_mistaken(text, name, s->nowhere));
    if (s->failing_ms != 0)
        add(v, VERDICT_WRONG, probe, "%s",
            spool_words_failing(text, name, since_s(overview, s->failing_ms), s->endpoint,
                                s->reason));
    if (s->unanswered_ms != 0)
        add(v, VERDICT_WRONG, probe, "%s",
            spool_words_unanswered(text, name, s->endpoint, since_s(overview, s->unanswered_ms)));
    if (s->failing_ms == 0 && s->rejected > 0)
        add(v, VERDICT_WRONG, probe, "%s",
            spool_words_rejected(text, name, s->rejected, s->reason));
    if (v->problem_count == before && s->endpoint[0] != '\0' &&
        overview->signals[i].oldest_s > WAITING_MAX_S)
        add(v, VERDICT_WARNING, "microtrace doctor", "%s",
            spool_words_slow(text, name, overview->signals[i].oldest_s));
    judge_losses(v, overview, name, s);
}

/* What the programs say of themselves. */
static void judge_programs(struct verdict *v, const struct overview *o)
{
    const unsigned minutes = o->range_s / MINUTE_S;
    char text[FIGURE_MAX];

    if (o->requests > 0 && o->server_errors / o->requests >= share_warning)
        add(v, o->server_errors / o->requests >= share_wrong ? VERDICT_WRONG : VERDICT_WARNING,
            "microtrace view --errors", "%.1f %% of the requests of the last %u minutes failed",
            100 * o->server_errors / o->requests, minutes);
    if (o->died >= 0.5)
        add(v, VERDICT_WARNING, "microtrace spool tail --no-follow",
            "processes that were killed or crashed in the last %u minutes: %s", minutes,
            figure_count(round(o->died)).text);
    if (o->busy > 0 && o->idle <= 0 && o->queue_p95_s >= queue_long_s)
        add(v, VERDICT_WARNING, "", "all processes are busy, and requests wait %s for one (p95)",
            time_text(text, o->queue_p95_s));
    for (size_t i = 0; i < o->program_count; i++) {
        const struct overview_program *const p = &o->programs[i];

        if (p->last_failure_s > p->last_success_s)
            add(v, VERDICT_WARNING, "microtrace view --errors", "the last run of %s failed",
                p->name);
    }
    if (o->breaker_used && o->breaker == 1)
        add(v, VERDICT_WARNING, "microtrace breaker status",
            "the breaker is open: the downstream service is not called");
    if (o->chaos_on)
        add(v, VERDICT_WARNING, "microtrace chaos off",
            "chaos is on: %.0f %% delayed, %.0f %% fail, %.0f %% end their process",
            100 * o->chaos_probability, 100 * o->chaos_error_rate, 100 * o->chaos_abort_rate);
}

static void judge_drops(struct verdict *v, const struct overview *o)
{
    for (size_t i = 0; i < o->drop_count; i++) {
        const struct overview_drop *const drop = &o->drops[i];

        /* The others are the writers' losses, told above. */
        if (drop->lately >= 0.5 && strcmp(drop->reason, "cap") == 0)
            add(v, VERDICT_WARNING, "microtrace spool status",
                "the spool was full: %s records were dropped for newer ones in the last %u minutes",
                figure_count(round(drop->lately)).text, o->range_s / MINUTE_S);
    }
}

__attribute__((format(printf, 2, 3))) static void append(struct verdict *v, const char *format, ...)
{
    const size_t len = strlen(v->sentence);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(v->sentence + len, sizeof(v->sentence) - len, format, arguments);
    va_end(arguments);
}

/* ", 1,100 records wait, room for 4 h" */
static void append_waiting(struct verdict *v, const struct overview *o)
{
    double room_s = INFINITY, waiting = waiting_of(o).records;
    char text[FIGURE_MAX];

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        /* NAN is less than nothing. */
        if (o->signals[i].full_in_s < room_s)
            room_s = o->signals[i].full_in_s;
    }
    if (waiting > 0)
        append(v, ", %s records wait", figure_count(waiting).text);
    if (waiting > 0 && isfinite(room_s))
        append(v, ", room for %s", time_text(text, room_s));
}

/* "collector hangs 48 s"; returns whether there is such a trouble. */
static bool say_collector(struct verdict *v, const struct overview *o,
                          const struct agent_status *status)
{
    uint64_t failing_ms = 0, unanswered_ms = 0;
    char text[FIGURE_MAX];

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct agent_status_signal *const s = &status->signals[i];

        if (s->failing_ms != 0 && (failing_ms == 0 || s->failing_ms < failing_ms))
            failing_ms = s->failing_ms;
        if (s->unanswered_ms != 0 && (unanswered_ms == 0 || s->unanswered_ms < unanswered_ms))
            unanswered_ms = s->unanswered_ms;
    }
    if (failing_ms == 0 && unanswered_ms == 0)
        return false;
    if (failing_ms != 0)
        append(v, "The collector fails for %s", time_text(text, since_s(o, failing_ms)));
    else
        append(v, "The collector hangs for %s", time_text(text, since_s(o, unanswered_ms)));
    append_waiting(v, o);
    return true;
}

static bool sends(const struct agent_status *status)
{
    for (int i = 0; status != NULL && i < SPOOL_SIGNALS; i++) {
        if (status->signals[i].endpoint[0] != '\0')
            return true;
    }
    return false;
}

static void say_well(struct verdict *v, const struct overview *o, const struct agent_status *status)
{
    const double processes = o->busy + o->idle;
    char text[FIGURE_MAX];

    append(v, "All is well: %s requests/s", figure_count(o->rate > 0 ? o->rate : 0).text);
    /* 100 % is said only where all were good. */
    if (o->good_share >= 0 && o->good_share < 1)
        append(v, ", %.1f %% good", floor(o->good_share * 1000) / 10);
    else if (o->good_share >= 1)
        append(v, ", 100 %% good");
    if (o->p95_s >= 0)
        append(v, ", p95 %s", time_text(text, o->p95_s));
    if (processes > 0)
        append(v, ", %s process%s", figure_count(processes).text, processes == 1 ? "" : "es");
    if (!sends(status)) {
        append(v, ", nothing is sent: no endpoint is set");
        return;
    }
    if (waiting_of(o).records > 0)
        append_waiting(v, o);
    else
        append(v, ", nothing waits to be sent");
}

void verdict_make(struct verdict *verdict, const struct overview *overview,
                  const struct agent_status *status, const char *agent)
{
    char text[SPOOL_WORDS_MAX];

    memset(verdict, 0, sizeof(*verdict));
    if (agent[0] != '\0')
        add(verdict, VERDICT_WRONG, "microtrace doctor", "%s", agent);
    if (overview->problem[0] != '\0' && overview->at_ns != 0)
        add(verdict, VERDICT_WRONG, "microtrace doctor", "%s", overview->problem);
    for (int i = 0; status != NULL && i < SPOOL_SIGNALS; i++)
        judge_signal(verdict, overview, status, i);
    judge_programs(verdict, overview);
    judge_drops(verdict, overview);
    for (size_t i = 0; status != NULL && i < status->warning_count; i++) {
        char check[SPOOL_WORDS_MAX];

        (void)snprintf(check, sizeof(check), "metrics-agent %s", spool_words_check);
        add(verdict, VERDICT_WARNING, check, "%s", spool_words_setting(text, status->warnings[i]));
    }
    if (verdict->level != VERDICT_WELL) {
        /* What the agent itself says comes first, and then the collector, in fewer words. */
        if (agent[0] != '\0' || overview->problem[0] != '\0' || status == NULL ||
            !say_collector(verdict, overview, status))
            append(verdict, "%s", verdict->problems[0].text);
        return;
    }
    if (overview->at_ns == 0) {
        append(verdict, "Nothing was read yet");
    } else if (overview->requests > 0 || overview->rate > 0 || overview->program_count > 0) {
        say_well(verdict, overview, status);
    } else {
        append(verdict, "No requests yet");
        add(verdict, VERDICT_WELL, first_request,
            "No requests in the last %u minutes. This makes one, where the demo service runs on "
            "port 8000:",
            overview->range_s / MINUTE_S);
    }
}
