/*
 * Made-up instances for the page: one that is well, one without a request, one where much is wrong,
 * and one whose every text is hostile.
 */
#ifndef TESTS_UNIT_PAGE_FIXTURE_H
#define TESTS_UNIT_PAGE_FIXTURE_H

#include "metrics-agent/page/page_overview.h"
#include "metrics-agent/page/page_search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct page_fixture {
    struct overview overview;
    struct verdict verdict;
    struct page_agent agent;
    struct page_query query;
};

enum page_fixture_kind { FIXTURE_WELL, FIXTURE_EMPTY, FIXTURE_BROKEN, FIXTURE_HOSTILE, FIXTURES };

static const char *const page_fixture_names[FIXTURES] = {"well", "empty", "broken", "hostile"};

/* Markup, script, quotes, an entity, a terminal's escape, bidirectional and C1 controls, bytes that
 * are not UTF-8. */
static const char page_fixture_hostile[] =
    "\"'><script>x()</script>&amp;\x1b[31m\x01\x7f\xe2\x80\xae\xe2\x81\xa6\xc2\x9b\xff\n";

/* The same noise on each run. */
static inline double page_fixture_noise(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)(*state >> 8) / (double)(1u << 24);
}

static inline void page_fixture_line(struct overview_line *line, double level, double swing,
                                     unsigned known, unsigned seed)
{
    for (unsigned i = 0; i < OVERVIEW_POINTS; i++) {
        const double wave = sin((double)i / 9 + (double)(seed % 7));

        line->points[i] = i < OVERVIEW_POINTS - known
                              ? NAN
                              : (float)(level + swing * (wave + page_fixture_noise(&seed) - 0.5));
        if (line->points[i] < 0)
            line->points[i] = 0;
    }
}

static inline void page_fixture_heat(struct overview *o, unsigned known, double rate, bool slow)
{
    static const double shape[OVERVIEW_BUCKETS] = {0.22, 0.55, 0.12, 0.06, 0.03, 0.015, 0.004};
    unsigned seed = 5;

    for (unsigned p = OVERVIEW_POINTS - known; p < OVERVIEW_POINTS; p++) {
        for (unsigned b = 0; b < OVERVIEW_BUCKETS; b++)
            o->heat[p][b] = (float)floor(rate * 15 * shape[b] * (0.5 + page_fixture_noise(&seed)));
        if (slow && p % 3 != 0)
            o->heat[p][10] = (float)floor(rate * page_fixture_noise(&seed));
    }
}

static inline void page_fixture_route(struct overview *o, const char *method, const char *path,
                                      double rate, double client, double server, double p95)
{
    struct overview_route *route = &o->routes[o->route_count];

    (void)snprintf(route->method, sizeof(route->method), "%s", method);
    (void)snprintf(route->path, sizeof(route->path), "%s", path);
    route->rate = rate;
    route->client_errors = client;
    route->server_errors = server;
    route->p95_s = p95;
    route->slowest_s = p95 * 10;
    page_fixture_line(&route->rates, rate, rate / 3, OVERVIEW_POINTS, 3 + (unsigned)o->route_count);
    o->route_count++;
}

static inline void page_fixture_process(struct overview *o, unsigned pid, const char *name,
                                        bool busy, bool died)
{
    struct overview_process *process = &o->processes[o->process_count++];

    process->pid = pid;
    process->busy = busy;
    process->worker = true;
    process->died = died;
    process->since_ns = o->at_ns - (busy ? 40000000ull : 7200ull * 1000000000);
    process->resident_bytes = died ? 0 : 4400000 + pid * 100;
    (void)snprintf(process->name, sizeof(process->name), "%s", name);
    o->processes_all = o->process_count;
}

static inline void page_fixture_program(struct overview *o, const char *name, double busy,
                                        double idle, double runs, double failures)
{
    struct overview_program *program = &o->programs[o->program_count];

    (void)snprintf(program->name, sizeof(program->name), "%s", name);
    program->busy = busy;
    program->idle = idle;
    program->runs = runs;
    program->failures = failures;
    program->run_p95_s = runs > 0 ? 41 : NAN;
    if (runs > 0) {
        program->last_success_s = (double)o->at_ns / 1e9 - 900;
        program->last_failure_s = failures > 0 ? (double)o->at_ns / 1e9 - 300 : 0;
    }
    page_fixture_line(&program->activity, isnan(busy) ? 0 : busy, 1, OVERVIEW_POINTS, 9);
    o->program_count++;
}

static inline void page_fixture_unknown(struct overview *o)
{
    struct overview_line *const lines[] = {
        &o->rates, &o->server_error_shares, &o->p50s,   &o->p95s,
        &o->p99s,  &o->queue_p95s,          &o->busies, &o->workers,
        &o->deaths};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        page_fixture_line(lines[i], 0, 0, 0, 1);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        page_fixture_line(&o->signals[i].backlogs, 0, 0, 0, 1);
        o->signals[i].full_in_s = INFINITY;
    }
    o->good_share = o->p50_s = o->p95_s = o->p99_s = o->queue_p95_s = NAN;
    o->range_p50_s = o->range_p95_s = o->range_p99_s = NAN;
}

static inline void page_fixture_problem(struct verdict *v, enum verdict_level level,
                                        const char *text, const char *mend)
{
    struct verdict_problem *problem = &v->problems[v->problem_count++];

    problem->level = level;
    (void)snprintf(problem->text, sizeof(problem->text), "%s", text);
    (void)snprintf(problem->mend, sizeof(problem->mend), "%s", mend);
}

static inline void page_fixture_signal(struct overview_signal *signal, uint64_t written,
                                       uint64_t backlog, uint64_t dropped)
{
    signal->written = written;
    signal->backlog = backlog;
    signal->dropped = dropped;
    signal->delivered = written - backlog - dropped;
    signal->written_rate = 86;
    signal->delivered_rate = backlog > 100 ? 0 : 86;
    signal->oldest_s = backlog > 100 ? 48 : backlog > 0 ? 0.02 : 0;
    signal->limit_bytes = 134217728;
    signal->bytes = (double)backlog * 20000;
    signal->kept_bytes = 41000000;
    signal->full_in_s = backlog > 100 ? 14400 : INFINITY;
    page_fixture_line(&signal->backlogs, backlog > 100 ? (double)backlog / 2 : 1, 1,
                      OVERVIEW_POINTS, 11);
}

static inline void page_fixture_busy(struct page_fixture *f, bool broken)
{
    struct overview *o = &f->overview;
    const unsigned known = broken ? 41 : OVERVIEW_POINTS;

    o->known_s = known * 15;
    o->rate = 43.2;
    o->good_share = broken ? 0.942 : 0.9994;
    o->p50_s = 0.00018;
    o->p95_s = broken ? 0.153 : 0.00024;
    o->p99_s = broken ? 0.19 : 0.0041;
    o->queue_p95_s = 0.0002;
    o->busy = broken ? 4 : 1;
    o->idle = broken ? 0 : 3;
    o->requests = 38880;
    o->client_errors = 1940;
    o->server_errors = broken ? 2255 : 12;
    o->abandoned = 3;
    o->died = broken ? 1 : 0;
    page_fixture_line(&o->rates, 43, 8, known, 1);
    page_fixture_line(&o->server_error_shares, broken ? 0.05 : 0.0003, broken ? 0.02 : 0.0003,
                      known, 2);
    page_fixture_line(&o->p50s, 0.00018, 0.00002, known, 3);
    page_fixture_line(&o->p95s, broken ? 0.12 : 0.00028, broken ? 0.05 : 0.00005, known, 4);
    page_fixture_line(&o->p99s, broken ? 0.16 : 0.004, broken ? 0.03 : 0.002, known, 5);
    page_fixture_line(&o->queue_p95s, 0.0003, 0.0001, known, 6);
    page_fixture_line(&o->busies, o->busy, 1, known, 7);
    page_fixture_line(&o->deaths, 0, 0, known, 8);
    if (broken)
        o->deaths.points[OVERVIEW_POINTS - 4] = 1;
    page_fixture_heat(o, known, 43, broken);
    page_fixture_route(o, "POST", "/analyze", 41.1, 2.1, broken ? 2.5 : 0.01, o->p95_s);
    page_fixture_route(o, "GET", "/shop/index.php", 1.6, 0, 0, 0.034);
    page_fixture_route(o, "GET", "/cgi-bin/report.cgi", 0.4, 0.01, 0, 0.41);
    page_fixture_route(o, "GET", "_OTHER", 0.1, 0.1, 0, 0.0002);
    (void)snprintf(o->errors[0].kind, sizeof(o->errors[0].kind), "ValidationError");
    o->errors[0].count = 1940;
    page_fixture_line(&o->errors[0].rates, 2, 1, known, 21);
    o->error_count = 1;
    if (broken) {
        (void)snprintf(o->errors[1].kind, sizeof(o->errors[1].kind), "ChaosError");
        o->errors[1].count = 2255;
        page_fixture_line(&o->errors[1].rates, 2.5, 1, known, 22);
        o->error_count = 2;
    }
    page_fixture_program(o, "microtrace", o->busy, o->idle, 0, 0);
    page_fixture_program(o, "microtrace-cgi", 0, 4, 0, 0);
    page_fixture_program(o, "backup", NAN, NAN, 3, broken ? 1 : 0);
    for (unsigned i = 0; i < 4; i++)
        page_fixture_process(o, 4211 + i, "microtrace", broken || i == 1, false);
    if (broken)
        page_fixture_process(o, 4198, "microtrace", false, true);
    for (unsigned i = 0; i < 4; i++)
        page_fixture_process(o, 4301 + i, "microtrace-cgi", false, false);
    page_fixture_signal(&o->signals[SPOOL_TRACES], 1840233, broken ? 1100 : 2, broken ? 17 : 0);
    page_fixture_signal(&o->signals[SPOOL_LOGS], 2760349, broken ? 1650 : 3, 0);
    if (broken) {
        (void)snprintf(o->drops[0].reason, sizeof(o->drops[0].reason), "no_space");
        o->drops[0].records = 17;
        o->drops[0].lately = 17;
        o->drop_count = 1;
        o->chaos_on = true;
        o->chaos_probability = 0.2;
        o->chaos_error_rate = 0.05;
        o->chaos_injected = 7733;
    }
    o->breaker_used = broken;
    o->breaker = broken;
    o->calls = broken ? 120 : 0;
    o->call_failures = broken ? 120 : 0;
}

static inline void page_fixture_hostility(struct page_fixture *f)
{
    struct overview *o = &f->overview;
    const char *const evil = page_fixture_hostile;

    (void)snprintf(o->problem, sizeof(o->problem), "%s", evil);
    for (size_t i = 0; i < o->route_count; i++) {
        (void)snprintf(o->routes[i].method, OVERVIEW_NAME_MAX, "%s", evil);
        (void)snprintf(o->routes[i].path, OVERVIEW_NAME_MAX, "/%c%s", (char)('a' + i), evil);
    }
    for (size_t i = 0; i < o->error_count; i++)
        (void)snprintf(o->errors[i].kind, OVERVIEW_NAME_MAX, "%s", evil);
    for (size_t i = 0; i < o->program_count; i++)
        (void)snprintf(o->programs[i].name, OVERVIEW_NAME_MAX, "%s", evil);
    for (size_t i = 0; i < o->process_count; i++)
        (void)snprintf(o->processes[i].name, OVERVIEW_NAME_MAX, "%s", evil);
    for (size_t i = 0; i < o->drop_count; i++)
        (void)snprintf(o->drops[i].reason, OVERVIEW_NAME_MAX, "%s", evil);
    (void)snprintf(f->verdict.sentence, sizeof(f->verdict.sentence), "%s", evil);
    for (size_t i = 0; i < f->verdict.problem_count; i++) {
        (void)snprintf(f->verdict.problems[i].text, VERDICT_TEXT_MAX, "%s", evil);
        (void)snprintf(f->verdict.problems[i].mend, VERDICT_TEXT_MAX, "%s", evil);
    }
    f->agent.version = evil;
    for (int i = 0; i < SPOOL_SIGNALS; i++)
        f->agent.results[i] = f->agent.endpoints[i] = evil;
    (void)snprintf(f->query.find, sizeof(f->query.find), "%s", evil);
    (void)snprintf(f->query.trace, sizeof(f->query.trace), "%s", evil);
}

static inline void page_fixture_fill(struct page_fixture *f, enum page_fixture_kind kind)
{
    memset(f, 0, sizeof(*f));
    f->query.minutes = 15;
    f->agent.version = "0.1.0";
    f->overview.range_s = 900;
    f->overview.at_ns = 1795805412ull * 1000000000;
    f->overview.sequence = 1234;
    f->agent.started_ns = f->overview.at_ns - 11100ull * 1000000000;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        f->agent.results[i] = i == SPOOL_METRICS ? "" : "200 OK 0.2 s ago";
        f->agent.endpoints[i] = "http://127.0.0.1:4318";
    }
    page_fixture_unknown(&f->overview);
    if (kind == FIXTURE_EMPTY) {
        f->overview.known_s = 20;
        page_fixture_line(&f->overview.rates, 0, 0, 2, 1);
        (void)snprintf(f->verdict.sentence, sizeof(f->verdict.sentence),
                       "All is well: no request yet, 4 processes, nothing waits to be sent");
        for (unsigned i = 0; i < 4; i++)
            page_fixture_process(&f->overview, 4211 + i, "microtrace", false, false);
        f->overview.idle = 4;
        for (int i = 0; i < SPOOL_SIGNALS; i++)
            f->agent.results[i] = f->agent.endpoints[i] = "";
        return;
    }
    page_fixture_busy(f, kind != FIXTURE_WELL);
    if (kind == FIXTURE_WELL) {
        (void)snprintf(f->verdict.sentence, sizeof(f->verdict.sentence),
                       "All is well: 43 requests/s, 99.9 %% good, p95 0.2 ms, 4 processes, nothing "
                       "waits to be sent");
        return;
    }
    f->verdict.level = VERDICT_WRONG;
    (void)snprintf(
        f->verdict.sentence, sizeof(f->verdict.sentence),
        "Wrong: the collector has not answered for 48 s, 2,750 records wait, room for 4 h");
    page_fixture_problem(&f->verdict, VERDICT_WRONG,
                         "traces: the endpoint http://127.0.0.1:4318 has not answered for 48 s; "
                         "1,100 records wait",
                         "systemctl restart otel-collector");
    page_fixture_problem(&f->verdict, VERDICT_WARNING,
                         "17 records were dropped in the last minute: no space left on the device",
                         "df -h /var/spool/microtrace");
    page_fixture_problem(&f->verdict, VERDICT_WARNING, "1 process died within the last minute", "");
    f->agent.results[SPOOL_TRACES] = "no answer for 48 s";
    if (kind == FIXTURE_HOSTILE)
        page_fixture_hostility(f);
}

/* The document without its traces' section's content. Returns false if it was cut. */
static inline bool page_fixture_render(struct html *html, const struct page_fixture *f)
{
    page_overview_begin(html, &f->query);
    page_overview_write(html, &f->overview, &f->verdict, &f->agent);
    page_search_section(html, &f->query, NULL);
    page_overview_end(html, &f->agent);
    return !html->full;
}

#endif
