#include "cli/top_json.h"

#include "lib/base/clock.h"
#include "lib/base/json_writer.h"
#include "lib/control/breaker.h"
#include "lib/families.h"

#include <stdio.h>
#include <stdlib.h>

/* Numbers of up to 24 bytes in all lines and cells, and names whose bytes may all be escaped. */
enum { JSON_MAX = 1 << 20 };

static void line(struct json_writer *w, const char *key, const struct overview_line *l)
{
    json_writer_key(w, key);
    json_writer_begin_array(w);
    for (int i = 0; i < OVERVIEW_POINTS; i++)
        json_writer_double(w, (double)l->points[i]);
    json_writer_end_array(w);
}

static void verdict_object(struct json_writer *w, const struct verdict *v)
{
    static const char *const levels[] = {"well", "warning", "wrong"};

    json_writer_key(w, "verdict");
    json_writer_begin_object(w);
    json_writer_key_string(w, "level", levels[v->level]);
    json_writer_key_string(w, "sentence", v->sentence);
    json_writer_key(w, "problems");
    json_writer_begin_array(w);
    for (size_t i = 0; i < v->problem_count; i++) {
        json_writer_begin_object(w);
        json_writer_key_string(w, "level", levels[v->problems[i].level]);
        json_writer_key_string(w, "text", v->problems[i].text);
        json_writer_key_string(w, "mend", v->problems[i].mend);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
    json_writer_end_object(w);
}

static void now_object(struct json_writer *w, const struct overview *o)
{
    json_writer_key(w, "now");
    json_writer_begin_object(w);
    json_writer_key_double(w, "requests_per_second", o->rate);
    json_writer_key_double(w, "good_share", o->good_share);
    json_writer_key_double(w, "p50_seconds", o->p50_s);
    json_writer_key_double(w, "p95_seconds", o->p95_s);
    json_writer_key_double(w, "p99_seconds", o->p99_s);
    json_writer_key_double(w, "queue_p95_seconds", o->queue_p95_s);
    json_writer_key_double(w, "busy", o->busy);
    json_writer_key_double(w, "idle", o->idle);
    json_writer_end_object(w);
}

static void range_object(struct json_writer *w, const struct overview *o)
{
    json_writer_key(w, "range");
    json_writer_begin_object(w);
    json_writer_key_uint(w, "seconds", o->range_s);
    json_writer_key_uint(w, "known_seconds", o->known_s);
    json_writer_key_double(w, "requests", o->requests);
    json_writer_key_double(w, "client_errors", o->client_errors);
    json_writer_key_double(w, "server_errors", o->server_errors);
    json_writer_key_double(w, "abandoned", o->abandoned);
    json_writer_key_double(w, "processes_died", o->died);
    json_writer_key_double(w, "p50_seconds", o->range_p50_s);
    json_writer_key_double(w, "p95_seconds", o->range_p95_s);
    json_writer_key_double(w, "p99_seconds", o->range_p99_s);
    json_writer_key(w, "lines");
    json_writer_begin_object(w);
    line(w, "requests_per_second", &o->rates);
    line(w, "server_error_share", &o->server_error_shares);
    line(w, "p50_seconds", &o->p50s);
    line(w, "p95_seconds", &o->p95s);
    line(w, "p99_seconds", &o->p99s);
    line(w, "queue_p95_seconds", &o->queue_p95s);
    line(w, "busy", &o->busies);
    line(w, "workers", &o->workers);
    line(w, "processes_died", &o->deaths);
    json_writer_end_object(w);
    json_writer_end_object(w);
}

static void heat_array(struct json_writer *w, const struct overview *o)
{
    json_writer_key(w, "heat");
    json_writer_begin_object(w);
    json_writer_key(w, "bounds_seconds");
    json_writer_begin_array(w);
    for (int b = 0; b < FAMILIES_LATENCY_BOUNDS; b++)
        json_writer_double(w, families_latency_bounds[b]);
    json_writer_end_array(w);
    json_writer_key(w, "requests");
    json_writer_begin_array(w);
    for (int i = 0; i < OVERVIEW_POINTS; i++) {
        json_writer_begin_array(w);
        for (int b = 0; b < OVERVIEW_BUCKETS; b++)
            json_writer_double(w, (double)o->heat[i][b]);
        json_writer_end_array(w);
    }
    json_writer_end_array(w);
    json_writer_end_object(w);
}

static void rows(struct json_writer *w, const struct overview *o)
{
    json_writer_key(w, "routes");
    json_writer_begin_array(w);
    for (size_t i = 0; i < o->route_count; i++) {
        const struct overview_route *const r = &o->routes[i];

        json_writer_begin_object(w);
        json_writer_key_string(w, "method", r->method);
        json_writer_key_string(w, "path", r->path);
        json_writer_key_double(w, "requests_per_second", r->rate);
        json_writer_key_double(w, "client_errors_per_second", r->client_errors);
        json_writer_key_double(w, "server_errors_per_second", r->server_errors);
        json_writer_key_double(w, "p95_seconds", r->p95_s);
        json_writer_key_double(w, "slowest_below_seconds", r->slowest_s);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
    json_writer_key(w, "errors");
    json_writer_begin_array(w);
    for (size_t i = 0; i < o->error_count; i++) {
        json_writer_begin_object(w);
        json_writer_key_string(w, "kind", o->errors[i].kind);
        json_writer_key_double(w, "count", o->errors[i].count);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
    json_writer_key(w, "programs");
    json_writer_begin_array(w);
    for (size_t i = 0; i < o->program_count; i++) {
        const struct overview_program *const p = &o->programs[i];

        json_writer_begin_object(w);
        json_writer_key_string(w, "name", p->name);
        json_writer_key_double(w, "busy", p->busy);
        json_writer_key_double(w, "idle", p->idle);
        json_writer_key_double(w, "runs", p->runs);
        json_writer_key_double(w, "failures", p->failures);
        json_writer_key_double(w, "run_p95_seconds", p->run_p95_s);
        json_writer_key_double(w, "last_success_unix_seconds", p->last_success_s);
        json_writer_key_double(w, "last_failure_unix_seconds", p->last_failure_s);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void processes(struct json_writer *w, const struct overview *o)
{
    json_writer_key_uint(w, "living_processes", o->processes_all);
    json_writer_key(w, "processes");
    json_writer_begin_array(w);
    for (size_t i = 0; i < o->process_count; i++) {
        const struct overview_process *const p = &o->processes[i];

        json_writer_begin_object(w);
        json_writer_key_uint(w, "pid", p->pid);
        json_writer_key_string(w, "program", p->name);
        json_writer_key_bool(w, "worker", p->worker);
        json_writer_key_bool(w, "busy", p->busy);
        json_writer_key_bool(w, "died", p->died);
        json_writer_key_double(w, "since_unix_seconds", (double)p->since_ns / CLOCK_NS_PER_S);
        json_writer_key_uint(w, "resident_bytes", p->resident_bytes);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void pipeline(struct json_writer *w, const struct overview *o)
{
    json_writer_key(w, "signals");
    json_writer_begin_object(w);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct overview_signal *const s = &o->signals[i];

        json_writer_key(w, spool_signal_names[i]);
        json_writer_begin_object(w);
        json_writer_key_bool(w, "known", s->known);
        json_writer_key_uint(w, "written", s->written);
        json_writer_key_uint(w, "delivered", s->delivered);
        json_writer_key_uint(w, "rejected", s->rejected);
        json_writer_key_uint(w, "quarantined", s->quarantined);
        json_writer_key_uint(w, "dropped", s->dropped);
        json_writer_key_uint(w, "backlog", s->backlog);
        json_writer_key_double(w, "written_per_second", s->written_rate);
        json_writer_key_double(w, "delivered_per_second", s->delivered_rate);
        json_writer_key_double(w, "oldest_age_seconds", s->oldest_s);
        json_writer_key_double(w, "bytes", s->bytes);
        json_writer_key_double(w, "limit_bytes", s->limit_bytes);
        json_writer_key_double(w, "kept_bytes", s->kept_bytes);
        json_writer_key_double(w, "full_in_seconds", s->full_in_s);
        line(w, "backlogs", &s->backlogs);
        json_writer_end_object(w);
    }
    json_writer_end_object(w);
    json_writer_key(w, "drops");
    json_writer_begin_array(w);
    for (size_t i = 0; i < o->drop_count; i++) {
        json_writer_begin_object(w);
        json_writer_key_string(w, "reason", o->drops[i].reason);
        json_writer_key_uint(w, "records", o->drops[i].records);
        json_writer_key_double(w, "lately", o->drops[i].lately);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void faults(struct json_writer *w, const struct overview *o)
{
    json_writer_key(w, "chaos");
    json_writer_begin_object(w);
    json_writer_key_bool(w, "on", o->chaos_on);
    json_writer_key_double(w, "probability", o->chaos_probability);
    json_writer_key_double(w, "error_rate", o->chaos_error_rate);
    json_writer_key_double(w, "abort_rate", o->chaos_abort_rate);
    json_writer_key_double(w, "injected", o->chaos_injected);
    json_writer_end_object(w);
    json_writer_key(w, "breaker");
    json_writer_begin_object(w);
    json_writer_key_bool(w, "used", o->breaker_used);
    json_writer_key_string(w, "state",
                           o->breaker >= 0 && o->breaker < BREAKER_STATES
                               ? breaker_state_names[o->breaker]
                               : "unknown");
    json_writer_key_double(w, "calls", o->calls);
    json_writer_key_double(w, "failures", o->call_failures);
    json_writer_end_object(w);
}

int top_json_print(const struct overview *o, const struct verdict *verdict)
{
    char *const text = malloc(JSON_MAX), time[CLOCK_ISO8601_SIZE];
    struct json_writer w;

    if (text == NULL)
        return -1;
    clock_iso8601(time, o->at_ns);
    json_writer_init(&w, text, JSON_MAX);
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "time", time);
    json_writer_key_string(&w, "problem", o->problem);
    verdict_object(&w, verdict);
    now_object(&w, o);
    range_object(&w, o);
    heat_array(&w, o);
    rows(&w, o);
    processes(&w, o);
    pipeline(&w, o);
    faults(&w, o);
    json_writer_end_object(&w);
    if (!w.overflow) {
        (void)fwrite(text, 1, w.len, stdout);
        (void)putchar('\n');
    }
    free(text);
    return w.overflow ? -1 : 0;
}
