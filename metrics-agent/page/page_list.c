#include "metrics-agent/page/page_list.h"

#include "metrics-agent/page/page_markup.h"
#include "view/figure.h"

static void write_status(struct html *html, const struct view_list_row *row)
{
    const char *const word = row->status == VIEW_STATUS_ERROR ? "error"
                             : row->spans == 0                ? "not known"
                             : row->http_status == 0          ? "ok"
                                                              : "";

    if (row->http_status > 0)
        html_format(html, "%u%s", row->http_status, word[0] != '\0' ? " " : "");
    html_raw(html, word);
    if (row->failed > 0)
        html_format(html, ", %zu span%s failed", row->failed, row->failed == 1 ? "" : "s");
}

static void write_row(struct html *html, const struct view_list_row *row, uint64_t most_ns)
{
    const bool failed = row->failed > 0;

    html_format(html, "<tr%s><td class=\"when\">", failed ? " class=\"failed\"" : "");
    page_markup_time(html, row->start_ns);
    html_raw(html, "</td><th scope=\"row\" class=\"name\"><a href=\"");
    page_markup_trace_url(html, row->trace);
    html_raw(html, "\">");
    html_text(html, row->spans == 0        ? "(log lines alone)"
                    : row->name[0] == '\0' ? "(no name)"
                                           : row->name);
    html_raw(html, "</a>");
    if (row->rootless)
        html_raw(html, " <span class=\"aside\">(its root is not here)</span>");
    html_raw(html, "</th><td>");
    html_text(html, row->service);
    html_raw(html, "</td><td class=\"status\">");
    write_status(html, row);
    html_raw(html, "</td><td class=\"number\">");
    page_markup_duration(html, row->duration_ns);
    html_raw(html, "</td><td class=\"bars\">");
    page_markup_bar(html, failed ? "failed" : "s0", 0, row->duration_ns, most_ns);
    html_raw(html, "</td><td class=\"number\">");
    html_format(html, "%s</td><td class=\"message\">", figure_count((double)row->spans).text);
    html_text(html, row->error);
    html_raw(html, "</td></tr>\n");
}

void page_list_write(struct html *html, const char *caption, const struct view_list *list)
{
    uint64_t most_ns = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (list->rows[i].duration_ns > most_ns)
            most_ns = list->rows[i].duration_ns;
    }
    html_raw(html, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"List of "
                   "traces\"><table class=\"traces\"><caption>");
    html_raw(html, caption);
    html_raw(html, "</caption><thead><tr><th scope=\"col\">Began</th><th scope=\"col\">Name</th>"
                   "<th scope=\"col\">Service</th><th scope=\"col\">Status</th><th scope=\"col\" "
                   "class=\"number\">Longest span</th><th scope=\"col\" class=\"bars\">Compared"
                   "</th><th scope=\"col\" class=\"number\">Spans</th><th scope=\"col\">First "
                   "error</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < list->count; i++)
        write_row(html, &list->rows[i], most_ns);
    html_raw(html, "</tbody></table></div>");
    if (list->copies)
        html_raw(html, "<p class=\"aside\">There are so many spans that some may be counted "
                       "twice.</p>");
}
