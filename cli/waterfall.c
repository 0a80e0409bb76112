#include "cli/waterfall.h"

#include "cli/columns.h"
#include "cli/waterfall_text.h"
#include "lib/base/clock.h"
#include "view/view_walk.h"

#include <string.h>

#define DIM    "\033[2m"
#define BOLD   "\033[1m"
#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN  "\033[0m"

enum {
    STATUS = 6, /* columns, with the blanks before them */
    START = 9,
    DURATION = 8,
    GAP = 2,
    NAME_MIN = 18,
    NAME_MAX_COLUMNS = 60,
    WIDE = 60, /* from here on there are status and start */
    STEP = 3,  /* columns of a level */
    LINES_MAX = 4,
    LINE_BYTES = 8192,
    SEVERITY_WARN = 13,
    SEVERITY_ERROR = 17,
};

struct waterfall {
    FILE *to;
    const struct waterfall_style *style;
    struct view_trace *trace;
    struct view_walk walk;
    unsigned name, bar, levels; /* columns, columns, and how many levels fit before a name */
    size_t rows, rows_left_out;
};

/* Attributes that tell what happened, in the order in which they are shown. */
static const char *const telling[] = {"http.request.method",
                                      "url.path",
                                      "url.full",
                                      "http.response.status_code",
                                      "error.type",
                                      "exception.type",
                                      "exception.message",
                                      "process.exit.code",
                                      "microtrace.cgi.signal",
                                      "process.command_args",
                                      "db.system.name",
                                      "db.query.text",
                                      "rpc.method",
                                      "messaging.destination.name",
                                      "microtrace.chaos.kind",
                                      "worker.chaos_delay_ms",
                                      "microtrace.downstream.outcome",
                                      "microtrace.keep.reason"};
enum { TELLING = sizeof(telling) / sizeof(telling[0]) };

static const char *colour(const struct waterfall *w, const char *code)
{
    return w->style->colours ? code : "";
}

/* Of a service, by its place among those of the trace. */
static const char *service_colour(const struct waterfall *w, const char *service)
{
    static const char *const codes[] = {"\033[36m", "\033[32m", "\033[35m", "\033[34m",
                                        "\033[33m", "\033[96m", "\033[92m", "\033[95m"};

    for (size_t i = 0; i < w->trace->service_count; i++) {
        if (strcmp(w->trace->services[i], service) == 0)
            return colour(w, codes[i % (sizeof(codes) / sizeof(codes[0]))]);
    }
    return colour(w, codes[0]);
}

/* --- The tree's lines --- */

/* Text of a line's start, and how many columns it has. */
struct start {
    char text[WATERFALL_WIDTH_MAX * 3];
    unsigned columns;
};

static void put(struct start *start, const char *text, unsigned columns)
{
    const size_t used = strlen(start->text);

    (void)snprintf(start->text + used, sizeof(start->text) - used, "%s", text);
    start->columns += columns;
}

/*
 * What stands before a name or a line below it: a column for each ancestor, with a line where
 * siblings of the next one follow. Of levels that do not fit the outermost are left out.
 */
static void draw(const struct waterfall *w, struct start *start, const struct view_span *span,
                 bool row)
{
    const struct view_span *chain[WATERFALL_WIDTH_MAX];
    const bool utf8 = w->style->utf8;
    unsigned count = 0;

    *start = (struct start){.columns = 0};
    for (; span != NULL && count <= w->levels; span = span->parent)
        chain[count++] = span;
    if (span != NULL)
        put(start, utf8 ? "\u2026  " : "~  ", STEP);
    /* The roots have no line in front. */
    for (unsigned i = span != NULL ? count - 1 : count; i-- > 0;) {
        const struct view_span *const at = chain[i];
        const bool more = view_walk_more(&w->walk, at->parent);

        if (at->parent == NULL)
            continue;
        if (i == 0 && row)
            put(start,
                utf8   ? (more ? "\u251c\u2500 " : "\u2514\u2500 ")
                : more ? "|- "
                       : "`- ",
                STEP);
        else
            put(start, !more ? "   " : utf8 ? "\u2502  " : "|  ", STEP);
    }
}

/* The start of the lines below a span: those of its own children run through them. */
static void draw_below(const struct waterfall *w, struct start *start, const struct view_span *span)
{
    draw(w, start, span, false);
    if (span != NULL)
        put(start,
            !view_walk_more(&w->walk, span) ? "   "
            : w->style->utf8                ? "\u2502  "
                                            : "|  ",
            STEP);
}

/* --- Lines of text --- */

/*
 * Writes `text` behind `lead`, which has `lead_columns`, broken into lines of which each begins
 * with `start`; the last of LINES_MAX is cut.
 */
static void print_lines(const struct waterfall *w, const struct start *start, const char *lead,
                        unsigned lead_columns, const char *code, const char *text)
{
    size_t len = strlen(text);

    for (int line = 0; line == 0 || len > 0; line++) {
        const unsigned used = start->columns + (line == 0 ? lead_columns : STEP);
        const unsigned room = used + NAME_MIN < w->style->width ? w->style->width - used : NAME_MIN;
        const bool last = line + 1 == LINES_MAX;
        size_t fit = columns_break(text, len, last ? room - STEP : room);

        (void)fprintf(w->to, "%s%s%s", colour(w, DIM), start->text, colour(w, PLAIN));
        if (line == 0)
            (void)fputs(lead, w->to);
        else
            (void)fprintf(w->to, "%*s", STEP, "");
        (void)fprintf(w->to, "%s%.*s%s%s\n", colour(w, code), (int)fit, text,
                      last && fit < len ? "..." : "", colour(w, PLAIN));
        if (last)
            break;
        text += fit;
        len -= fit;
        while (len > 0 && *text == ' ') {
            text++;
            len--;
        }
    }
}

struct line {
    char text[LINE_BYTES];
    size_t len;
};

static void add(struct line *line, const char *text)
{
    const size_t len = strnlen(text, sizeof(line->text) - 1 - line->len);

    memcpy(line->text + line->len, text, len);
    line->len += len;
    line->text[line->len] = '\0';
}

static void add_pair(struct line *line, const struct view_pair *pair)
{
    const bool quote = pair->value[0] == '\0' || strchr(pair->value, ' ') != NULL;

    add(line, line->len > 0 ? " " : "");
    add(line, pair->name);
    add(line, quote ? "=\"" : "=");
    add(line, pair->value);
    add(line, quote ? "\"" : "");
}

static int telling_place(const char *name)
{
    for (int i = 0; i < TELLING; i++) {
        if (strcmp(telling[i], name) == 0)
            return i;
    }
    return -1;
}

static void add_pairs(struct line *line, const struct view_pair *pairs, size_t count, size_t all)
{
    char more[48];

    for (size_t i = 0; i < count; i++)
        add_pair(line, &pairs[i]);
    if (count == all)
        return;
    (void)snprintf(more, sizeof(more), " (and %zu more)", all - count);
    add(line, more);
}

static void add_attributes(const struct waterfall *w, struct line *line,
                           const struct view_span *span)
{
    for (int place = 0; place < TELLING; place++) {
        for (size_t i = 0; i < span->pair_count; i++) {
            if (telling_place(span->pairs[i].name) == place)
                add_pair(line, &span->pairs[i]);
        }
    }
    for (size_t i = 0; w->style->all && i < span->pair_count; i++) {
        if (telling_place(span->pairs[i].name) < 0)
            add_pair(line, &span->pairs[i]);
    }
    if (w->style->all)
        add_pairs(line, NULL, 0, span->pairs_all - span->pair_count);
}

/* --- Rows --- */

static void print_bar(const struct waterfall *w, int64_t offset_ns, uint64_t duration_ns,
                      const char *code)
{
    char bar[WATERFALL_BAR_MAX];

    waterfall_text_bar(bar, w->bar, offset_ns, duration_ns, w->trace->duration_ns, w->style->utf8);
    (void)fprintf(w->to, "%*s%s%s%s\n", GAP, "", code, bar, colour(w, PLAIN));
}

static void print_right(const struct waterfall *w, unsigned columns, const char *text)
{
    const size_t width = columns_of(text, strlen(text));

    (void)fprintf(w->to, "%*s%s", width < columns ? (int)(columns - width) : 1, "", text);
}

/* The service where it is another than the parent's, and the name, in the columns for both. */
static void print_name(const struct waterfall *w, const struct start *start,
                       const struct view_span *span)
{
    const bool named = span->service[0] != '\0' &&
                       (span->parent == NULL || strcmp(span->parent->service, span->service) != 0);
    const bool failed = span->status == VIEW_STATUS_ERROR;
    struct line line = {.len = 0};
    size_t service, fit;
    unsigned room = w->name - start->columns, used;

    if (failed && w->style->width < WIDE)
        add(&line, "! ");
    if (named) {
        add(&line, span->service);
        add(&line, ": ");
    }
    service = line.len;
    add(&line, span->name[0] != '\0' ? span->name : "(no name)");
    fit = columns_fit(line.text, line.len, room);
    if (fit < line.len)
        fit = columns_fit(line.text, line.len, room - 2);
    if (service > fit)
        service = fit;
    used = (unsigned)columns_of(line.text, fit) + (fit < line.len ? 2 : 0);
    (void)fprintf(w->to, "%s%s%s", colour(w, DIM), start->text, colour(w, PLAIN));
    (void)fprintf(w->to, "%s%.*s%s", service_colour(w, span->service), (int)service, line.text,
                  colour(w, PLAIN));
    (void)fprintf(w->to, "%s%s%.*s%s%s%*s", colour(w, BOLD), failed ? colour(w, RED) : "",
                  (int)(fit - service), line.text + service, fit < line.len ? ".." : "",
                  colour(w, PLAIN), used < room ? (int)(room - used) : 0, "");
}

static void print_notices(const struct waterfall *w, const struct view_span *span)
{
    char duration[WATERFALL_TEXT_MAX];
    struct line line = {.len = 0};
    struct start start;

    draw_below(w, &start, span);
    if (span->orphan) {
        add(&line, "child of ");
        add(&line, span->parent_id);
        add(&line, ", which is not in this spool");
        print_lines(w, &start, "", 0, YELLOW, line.text);
    }
    if (span->shift_ns != 0 && (span->parent == NULL || span->parent->shift_ns != span->shift_ns)) {
        line = (struct line){.len = 0};
        waterfall_text_duration(duration,
                                (uint64_t)(span->shift_ns < 0 ? -span->shift_ns : span->shift_ns),
                                w->style->utf8);
        add(&line, span->host[0] != '\0' ? span->host : span->service);
        add(&line, "'s clock is another; drawn ");
        add(&line, duration);
        add(&line, span->shift_ns < 0 ? " earlier" : " later");
        print_lines(w, &start, "", 0, YELLOW, line.text);
    }
    if (span->message[0] != '\0') {
        line = (struct line){.len = 0};
        add(&line, span->status == VIEW_STATUS_ERROR ? "error: " : "status: ");
        add(&line, span->message);
        print_lines(w, &start, "", 0, RED, line.text);
    }
    line = (struct line){.len = 0};
    add_attributes(w, &line, span);
    if (line.len > 0)
        print_lines(w, &start, "", 0, DIM, line.text);
}

static void print_span(struct waterfall *w, const struct view_span *span)
{
    static const char *const statuses[] = {"", "ok", "error"};
    char offset[WATERFALL_TEXT_MAX], duration[WATERFALL_TEXT_MAX];
    const bool failed = span->status == VIEW_STATUS_ERROR;
    struct start start;

    if (w->rows++ >= WATERFALL_ROWS_MAX) {
        w->rows_left_out++;
        return;
    }
    draw(w, &start, span, true);
    print_name(w, &start, span);
    waterfall_text_offset(offset, span->offset_ns, w->style->utf8);
    waterfall_text_duration(duration, span->duration_ns, w->style->utf8);
    if (w->style->width >= WIDE) {
        (void)fprintf(w->to, " %s%-*s%s", failed ? colour(w, RED) : "", STATUS - 1,
                      statuses[span->status], colour(w, PLAIN));
        print_right(w, START, offset);
    }
    print_right(w, DURATION, duration);
    print_bar(w, span->offset_ns, span->duration_ns,
              failed ? colour(w, RED) : service_colour(w, span->service));
    print_notices(w, span);
}

static void print_note(const struct waterfall *w, const struct view_span *span,
                       const struct view_note *note)
{
    const char *const level = note->event ? "event" : note->level;
    const char *const code = note->severity >= SEVERITY_ERROR  ? RED
                             : note->severity >= SEVERITY_WARN ? YELLOW
                                                               : "";
    char offset[WATERFALL_TEXT_MAX];
    struct line lead = {.len = 0}, line = {.len = 0};
    struct start start;
    unsigned columns;

    if (w->rows > WATERFALL_ROWS_MAX)
        return;
    draw_below(w, &start, span);
    waterfall_text_offset(offset, note->offset_ns, w->style->utf8);
    columns = (unsigned)(columns_of(offset, strlen(offset)) + strlen(level)) + 2;
    add(&lead, offset);
    add(&lead, " ");
    add(&lead, colour(w, code));
    add(&lead, level);
    add(&lead, " ");
    add(&lead, colour(w, PLAIN));
    if (note->logger[0] != '\0') {
        add(&line, note->logger);
        add(&line, ": ");
    }
    add(&line, note->text);
    add_pairs(&line, note->pairs, note->pair_count, note->pairs_all);
    print_lines(w, &start, lead.text, columns, code, line.text);
}

static void print_folded(const struct waterfall *w, const struct view_span *span)
{
    char least[WATERFALL_TEXT_MAX], most[WATERFALL_TEXT_MAX], sum[WATERFALL_TEXT_MAX];
    char text[LINE_BYTES];
    struct start start;

    if (w->rows > WATERFALL_ROWS_MAX)
        return;
    waterfall_text_duration(least, span->fold_least_ns, w->style->utf8);
    waterfall_text_duration(most, span->fold_most_ns, w->style->utf8);
    waterfall_text_duration(sum, span->fold_sum_ns, w->style->utf8);
    (void)snprintf(text, sizeof(text), "%u more like this: %s to %s each, %s in all (%s)",
                   span->fold_count, least, most, sum, span->name);
    draw_below(w, &start, span->parent);
    print_lines(w, &start, "", 0, DIM, text);
}

/* --- The whole --- */

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void print_head(const struct waterfall *w)
{
    const struct view_trace *const trace = w->trace;
    char when[CLOCK_ISO8601_SIZE], duration[WATERFALL_TEXT_MAX], ruler[WATERFALL_TEXT_MAX];
    struct line line = {.len = 0};
    char text[128];

    clock_iso8601(when, trace->start_ns);
    waterfall_text_duration(duration, trace->duration_ns, w->style->utf8);
    when[10] = ' ';
    (void)fprintf(w->to, "%strace %s%s\n", colour(w, BOLD), trace->id, colour(w, PLAIN));
    (void)snprintf(text, sizeof(text), "%s, %s, %zu span%s", when, duration, trace->span_count,
                   plural(trace->span_count));
    add(&line, text);
    for (size_t i = 0; i < trace->service_count; i++) {
        add(&line, i == 0 ? " of " : ", ");
        add(&line, trace->services[i]);
    }
    add(&line, trace->services_left_out ? " and others" : "");
    if (trace->errors > 0) {
        (void)snprintf(text, sizeof(text), ", %zu failed", trace->errors);
        add(&line, text);
    }
    if (trace->request[0] != '\0') {
        add(&line, ", request ");
        add(&line, trace->request);
    }
    print_lines(w, &(const struct start){.columns = 0}, "", 0, "", line.text);
    if (trace->span_count == 0)
        return;
    (void)fprintf(w->to, "%s%-*s", colour(w, DIM), (int)w->name, "SPAN");
    if (w->style->width >= WIDE) {
        (void)fprintf(w->to, " %-*s", STATUS - 1, "STATUS");
        print_right(w, START - 1, "START");
    }
    print_right(w, DURATION, "TIME");
    (void)snprintf(ruler, sizeof(ruler), "%s", duration);
    (void)fprintf(w->to, "%*s0", GAP, "");
    print_right(w, w->bar - 1, ruler);
    (void)fprintf(w->to, "%s\n", colour(w, PLAIN));
}

static void print_foot(const struct waterfall *w)
{
    const unsigned long long spans = w->trace->spans_left_out + w->rows_left_out;

    if (spans > 0)
        (void)fprintf(w->to, "(%llu more spans are not shown; --json has all)\n", spans);
    if (w->trace->notes_left_out > 0)
        (void)fprintf(w->to, "(%llu more log records are not shown; --json has all)\n",
                      (unsigned long long)w->trace->notes_left_out);
    if (w->trace->span_count == 0)
        (void)fprintf(w->to, "(no span of it is here: not sampled, not kept, or gone)\n");
}

void waterfall_print(FILE *to, const struct waterfall_style *style, struct view_trace *trace)
{
    static struct waterfall w;
    const bool wide = style->width >= WIDE;
    const unsigned figures = DURATION + GAP + (wide ? STATUS + START : 0);
    const unsigned room = style->width - figures;

    w = (struct waterfall){.to = to, .style = style, .trace = trace};
    w.name = room * 3 / 5;
    if (w.name < NAME_MIN)
        w.name = NAME_MIN;
    if (w.name > NAME_MAX_COLUMNS)
        w.name = NAME_MAX_COLUMNS;
    w.bar = room - w.name;
    w.levels = (w.name - NAME_MIN / 2) / STEP - 1;
    print_head(&w);
    view_walk_begin(&w.walk, trace);
    while (view_walk_next(&w.walk)) {
        switch (w.walk.what) {
        case VIEW_WALK_SPAN:
            print_span(&w, w.walk.span);
            break;
        case VIEW_WALK_NOTE:
            print_note(&w, w.walk.span, w.walk.at);
            break;
        case VIEW_WALK_FOLDED:
            print_folded(&w, w.walk.span);
            break;
        }
    }
    print_foot(&w);
}
