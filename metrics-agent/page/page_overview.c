#include "metrics-agent/page/page_overview.h"

void page_overview_begin(struct html *html, const struct page_query *query)
{
    (void)query;
    html_raw(html, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<title>MicroTrace</title></head><body><main>");
}

void page_overview_end(struct html *html, const struct page_agent *agent)
{
    html_raw(html, "</main><footer>MicroTrace ");
    html_text(html, agent->version);
    html_raw(html, "</footer></body></html>");
}

void page_overview_write(struct html *html, const struct page_query *query,
                         const struct overview *overview, const struct verdict *verdict,
                         const struct page_agent *agent)
{
    (void)query;
    (void)agent;
    html_format(html, "<section id=\"verdict\" data-sequence=\"%llu\"><h1>",
                (unsigned long long)overview->sequence);
    html_text(html, verdict->sentence);
    html_raw(html, "</h1></section>");
}

void page_overview_traces(struct html *html, const struct page_query *query)
{
    (void)query;
    html_raw(html, "<section id=\"traces\"><a href=\"?by=latest\">latest traces</a></section>");
}
