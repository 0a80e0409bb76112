#include "cli/waterfall.h"

#include "cli/columns.h"
#include "cli/waterfall_line.h"
#include "cli/waterfall_text.h"
#include "lib/base/clock.h"
#include "view/view_text.h"
#include "view/view_walk.h"

#include <string.h>

enum {
    STATUS = 6, /* columns, with the blanks before them */
    START = 9,
    DURATION = 8,
    GAP = 2,
    CUT = 2, /* of the mark of a name that is cut */
    NAME_MIN = 18,
    NAME_MAX_COLUMNS = 60,
    WIDE = 60, /* from here on there are status and start */
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

static const char *colour(const struct waterfall *w, const char *code)
{
    return waterfall_line_colour(w->style, code);
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

/* In the one way or the other that lines are drawn. */
static const char *drawn(const struct waterfall *w, const char *box, const char *ascii)
{
    return w->style->utf8 ? box : ascii;
}

/*
 * What stands before a name, or before a line below it: a column for each ancestor, with a line
 * where siblings of the next one follow. Of levels that do not fit the outermost are left out.
 */
static void draw(const struct waterfall *w, struct waterfall_start *start,
                 const struct view_span *span)
{
    const struct view_span *chain[WATERFALL_WIDTH_MAX];
    const char *const line = drawn(w, "\u2502  ", "|  ");
    unsigned count = 0;

    *start = (struct waterfall_start){.columns = 0};
    for (; span != NULL && count <= w->levels; span = span->parent)
        chain[count++] = span;
    if (span != NULL)
        waterfall_line_column(start, NULL, drawn(w, "\u2026  ", "~  "));
    /* The roots have no line in front. */
    for (unsigned i = span != NULL ? count - 1 : count; i-- > 0;) {
        const struct view_span *const parent = chain[i]->parent;

        if (parent == NULL)
            continue;
        if (view_walk_more(&w->walk, parent))
            waterfall_line_column(start, drawn(w, "\u251c\u2500 ", "|- "), line);
        else
            waterfall_line_column(start, drawn(w, "\u2514\u2500 ", "`- "), "   ");
    }
}

/* The start of the lines below a span: those of its own children run through them. */
static void draw_below(const struct waterfall *w, struct waterfall_start *start,
                       const struct view_span *span)
{
    const char *const line = drawn(w, "\u2502  ", "|  ");
    const bool more = view_walk_more(&w->walk, span);

    draw(w, start, span);
    if (span != NULL)
        waterfall_line_column(start, more ? line : "   ", more ? line : "   ");
}

/* The same for a log line or an event, which ends its span's line where it is the last. */
static void draw_note(const struct waterfall *w, struct waterfall_start *start,
                      const struct view_span *span)
{
    draw_below(w, start, span);
    if (span != NULL && !view_walk_more(&w->walk, span))
        start->first = drawn(w, "\u2514  ", "`  ");
}

/* --- Lines of text --- */

static void print_text(const struct waterfall *w, const struct waterfall_start *start,
                       const char *code, const char *text)
{
    waterfall_line_print(w->to, w->style, start, "", 0, code, text);
}

static void add_pairs(struct waterfall_line *line, const struct view_pair *pairs, size_t count,
                      size_t all)
{
    char more[48];

    for (size_t i = 0; i < count; i++)
        waterfall_line_add_pair(line, &pairs[i]);
    if (count == all)
        return;
    (void)snprintf(more, sizeof(more), " (and %zu more)", all - count);
    waterfall_line_add(line, more);
}

static void add_attributes(const struct waterfall *w, struct waterfall_line *line,
                           const struct view_span *span)
{
    for (int place = 0; place < VIEW_TEXT_TELLING; place++) {
        for (size_t i = 0; i < span->pair_count; i++) {
            if (view_text_telling(span->pairs[i].name) == place)
                waterfall_line_add_pair(line, &span->pairs[i]);
        }
    }
    for (size_t i = 0; w->style->all && i < span->pair_count; i++) {
        if (view_text_telling(span->pairs[i].name) < 0)
            waterfall_line_add_pair(line, &span->pairs[i]);
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
    (void)fprintf(w->to, "%*s%s%s%s\n", GAP, "", code, bar, colour(w, WATERFALL_PLAIN));
}

static void print_right(const struct waterfall *w, unsigned columns, const char *text)
{
    const size_t width = columns_of(text, strlen(text));

    (void)fprintf(w->to, "%*s%s", width < columns ? (int)(columns - width) : 1, "", text);
}

/*
 * The service where it is another than the parent's, and the name, in the columns for both. Returns
 * false if the service would have taken the name's room.
 */
static bool print_name(const struct waterfall *w, const struct waterfall_start *start,
                       const struct view_span *span)
{
    const bool failed = span->status == VIEW_STATUS_ERROR;
    const char *const name = span->name[0] != '\0' ? span->name : "(no name)";
    const unsigned room = w->name - start->columns;
    bool named = span->service[0] != '\0' &&
                 (span->parent == NULL || strcmp(span->parent->service, span->service) != 0);
    struct waterfall_line line = {.len = 0};
    const bool wanted = named;
    size_t service, fit;
    unsigned used;

    if (columns_of(span->service, strlen(span->service)) + columns_of(name, strlen(name)) + 4 >
        room)
        named = false;
    waterfall_line_add(&line, failed && w->style->width < WIDE ? "! " : "");
    waterfall_line_add(&line, named ? span->service : "");
    waterfall_line_add(&line, named ? ": " : "");
    service = line.len;
    waterfall_line_add(&line, name);
    fit = columns_fit(line.text, line.len, room);
    if (fit < line.len)
        fit = columns_fit(line.text, line.len, room - CUT);
    used = (unsigned)columns_of(line.text, fit) + (fit < line.len ? CUT : 0);
    (void)fprintf(w->to, "%s%s%s%s", colour(w, WATERFALL_DIM), start->text,
                  start->first != NULL ? start->first : "", colour(w, WATERFALL_PLAIN));
    (void)fprintf(w->to, "%s%.*s%s", service_colour(w, span->service), (int)service, line.text,
                  colour(w, WATERFALL_PLAIN));
    (void)fprintf(w->to, "%s%s%.*s%s%s%*s", colour(w, WATERFALL_BOLD),
                  failed ? colour(w, WATERFALL_RED) : "", (int)(fit - service), line.text + service,
                  fit < line.len ? ".." : "", colour(w, WATERFALL_PLAIN),
                  used < room ? (int)(room - used) : 0, "");
    return named || !wanted;
}

static void print_notices(const struct waterfall *w, const struct view_span *span, bool named)
{
    struct waterfall_line line = {.len = 0};
    struct waterfall_start start;
    char text[VIEW_TEXT_MAX];

    draw_below(w, &start, span);
    if (!named) {
        waterfall_line_add(&line, "of ");
        waterfall_line_add(&line, span->service);
        print_text(w, &start, service_colour(w, span->service), line.text);
        line = (struct waterfall_line){.len = 0};
    }
    view_text_orphan(text, span);
    if (text[0] != '\0')
        print_text(w, &start, WATERFALL_YELLOW, text);
    view_text_shift(text, span, w->style->utf8);
    if (text[0] != '\0')
        print_text(w, &start, WATERFALL_YELLOW, text);
    if (span->message[0] != '\0') {
        line = (struct waterfall_line){.len = 0};
        waterfall_line_add(&line, span->status == VIEW_STATUS_ERROR ? "error: " : "status: ");
        waterfall_line_add(&line, span->message);
        print_text(w, &start, WATERFALL_RED, line.text);
    }
    line = (struct waterfall_line){.len = 0};
    add_attributes(w, &line, span);
    if (line.len > 0)
        print_text(w, &start, WATERFALL_DIM, line.text);
}

static void print_span(struct waterfall *w, const struct view_span *span)
{
    static const char *const statuses[] = {"", "ok", "error"};
    char offset[VIEW_TEXT_DURATION_MAX], duration[VIEW_TEXT_DURATION_MAX];
    const bool failed = span->status == VIEW_STATUS_ERROR;
    struct waterfall_start start;
    bool named;

    if (w->rows++ >= WATERFALL_ROWS_MAX) {
        w->rows_left_out++;
        return;
    }
    draw(w, &start, span);
    named = print_name(w, &start, span);
    view_text_offset(offset, span->offset_ns, w->style->utf8);
    view_text_duration(duration, span->duration_ns, w->style->utf8);
    if (w->style->width >= WIDE) {
        (void)fprintf(w->to, " %s%-*s%s", failed ? colour(w, WATERFALL_RED) : "", STATUS - 1,
                      statuses[span->status], colour(w, WATERFALL_PLAIN));
        print_right(w, START, offset);
    }
    print_right(w, DURATION, duration);
    print_bar(w, span->offset_ns, span->duration_ns,
              failed ? colour(w, WATERFALL_RED) : service_colour(w, span->service));
    print_notices(w, span, named);
}

static void print_note(const struct waterfall *w, const struct view_span *span,
                       const struct view_note *note)
{
    const char *const level = note->event ? "event" : note->level;
    const char *const code = note->severity >= SEVERITY_ERROR  ? WATERFALL_RED
                             : note->severity >= SEVERITY_WARN ? WATERFALL_YELLOW
                                                               : "";
    char offset[VIEW_TEXT_DURATION_MAX];
    struct waterfall_line lead = {.len = 0}, line = {.len = 0};
    struct waterfall_start start;
    unsigned columns;

    if (w->rows > WATERFALL_ROWS_MAX)
        return;
    draw_note(w, &start, span);
    view_text_offset(offset, note->offset_ns, w->style->utf8);
    columns = (unsigned)(columns_of(offset, strlen(offset)) + columns_of(level, strlen(level))) + 2;
    waterfall_line_add(&lead, offset);
    waterfall_line_add(&lead, " ");
    waterfall_line_add(&lead, colour(w, code));
    waterfall_line_add(&lead, level);
    waterfall_line_add(&lead, " ");
    waterfall_line_add(&lead, colour(w, WATERFALL_PLAIN));
    if (note->logger[0] != '\0') {
        waterfall_line_add(&line, note->logger);
        waterfall_line_add(&line, ": ");
    }
    waterfall_line_add(&line, note->text);
    add_pairs(&line, note->pairs, note->pair_count, note->pairs_all);
    waterfall_line_print(w->to, w->style, &start, lead.text, columns, code, line.text);
}

static void print_folded(const struct waterfall *w, const struct view_span *span)
{
    struct waterfall_start start;
    char text[VIEW_TEXT_MAX];

    if (w->rows > WATERFALL_ROWS_MAX)
        return;
    view_text_folded(text, span, w->style->utf8);
    draw_below(w, &start, span->parent);
    print_text(w, &start, WATERFALL_DIM, text);
}

/* --- The whole --- */

static void print_head(const struct waterfall *w)
{
    const struct view_trace *const trace = w->trace;
    const bool wide = w->style->width >= WIDE + 4;
    char when[CLOCK_ISO8601_SIZE], duration[VIEW_TEXT_DURATION_MAX], ruler[VIEW_TEXT_DURATION_MAX];
    struct waterfall_line line = {.len = 0};
    char text[4 * VIEW_TEXT_MAX];

    clock_iso8601(when, trace->start_ns);
    view_text_duration(duration, trace->duration_ns, w->style->utf8);
    when[10] = ' ';
    (void)fprintf(w->to, "%strace %s%s%s%s\n", colour(w, WATERFALL_BOLD), trace->id,
                  colour(w, WATERFALL_PLAIN), wide ? "  " : "", wide ? when : "");
    waterfall_line_add(&line, wide ? "" : when);
    waterfall_line_add(&line, wide ? "" : ", ");
    view_text_summary(text, trace, w->style->utf8);
    waterfall_line_add(&line, text);
    print_text(w, &(const struct waterfall_start){.columns = 0}, "", line.text);
    if (trace->span_count == 0)
        return;
    (void)fprintf(w->to, "%s%-*s", colour(w, WATERFALL_DIM), (int)w->name, "SPAN");
    if (w->style->width >= WIDE) {
        (void)fprintf(w->to, " %-*s", STATUS - 1, "STATUS");
        print_right(w, START - 1, "START");
    }
    print_right(w, DURATION, "TIME");
    (void)snprintf(ruler, sizeof(ruler), "%s", duration);
    (void)fprintf(w->to, "%*s0", GAP, "");
    print_right(w, w->bar - 1, ruler);
    (void)fprintf(w->to, "%s\n", colour(w, WATERFALL_PLAIN));
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
    w.levels = (w.name - NAME_MIN / 2) / WATERFALL_LINE_STEP - 1;
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
