#include "cli/top_table.h"

#include "cli/columns.h"
#include "cli/top_text.h"
#include "lib/base/clock.h"
#include "lib/base/printable.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDE = 72,        /* from here on a table has all its columns */
    SPARK_FROM = 100, /* and from here on lines */
    SPARK = 20,
    CELLS = 8,
    CELL_MAX = 256,
};

struct column {
    const char *head;
    unsigned width; /* 0: all that the others leave; its text is to the left, the others' right */
    bool wide;      /* only where there is room */
};

static const struct column columns[TOP_TABLES][CELLS + 1] = {
    [TOP_TABLE_ROUTES] = {{"METHOD", 0, true},
                          {"ROUTE", 0, false},
                          {"REQ/S", 9, false},
                          {"4XX/S", 9, true},
                          {"5XX/S", 9, false},
                          {"P95", 9, false},
                          {"SLOWEST", 10, true}},
    [TOP_TABLE_ERRORS] = {{"ERROR", 0, false}, {"COUNT", 9, false}},
    [TOP_TABLE_PROGRAMS] = {{"PROGRAM", 0, false},
                            {"BUSY", 6, false},
                            {"IDLE", 6, false},
                            {"RUNS", 8, true},
                            {"FAILED", 8, false},
                            {"P95", 9, true},
                            {"LAST RUN", 16, true}},
    [TOP_TABLE_PROCESSES] = {{"PROCESS", 0, false},
                             {"PID", 9, false},
                             {"STATE", 7, false},
                             {"SINCE", 9, false},
                             {"MEMORY", 10, true}},
    [TOP_TABLE_SIGNALS] = {{"PIPELINE", 0, false},
                           {"WRITTEN", 11, true},
                           {"DELIVERED", 11, true},
                           {"WAITING", 9, false},
                           {"OLDEST", 9, true},
                           {"LOST", 9, false},
                           {"USED", 8, false}},
    [TOP_TABLE_DROPS] = {{"DROPPED BECAUSE", 0, false}, {"LATELY", 9, false}, {"EVER", 11, false}},
};

/* A row: a text for each column, and a line behind them. */
struct row {
    char cells[CELLS][CELL_MAX];
    const struct overview_line *line;
    enum top_picture_ink ink;
};

/* Text from elsewhere. */
static void name(char cell[CELL_MAX], const char *text)
{
    cell[printable_copy(cell, CELL_MAX - 1, text, strlen(text))] = '\0';
}

/* Appends `text`, cut or padded to so many columns. */
static size_t put(char *line, size_t used, const char *text, unsigned width, bool right)
{
    const size_t length = columns_fit(text, strlen(text), width);
    const size_t blanks = width - columns_of(text, length);

    if (used + length + blanks >= TOP_PICTURE_LINE_MAX)
        return used;
    if (right) {
        memset(line + used, ' ', blanks);
        memcpy(line + used + blanks, text, length);
    } else {
        memcpy(line + used, text, length);
        memset(line + used + length, ' ', blanks);
    }
    used += length + blanks;
    line[used] = '\0';
    return used;
}

void top_table_line(struct top_picture *picture, const struct top_picture_options *options,
                    enum top_picture_ink ink, const char *text)
{
    char safe[TOP_PICTURE_LINE_MAX];
    size_t length;

    if (picture->count == TOP_PICTURE_LINES_MAX)
        return;
    safe[printable_copy(safe, sizeof safe - 1, text, strlen(text))] = '\0';
    length = columns_fit(safe, strlen(safe), options->width);
    /* A heading is a bar over the whole screen. */
    while ((ink != TOP_PICTURE_HEADING || options->height == 0) && length > 0 &&
           safe[length - 1] == ' ')
        length--;
    safe[length] = '\0';
    picture->lines[picture->count].ink = ink;
    memcpy(picture->lines[picture->count++].text, safe, sizeof safe);
}

static bool has_method(const struct column *column)
{
    return column->width == 0 && column->wide;
}

/* METHOD has a width of its own, so that the flexible column is one. */
static unsigned width_of(const struct column *column, unsigned flexible)
{
    enum { METHOD = 8 };

    return column->width > 0 ? column->width : has_method(column) ? METHOD : flexible;
}

static void add_row(struct top_picture *picture, const struct top_picture_options *options,
                    enum top_table table, const struct row *row, bool heading)
{
    const bool wide = options->width >= WIDE;
    const bool spark = options->width >= SPARK_FROM;
    char line[TOP_PICTURE_LINE_MAX] = "", points[TOP_TEXT_SPARK_MAX];
    unsigned taken = spark ? SPARK + 1 : 0;
    size_t used = 0;

    for (const struct column *c = columns[table]; c->head != NULL; c++)
        taken += c->wide && !wide ? 0 : width_of(c, 0);
    const unsigned flexible = options->width > taken ? options->width - taken : 1;
    for (size_t i = 0; columns[table][i].head != NULL; i++) {
        const struct column *const c = &columns[table][i];

        if (!c->wide || wide)
            used = put(line, used, heading ? c->head : row->cells[i], width_of(c, flexible),
                       c->width > 0);
    }
    if (spark && !heading && row->line != NULL &&
        top_text_spark(points, row->line, SPARK, options->utf8) > 0) {
        used = put(line, used, " ", 1, false);
        (void)put(line, used, points, SPARK, false);
    } else if (spark && heading) {
        (void)put(line, used, "", SPARK + 1, false);
    }
    top_table_line(picture, options, heading ? TOP_PICTURE_HEADING : row->ink, line);
}

static void route(struct row *row, const struct overview_route *r, bool utf8)
{
    char slowest[TOP_TEXT_MAX];

    name(row->cells[0], r->method);
    name(row->cells[1], r->path);
    top_text_number(row->cells[2], r->rate);
    top_text_number(row->cells[3], r->client_errors);
    top_text_number(row->cells[4], r->server_errors);
    top_text_seconds(row->cells[5], r->p95_s, utf8);
    top_text_seconds(slowest, r->slowest_s, utf8);
    (void)snprintf(row->cells[6], CELL_MAX, "%s%s",
                   isfinite(r->slowest_s) ? utf8 ? "\u2264" : "<" : "", slowest);
    row->line = &r->rates;
    row->ink = r->server_errors > 0 ? TOP_PICTURE_WRONG : TOP_PICTURE_PLAIN;
}

/* "ok 5m 10s" or "failed 5m 10s": how the last run of a program ended, and how long ago. */
static void last_run(char cell[CELL_MAX], const struct overview_program *p, double now_s)
{
    const bool failed = p->last_failure_s > p->last_success_s;
    const double at = failed ? p->last_failure_s : p->last_success_s;
    char ago[TOP_TEXT_MAX];

    if (!(at > 0)) {
        (void)snprintf(cell, CELL_MAX, "-");
        return;
    }
    top_text_age(ago, fmax(0, now_s - at));
    (void)snprintf(cell, CELL_MAX, "%s %s", failed ? "failed" : "ok", ago);
}

static void program(struct row *row, const struct overview_program *p, double now_s, bool utf8)
{
    name(row->cells[0], p->name);
    top_text_count(row->cells[1], p->busy);
    top_text_count(row->cells[2], p->idle);
    top_text_count(row->cells[3], p->runs);
    top_text_count(row->cells[4], p->failures);
    top_text_seconds(row->cells[5], p->run_p95_s, utf8);
    last_run(row->cells[6], p, now_s);
    row->line = &p->activity;
    if (p->failures > 0)
        row->ink = TOP_PICTURE_WARNING;
}

static void process(struct row *row, const struct overview_process *p, double now_s)
{
    const double since_s = (double)p->since_ns / CLOCK_NS_PER_S;

    name(row->cells[0], p->name[0] != '\0' ? p->name : "-");
    if (p->pid > 0)
        (void)snprintf(row->cells[1], CELL_MAX, "%u", (unsigned)p->pid);
    else
        (void)snprintf(row->cells[1], CELL_MAX, "-");
    (void)snprintf(row->cells[2], CELL_MAX, "%s",
                   p->died     ? "died"
                   : p->busy   ? "busy"
                   : p->worker ? "idle"
                               : "-");
    top_text_age(row->cells[3], p->since_ns > 0 ? fmax(0, now_s - since_s) : (double)NAN);
    top_text_bytes(row->cells[4], (double)p->resident_bytes);
    if (p->died)
        row->ink = TOP_PICTURE_WRONG;
}

static void signal_row(struct row *row, const struct overview *o, size_t number)
{
    const struct overview_signal *const s = &o->signals[number];
    const uint64_t lost = s->dropped + s->rejected + s->quarantined;

    (void)snprintf(row->cells[0], CELL_MAX, "%s", spool_signal_names[number]);
    top_text_count(row->cells[1], s->known ? (double)s->written : (double)NAN);
    top_text_count(row->cells[2], s->known ? (double)s->delivered : (double)NAN);
    top_text_count(row->cells[3], s->known ? (double)s->backlog : (double)NAN);
    top_text_age(row->cells[4], s->backlog > 0 ? s->oldest_s : (double)NAN);
    top_text_count(row->cells[5], (double)lost);
    top_text_share(row->cells[6], s->limit_bytes > 0 ? s->bytes / s->limit_bytes : (double)NAN);
    row->line = &s->backlogs;
    if (lost > 0)
        row->ink = TOP_PICTURE_WARNING;
}

static void make_row(struct row *row, enum top_table table, const struct overview *o, size_t i,
                     bool utf8)
{
    const double now_s = (double)o->at_ns / CLOCK_NS_PER_S;

    *row = (struct row){.ink = TOP_PICTURE_PLAIN};
    switch (table) {
    case TOP_TABLE_ROUTES:
        route(row, &o->routes[i], utf8);
        break;
    case TOP_TABLE_ERRORS:
        name(row->cells[0], o->errors[i].kind);
        top_text_count(row->cells[1], o->errors[i].count);
        row->line = &o->errors[i].rates;
        break;
    case TOP_TABLE_PROGRAMS:
        program(row, &o->programs[i], now_s, utf8);
        break;
    case TOP_TABLE_PROCESSES:
        process(row, &o->processes[i], now_s);
        break;
    case TOP_TABLE_SIGNALS:
        signal_row(row, o, i);
        break;
    case TOP_TABLE_DROPS:
        name(row->cells[0], o->drops[i].reason);
        top_text_count(row->cells[1], o->drops[i].lately);
        top_text_count(row->cells[2], (double)o->drops[i].records);
        row->ink = o->drops[i].lately > 0 ? TOP_PICTURE_WRONG : TOP_PICTURE_PLAIN;
        break;
    case TOP_TABLES:
        break;
    }
}

size_t top_table_rows(enum top_table table, const struct overview *o)
{
    const struct overview_signal *const others = &o->signals[SPOOL_METRICS];

    switch (table) {
    case TOP_TABLE_ROUTES:
        return o->route_count;
    case TOP_TABLE_ERRORS:
        return o->error_count;
    case TOP_TABLE_PROGRAMS:
        return o->program_count;
    case TOP_TABLE_PROCESSES:
        return o->process_count;
    case TOP_TABLE_SIGNALS:
        /* Metrics are other programs' alone. */
        return others->written + others->dropped > 0 ? SPOOL_SIGNALS : SPOOL_OWN_SIGNALS;
    case TOP_TABLE_DROPS:
        return o->drop_count;
    case TOP_TABLES:
        break;
    }
    return 0;
}

void top_table_add(struct top_picture *picture, const struct top_picture_options *options,
                   enum top_table table, const struct overview *overview, size_t rows)
{
    const size_t count = top_table_rows(table, overview);
    struct row row;

    add_row(picture, options, table, NULL, true);
    for (size_t i = 0; i < rows && i < count; i++) {
        make_row(&row, table, overview, i, options->utf8);
        add_row(picture, options, table, &row, false);
    }
}
