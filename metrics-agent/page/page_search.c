#include "metrics-agent/page/page_search.h"

static void write_list(struct html *html, const struct page_query *query, enum page_list list,
                       const char *label)
{
    html_format(html, "<li><a href=\"/?minutes=%u&amp;by=%s\"%s>%s</a></li>", query->minutes,
                page_query_lists[list],
                query->list == list && query->trace[0] == '\0' ? " aria-current=\"true\"" : "",
                label);
}

void page_search_write(struct html *html, const struct page_query *query)
{
    html_raw(html, "<h2>Traces</h2><ul class=\"lists\">");
    write_list(html, query, PAGE_LIST_LATEST, "Latest");
    write_list(html, query, PAGE_LIST_SLOWEST, "Slowest");
    write_list(html, query, PAGE_LIST_ERRORS, "Failed");
    html_format(
        html,
        "</ul><form action=\"/\" method=\"get\" role=\"search\"><input type=\"hidden\" "
        "name=\"minutes\" value=\"%u\"><label for=\"find\">Request id, trace id, path, name "
        "or status; &quot;last 15m&quot; behind it for the time</label><input "
        "type=\"search\" id=\"find\" name=\"find\" maxlength=\"%d\" autocomplete=\"off\" "
        "spellcheck=\"false\" value=\"",
        query->minutes, PAGE_FIND_MAX - 1);
    html_text(html, query->find);
    html_raw(html, "\"><button type=\"submit\">Search</button></form>");
}

void page_search_section(struct html *html, const struct page_query *query, const char *why)
{
    html_raw(html, "<section id=\"traces\">");
    page_search_write(html, query);
    if (why != NULL) {
        html_raw(html, "<p class=\"answer nothing\">");
        html_text(html, why);
        html_raw(html, "</p>");
    }
    html_raw(html, "</section>");
}
