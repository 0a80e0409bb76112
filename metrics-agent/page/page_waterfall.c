#include "metrics-agent/page/page_waterfall.h"

#include "metrics-agent/page/page_markup.h"
#include "view/figure.h"
#include "view/view_text.h"
#include "view/view_walk.h"

#include <string.h>

enum {
    DEPTH_MAX = 16, /* of a class; what is deeper stands there, too */
    SERVICES = 8,   /* that have a colour of their own */
    SEVERITY_WARN = 13,
    SEVERITY_ERROR = 17,
};

struct waterfall {
    struct html *html;
    struct view_trace *trace;
    size_t begin, rows;
    size_t spans_left_out, notes_left_out, attributes_left_out;
};

/* --- Pieces --- */

static unsigned depth_of(uint32_t depth)
{
    return depth < DEPTH_MAX ? depth : DEPTH_MAX;
}

/* Text browsers have no classes: dots say how deep it is. */
static void write_depth(struct html *html, uint32_t depth)
{
    if (depth == 0)
        return;
    html_raw(html, "<span class=\"depth\">");
    for (unsigned i = 0; i < depth_of(depth); i++)
        html_raw(html, "\u00b7 ");
    if (depth > DEPTH_MAX)
        html_format(html, "(%u) ", depth);
    html_raw(html, "</span>");
}

static void write_pair(struct html *html, const struct view_pair *pair)
{
    html_raw(html, "<dt>");
    html_text(html, pair->name);
    html_raw(html, "</dt><dd>");
    html_text(html, pair->value);
    html_raw(html, "</dd>");
}

/* Those that tell what happened first. */
static void write_pairs(struct waterfall *w, const struct view_pair *pairs, size_t count,
                        size_t all)
{
    struct html *const html = w->html;

    if (all == 0)
        return;
    if (html->len - w->begin > PAGE_WATERFALL_ATTRIBUTES_MAX) {
        w->attributes_left_out += all;
        return;
    }
    html_format(html, "<details><summary>%zu attribute%s</summary><dl>", all, all == 1 ? "" : "s");
    for (int place = 0; place < VIEW_TEXT_TELLING; place++) {
        for (size_t i = 0; i < count; i++) {
            if (view_text_telling(pairs[i].name) == place)
                write_pair(html, &pairs[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (view_text_telling(pairs[i].name) < 0)
            write_pair(html, &pairs[i]);
    }
    html_raw(html, "</dl>");
    if (count < all)
        html_format(html, "<p class=\"aside\">and %zu more</p>", all - count);
    html_raw(html, "</details>");
}

static void write_notice(struct html *html, const char *class, const char *lead, const char *text)
{
    if (text[0] == '\0')
        return;
    html_format(html, "<p class=\"%s\">%s", class, lead);
    html_text(html, text);
    html_raw(html, "</p>");
}

static void write_offset(struct html *html, int64_t offset_ns)
{
    char offset[VIEW_TEXT_DURATION_MAX];

    view_text_offset(offset, offset_ns, true);
    html_format(html, "<td class=\"number\">%s</td>", offset);
}

/* "s0" to "s7" by the service's place in the trace; the same for all services beyond. */
static void write_bar(const struct waterfall *w, const struct view_span *span)
{
    char class[] = "s0";

    for (size_t i = 0; i < w->trace->service_count && i < SERVICES; i++) {
        if (strcmp(w->trace->services[i], span->service) == 0)
            class[1] = (char)('0' + i);
    }
    html_raw(w->html, "<td class=\"bars\">");
    page_markup_bar(w->html, span->status == VIEW_STATUS_ERROR ? "failed" : class, span->offset_ns,
                    span->duration_ns, w->trace->duration_ns);
    html_raw(w->html, "</td>");
}

/* --- Rows --- */

/* Whether there is room for one more. */
static bool begin_row(struct waterfall *w, size_t *left_out)
{
    if (w->rows >= PAGE_WATERFALL_ROWS_MAX || w->html->len - w->begin > PAGE_WATERFALL_BYTES_MAX) {
        (*left_out)++;
        return false;
    }
    w->rows++;
    return true;
}

static void write_span(struct waterfall *w, const struct view_span *span)
{
    static const char *const statuses[] = {"", "ok", "error"};
    static const char *const kinds[] = {"", "internal", "server", "client", "producer", "consumer"};
    const bool failed = span->status == VIEW_STATUS_ERROR;
    struct html *const html = w->html;
    char text[VIEW_TEXT_MAX];

    if (!begin_row(w, &w->spans_left_out))
        return;
    html_format(html, "<tr class=\"span%s\"", failed ? " failed" : "");
    if (span->id[0] != '\0')
        html_format(html, " id=\"span-%s\"", span->id);
    html_format(html, "><th scope=\"row\" class=\"name d%u\">", depth_of(span->depth));
    write_depth(html, span->depth);
    html_text(html, span->name[0] != '\0' ? span->name : "(no name)");
    view_text_orphan(text, span);
    write_notice(html, "notice", "", text);
    view_text_shift(text, span, true);
    write_notice(html, "notice", "", text);
    write_notice(html, failed ? "message" : "notice",
                 failed ? "error: " : "status: ", span->message);
    write_pairs(w, span->pairs, span->pair_count, span->pairs_all);
    html_raw(html, "</th><td>");
    html_text(html, span->service);
    html_format(html, "</td><td>%s</td><td class=\"status\">%s</td>",
                span->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[span->kind] : "",
                statuses[span->status]);
    write_offset(html, span->offset_ns);
    html_raw(html, "<td class=\"number\">");
    page_markup_duration(html, span->duration_ns);
    html_raw(html, "</td>");
    write_bar(w, span);
    html_raw(html, "</tr>\n");
}

static void write_note(struct waterfall *w, const struct view_span *span,
                       const struct view_note *note)
{
    const char *const severity = note->severity >= SEVERITY_ERROR  ? " error"
                                 : note->severity >= SEVERITY_WARN ? " warning"
                                                                   : "";
    const uint32_t depth = span != NULL ? span->depth + 1 : 0;
    struct html *const html = w->html;

    if (!begin_row(w, &w->notes_left_out))
        return;
    html_format(html, "<tr class=\"%s%s\"><td class=\"d%u\" colspan=\"4\">",
                note->event ? "event" : "log", severity, depth_of(depth));
    write_depth(html, depth);
    html_raw(html, "<span class=\"level\">");
    html_text(html, note->event ? "event" : note->level[0] != '\0' ? note->level : "log");
    html_raw(html, "</span> ");
    if (note->logger[0] != '\0') {
        html_raw(html, "<span class=\"logger\">");
        html_text(html, note->logger);
        html_raw(html, ":</span> ");
    }
    html_text(html, note->text);
    write_pairs(w, note->pairs, note->pair_count, note->pairs_all);
    html_raw(html, "</td>");
    write_offset(html, note->offset_ns);
    html_raw(html, "<td colspan=\"2\"></td></tr>\n");
}

static void write_folded(struct waterfall *w, const struct view_span *span)
{
    char text[VIEW_TEXT_MAX];
    size_t told = 0;

    /* Those that it stands for are told of either way. */
    if (!begin_row(w, &told)) {
        w->spans_left_out += span->fold_count + span->fold_below;
        return;
    }
    view_text_folded(text, span, true);
    html_format(w->html, "<tr class=\"folded\"><td class=\"d%u\" colspan=\"7\">",
                depth_of(span->depth));
    write_depth(w->html, span->depth);
    html_text(w->html, text);
    html_raw(w->html, "</td></tr>\n");
}

/* --- The whole --- */

static void write_head(const struct waterfall *w)
{
    struct html *const html = w->html;
    char text[4 * VIEW_TEXT_MAX];

    html_raw(html, "<h3>Trace <a class=\"permalink\" href=\"");
    page_markup_trace_url(html, w->trace->id);
    html_raw(html, "\">");
    html_text(html, w->trace->id);
    html_raw(html, "</a></h3><p class=\"summary\">");
    page_markup_time(html, w->trace->start_ns);
    html_raw(html, ": ");
    view_text_summary(text, w->trace, true);
    html_text(html, text);
    html_raw(html, ".</p><p class=\"command\">In a terminal: <code>microtrace view --trace ");
    html_text(html, w->trace->id);
    html_raw(html, "</code></p>");
}

static void write_left_out(struct html *html, uint64_t count, const char *what)
{
    if (count == 0)
        return;
    html_format(html, "<p class=\"more\">and %s more %s</p>", figure_count((double)count).text,
                what);
}

static void write_foot(const struct waterfall *w)
{
    const uint64_t spans = w->trace->spans_left_out + w->spans_left_out;
    const uint64_t notes = w->trace->notes_left_out + w->notes_left_out;
    struct html *const html = w->html;

    write_left_out(html, spans, "spans");
    write_left_out(html, notes, "log records and events");
    write_left_out(html, w->attributes_left_out, "attributes");
    if (spans + notes + w->attributes_left_out > 0) {
        html_raw(html, "<p class=\"more\">All of it: <code>microtrace view --json --trace ");
        html_text(html, w->trace->id);
        html_raw(html, "</code></p>");
    }
    if (w->trace->span_count == 0)
        html_raw(html, "<p class=\"more\">No span of it is here: not sampled, not kept, or gone."
                       "</p>");
}

void page_waterfall_write(struct html *html, struct view_trace *trace)
{
    struct waterfall w = {.html = html, .trace = trace, .begin = html->len};
    struct view_walk walk;

    write_head(&w);
    html_raw(html, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Waterfall\">"
                   "<table class=\"waterfall\"><thead><tr><th scope=\"col\">Span</th><th "
                   "scope=\"col\">Service</th><th scope=\"col\">Kind</th><th scope=\"col\">Status"
                   "</th><th scope=\"col\" class=\"number\">Start</th><th scope=\"col\" "
                   "class=\"number\">Duration</th><th scope=\"col\" class=\"bars\">0 to ");
    page_markup_duration(html, trace->duration_ns);
    html_raw(html, "</th></tr></thead><tbody>\n");
    view_walk_begin(&walk, trace);
    while (view_walk_next(&walk)) {
        switch (walk.what) {
        case VIEW_WALK_SPAN:
            write_span(&w, walk.span);
            break;
        case VIEW_WALK_NOTE:
            write_note(&w, walk.span, walk.at);
            break;
        case VIEW_WALK_FOLDED:
            write_folded(&w, walk.span);
            break;
        }
    }
    html_raw(html, "</tbody></table></div>");
    write_foot(&w);
}
