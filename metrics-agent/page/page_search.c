#include "metrics-agent/page/page_search.h"

static void write_list(struct html *html, const struct page_query *query, enum page_list list,
                       const char *name, const char *label)
{
    html_format(html, "<li><a href=\"/?minutes=%u&amp;by=%s\"%s>%s</a></li>", query->minutes, name,
                query->list == list && query->trace[0] == '\0' ? " aria-current=\"true\"" : "",
                label);
}

void page_search_write(struct html *html, const struct page_query *query)
{
    html_raw(html, "<h2>Traces</h2><ul class=\"lists\">");
    write_list(html, query, PAGE_LIST_LATEST, "latest", "Latest");
    write_list(html, query, PAGE_LIST_SLOWEST, "slowest", "Slowest");
    write_list(html, query, PAGE_LIST_ERRORS, "errors", "Failed");
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
