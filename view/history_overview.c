#include "view/history_private.h"
#include "view/process_memory.h"
#include "view/quantile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOW_CELLS = 3,     /* 15 seconds */
    LATELY_CELLS = 6,  /* 30 seconds */
    GROWTH_CELLS = 12, /* a minute */
};

/* What the range is made of. */
struct range {
    const struct history *history;
    unsigned cells;                        /* of a point */
    uint64_t start;                        /* its first cell */
    uint64_t from_minute, minute;          /* of its rows */
    double minute_s[HISTORY_ROWS_MINUTES]; /* known of each, by the row's place */
    bool minute_gap[HISTORY_ROWS_MINUTES];
    double rows_s;
};

/* Sums over some cells. */
struct total {
    uint64_t counts[HISTORY_COUNTS];
    double seconds;
    bool known;
};

static const struct history_cell *cell_at(const struct history *h, uint64_t cell)
{
    return &h->cells[cell % HISTORY_CELLS];
}

static void add(struct total *total, const struct history_cell *cell)
{
    for (int i = 0; i < HISTORY_COUNTS; i++)
        total->counts[i] += cell->counts[i];
    total->seconds += cell->ms / 1000.0;
    total->known = true;
}

/* The last cells, as far as they are known and up to the last look. */
static struct total last_cells(const struct history *h, unsigned cells)
{
    struct total total = {.known = false};
    const double enough = (double)cells * HISTORY_PERIOD_S - HISTORY_PERIOD_S / 2.0;

    /* One more than that: the newest may only have begun. */
    for (unsigned i = 0; i <= cells && total.seconds < enough; i++) {
        if (cell_at(h, h->cell - i)->counted)
            add(&total, cell_at(h, h->cell - i));
    }
    return total;
}

static double per_second(const struct total *total, unsigned count)
{
    return total->seconds > 0 ? (double)total->counts[count] / total->seconds : (double)NAN;
}

static double quantile(const struct total *total, unsigned first, double q)
{
    return quantile_of(q, total->counts + first, families_latency_bounds, FAMILIES_LATENCY_BOUNDS);
}

static double share(uint64_t part, uint64_t all)
{
    return all > 0 ? (double)part / (double)all : (double)NAN;
}

static void fill_now(const struct history *h, struct overview *o)
{
    const struct total now =
        h->problem[0] == '\0' ? last_cells(h, NOW_CELLS) : (struct total){.known = false};

    o->rate = h->now.requests_known ? per_second(&now, HISTORY_REQUESTS) : (double)NAN;
    o->good_share = 1 - share(now.counts[HISTORY_SERVER_ERRORS], now.counts[HISTORY_REQUESTS]);
    o->p50_s = quantile(&now, HISTORY_LATENCY, 0.5);
    o->p95_s = quantile(&now, HISTORY_LATENCY, 0.95);
    o->p99_s = quantile(&now, HISTORY_LATENCY, 0.99);
    o->queue_p95_s = quantile(&now, HISTORY_QUEUE, 0.95);
    o->busy = h->now.busy;
    o->idle = h->now.idle;
    o->chaos_on = h->now.chaos_on;
    o->chaos_probability = h->now.chaos_probability;
    o->chaos_error_rate = h->now.chaos_error_rate;
    o->chaos_abort_rate = h->now.chaos_abort_rate;
    o->breaker_used = h->now.breaker_used;
    o->breaker = h->now.breaker;
}

/* The mean of what is known; NAN if nothing is. */
struct mean {
    double sum;
    unsigned count;
};

static void mean_add(struct mean *mean, double value)
{
    if (isnan(value))
        return;
    mean->sum += value;
    mean->count++;
}

static float mean_of(const struct mean *mean)
{
    return mean->count > 0 ? (float)(mean->sum / mean->count) : NAN;
}

static void fill_point(struct overview *o, unsigned point, const struct total *total,
                       bool requests_known)
{
    const bool any = total->known;

    o->rates.points[point] = requests_known ? (float)per_second(total, HISTORY_REQUESTS) : NAN;
    o->server_error_shares.points[point] =
        (float)share(total->counts[HISTORY_SERVER_ERRORS], total->counts[HISTORY_REQUESTS]);
    o->p50s.points[point] = (float)quantile(total, HISTORY_LATENCY, 0.5);
    o->p95s.points[point] = (float)quantile(total, HISTORY_LATENCY, 0.95);
    o->p99s.points[point] = (float)quantile(total, HISTORY_LATENCY, 0.99);
    o->queue_p95s.points[point] = (float)quantile(total, HISTORY_QUEUE, 0.95);
    o->deaths.points[point] = any ? (float)total->counts[HISTORY_DIED] : NAN;
    for (int b = 0; b < OVERVIEW_BUCKETS; b++)
        o->heat[point][b] = any ? (float)total->counts[HISTORY_LATENCY + b] : NAN;
}

static void fill_lines(const struct range *range, struct overview *o)
{
    const struct history *const h = range->history;

    for (unsigned point = 0; point < OVERVIEW_POINTS; point++) {
        struct total total = {.known = false};
        struct mean busy = {0, 0}, workers = {0, 0}, backlogs[SPOOL_SIGNALS] = {{0, 0}};

        for (unsigned i = 0; i < range->cells; i++) {
            const uint64_t number = range->start + (uint64_t)point * range->cells + i;
            const struct history_cell *const cell = cell_at(h, number);

            if (number > h->cell)
                break;
            if (cell->counted)
                add(&total, cell);
            mean_add(&busy, cell->busy);
            mean_add(&workers, cell->busy + cell->idle);
            for (int s = 0; s < SPOOL_SIGNALS; s++)
                mean_add(&backlogs[s], cell->backlogs[s]);
        }
        fill_point(o, point, &total, h->now.requests_known);
        o->busies.points[point] = mean_of(&busy);
        o->workers.points[point] = mean_of(&workers);
        for (int s = 0; s < SPOOL_SIGNALS; s++)
            o->signals[s].backlogs.points[point] = mean_of(&backlogs[s]);
    }
}

static void fill_range(const struct range *range, struct overview *o)
{
    const struct history *const h = range->history;
    struct total all = {.known = false};
    double seen = 0;

    for (uint64_t i = range->start; i <= h->cell; i++) {
        const struct history_cell *const cell = cell_at(h, i);

        if (cell->counted || cell->gap)
            add(&all, cell);
        if (cell->counted)
            seen += cell->ms / 1000.0;
    }
    o->known_s = seen < o->range_s ? (unsigned)lround(seen) : o->range_s;
    o->requests = (double)all.counts[HISTORY_REQUESTS];
    o->client_errors = (double)all.counts[HISTORY_CLIENT_ERRORS];
    o->server_errors = (double)all.counts[HISTORY_SERVER_ERRORS];
    o->abandoned = (double)all.counts[HISTORY_ABANDONED];
    o->died = (double)all.counts[HISTORY_DIED];
    o->chaos_injected = (double)all.counts[HISTORY_INJECTED];
    o->calls = (double)all.counts[HISTORY_CALLS];
    o->call_failures = (double)all.counts[HISTORY_CALL_FAILURES];
    o->range_p50_s = quantile(&all, HISTORY_LATENCY, 0.5);
    o->range_p95_s = quantile(&all, HISTORY_LATENCY, 0.95);
    o->range_p99_s = quantile(&all, HISTORY_LATENCY, 0.99);
}

/* How much a row counts: its number, and what it is sorted by. */
struct rank {
    unsigned row;
    double value;
};

static int by_rank(const void *a, const void *b)
{
    const struct rank *const ra = a, *const rb = b;

    if (ra->value != rb->value)
        return ra->value > rb->value ? -1 : 1;
    return ra->row < rb->row ? -1 : ra->row > rb->row;
}

static uint64_t sum(const struct range *range, const struct history_rows *rows, unsigned row,
                    unsigned count)
{
    return history_rows_sum(rows, row, range->from_minute, range->minute, count);
}

/* The rows by one of their counts in the range. Those without any are left out. */
static size_t ranked(const struct range *range, const struct history_rows *rows, unsigned count,
                     struct rank *ranks)
{
    size_t used = 0;

    for (unsigned i = 0; i < rows->row_max; i++) {
        const uint64_t value = rows->rows[i].hash != 0 ? sum(range, rows, i, count) : 0;

        if (value > 0)
            ranks[used++] = (struct rank){i, (double)value};
    }
    qsort(ranks, used, sizeof *ranks, by_rank);
    return used;
}

/* The minute that a point of the range lies in. */
static uint64_t minute_at(const struct range *range, unsigned point)
{
    return (range->start + (uint64_t)point * range->cells) / HISTORY_CELLS_A_MINUTE;
}

static void fill_row_line(const struct range *range, const struct history_rows *rows, unsigned row,
                          unsigned count, struct overview_line *line)
{
    for (unsigned point = 0; point < OVERVIEW_POINTS; point++) {
        const uint64_t minute = minute_at(range, point);
        const unsigned at = minute % HISTORY_ROWS_MINUTES;

        line->points[point] = NAN;
        if (minute <= range->minute && minute >= rows->rows[row].since && !range->minute_gap[at] &&
            range->minute_s[at] > 0)
            line->points[point] =
                (float)((double)history_rows_count(rows, row, minute, count) / range->minute_s[at]);
    }
}

static double row_seconds(const struct range *range, const struct history_row *row)
{
    double seconds = 0;

    for (uint64_t minute = range->from_minute; minute <= range->minute; minute++) {
        if (minute >= row->since)
            seconds += range->minute_s[minute % HISTORY_ROWS_MINUTES];
    }
    return seconds;
}

static double rate_of(double count, double seconds)
{
    return seconds > 0 ? count / seconds : (double)NAN;
}

static void copy_name(char to[OVERVIEW_NAME_MAX], const char from[OVERVIEW_NAME_MAX])
{
    memcpy(to, from, OVERVIEW_NAME_MAX);
}

static void fill_routes(const struct range *range, struct overview *o)
{
    const struct history_rows *const rows = &range->history->routes;
    struct rank ranks[HISTORY_ROUTES];
    const size_t count = ranked(range, rows, HISTORY_ROUTE_REQUESTS, ranks);

    o->route_count = count < OVERVIEW_ROUTES_MAX ? count : OVERVIEW_ROUTES_MAX;
    for (size_t i = 0; i < o->route_count; i++) {
        const unsigned row = ranks[i].row;
        const double seconds = row_seconds(range, &rows->rows[row]);
        struct overview_route *const route = &o->routes[i];
        uint64_t buckets[OVERVIEW_BUCKETS];

        for (unsigned b = 0; b < OVERVIEW_BUCKETS; b++)
            buckets[b] = sum(range, rows, row, HISTORY_ROUTE_LATENCY + b);
        copy_name(route->method, rows->rows[row].names[0]);
        copy_name(route->path, rows->rows[row].names[1]);
        route->rate = rate_of(ranks[i].value, seconds);
        route->client_errors =
            rate_of((double)sum(range, rows, row, HISTORY_ROUTE_CLIENT_ERRORS), seconds);
        route->server_errors =
            rate_of((double)sum(range, rows, row, HISTORY_ROUTE_SERVER_ERRORS), seconds);
        route->p95_s = quantile_of(0.95, buckets, families_latency_bounds, FAMILIES_LATENCY_BOUNDS);
        route->slowest_s =
            quantile_highest(buckets, families_latency_bounds, FAMILIES_LATENCY_BOUNDS);
        fill_row_line(range, rows, row, HISTORY_ROUTE_REQUESTS, &route->rates);
    }
}

static void fill_errors(const struct range *range, struct overview *o)
{
    const struct history_rows *const rows = &range->history->errors;
    struct rank ranks[HISTORY_ERRORS];
    const size_t count = ranked(range, rows, 0, ranks);

    o->error_count = count < OVERVIEW_ERRORS_MAX ? count : OVERVIEW_ERRORS_MAX;
    for (size_t i = 0; i < o->error_count; i++) {
        copy_name(o->errors[i].kind, rows->rows[ranks[i].row].names[0]);
        o->errors[i].count = ranks[i].value;
        fill_row_line(range, rows, ranks[i].row, 0, &o->errors[i].rates);
    }
}

static void fill_drops(const struct range *range, struct overview *o)
{
    const struct history_rows *const rows = &range->history->drops;

    for (unsigned i = 0; i < rows->row_max; i++) {
        if (rows->rows[i].hash == 0 || rows->before[i] == 0)
            continue;
        copy_name(o->drops[o->drop_count].reason, rows->rows[i].names[0]);
        o->drops[o->drop_count].records = rows->before[i];
        o->drops[o->drop_count].lately = (double)sum(range, rows, i, 0);
        o->drop_count++;
    }
}

static void fill_program(const struct range *range, unsigned row, struct overview_program *program)
{
    const struct history *const h = range->history;
    const struct history_rows *const rows = &h->programs;
    const struct history_program *const now = &h->program_now[row];
    uint64_t buckets[HISTORY_RUN_BOUNDS_MAX + 1];

    for (unsigned b = 0; b <= HISTORY_RUN_BOUNDS_MAX; b++)
        buckets[b] = sum(range, rows, row, HISTORY_PROGRAM_SECONDS + b);
    copy_name(program->name, rows->rows[row].names[0]);
    program->busy = now->busy;
    program->idle = now->idle;
    program->runs = (double)sum(range, rows, row, HISTORY_PROGRAM_RUNS);
    program->failures = (double)sum(range, rows, row, HISTORY_PROGRAM_FAILURES);
    program->run_p95_s = quantile_of(0.95, buckets, h->run_bounds, h->run_bound_count);
    program->last_success_s = now->last_success_s;
    program->last_failure_s = now->last_failure_s;
    if (isnan(now->busy)) {
        fill_row_line(range, rows, row, HISTORY_PROGRAM_RUNS, &program->activity);
        for (unsigned point = 0; point < OVERVIEW_POINTS; point++)
            program->activity.points[point] *= 60;
        return;
    }
    for (unsigned point = 0; point < OVERVIEW_POINTS; point++) {
        const uint64_t minute = minute_at(range, point);
        const unsigned looks =
            minute <= range->minute ? h->looks[minute % HISTORY_ROWS_MINUTES] : 0;

        program->activity.points[point] =
            looks == 0 || minute < rows->rows[row].since
                ? NAN
                : (float)history_rows_count(rows, row, minute, HISTORY_PROGRAM_BUSY) / (float)looks;
    }
}

static void fill_programs(const struct range *range, struct overview *o)
{
    const struct history_rows *const rows = &range->history->programs;
    struct rank ranks[HISTORY_PROGRAMS];
    size_t count = 0;

    for (unsigned i = 0; i < rows->row_max; i++) {
        const struct history_program *const now = &range->history->program_now[i];
        const double workers = now->busy + now->idle;

        if (rows->rows[i].hash != 0)
            ranks[count++] =
                (struct rank){i, (isnan(workers) ? 0 : workers) +
                                     (double)sum(range, rows, i, HISTORY_PROGRAM_RUNS)};
    }
    qsort(ranks, count, sizeof *ranks, by_rank);
    for (size_t i = 0; i < count; i++)
        fill_program(range, ranks[i].row, &o->programs[i]);
    o->program_count = count;
}

static double full_in(const struct history *h, int signal)
{
    const struct overview_signal *const s = &h->now.signals[signal];
    const float now = cell_at(h, h->cell)->bytes[signal];

    if (!(s->limit_bytes > 0) || isnan(now))
        return NAN;
    for (unsigned back = GROWTH_CELLS; back > 0; back--) {
        const float before = cell_at(h, h->cell - back)->bytes[signal];

        if (isnan(before))
            continue;
        if (!(now > before))
            return INFINITY;
        return fmax(0, s->limit_bytes - s->bytes) /
               ((double)(now - before) / (back * (double)HISTORY_PERIOD_S));
    }
    return NAN;
}

static void fill_signals(const struct history *h, struct overview *o)
{
    const struct total lately =
        h->problem[0] == '\0' ? last_cells(h, LATELY_CELLS) : (struct total){.known = false};

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct overview_line line = o->signals[i].backlogs;

        o->signals[i] = h->now.signals[i];
        o->signals[i].backlogs = line;
        o->signals[i].written_rate = per_second(&lately, HISTORY_WRITTEN + (unsigned)i);
        o->signals[i].delivered_rate = per_second(&lately, HISTORY_DELIVERED + (unsigned)i);
        o->signals[i].full_in_s = full_in(h, i);
    }
}

static void fill_processes(const struct history *h, struct overview *o)
{
    memcpy(o->processes, h->processes, h->process_count * sizeof o->processes[0]);
    o->process_count = h->process_count;
    o->processes_all = h->processes_all;
    for (size_t i = 0; i < o->process_count; i++) {
        struct overview_process *const p = &o->processes[i];

        char command[PROCESS_MEMORY_COMMAND_MAX];

        if (p->died)
            continue;
        p->resident_bytes = process_memory_resident(p->pid, p->since_ns, command);
        if (p->name[0] == '\0')
            history_rows_name(p->name, command);
    }
}

static void find_range(const struct history *h, unsigned range_s, struct range *range)
{
    *range = (struct range){.history = h, .cells = range_s / OVERVIEW_POINTS / HISTORY_PERIOD_S};
    range->start = (h->cell / range->cells - (OVERVIEW_POINTS - 1)) * range->cells;
    range->from_minute = range->start / HISTORY_CELLS_A_MINUTE;
    range->minute = h->cell / HISTORY_CELLS_A_MINUTE;
    for (uint64_t i = range->from_minute * HISTORY_CELLS_A_MINUTE; i <= h->cell; i++) {
        const struct history_cell *const cell = cell_at(h, i);
        const unsigned at = i / HISTORY_CELLS_A_MINUTE % HISTORY_ROWS_MINUTES;

        range->minute_s[at] += cell->ms / 1000.0;
        range->minute_gap[at] |= cell->gap;
        range->rows_s += cell->counted ? cell->ms / 1000.0 : 0;
    }
}

void history_overview(const struct history *h, unsigned range_s, struct overview *o)
{
    struct range range;

    memset(o, 0, sizeof *o);
    o->range_s = range_s <= 300 ? 300 : range_s <= 900 ? 900 : HISTORY_RANGE_MAX_S;
    o->at_ns = h->at_ns;
    o->sequence = h->sequence;
    (void)snprintf(o->problem, sizeof o->problem, "%s", h->problem);
    find_range(h, o->range_s, &range);
    fill_now(h, o);
    fill_lines(&range, o);
    fill_range(&range, o);
    o->rows_s = (unsigned)lround(range.rows_s);
    fill_routes(&range, o);
    fill_errors(&range, o);
    fill_drops(&range, o);
    fill_programs(&range, o);
    fill_signals(h, o);
    fill_processes(h, o);
}
