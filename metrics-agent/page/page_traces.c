#include "metrics-agent/page/page_traces.h"

#include <unistd.h>

unsigned page_traces_write(struct html *html, const struct page_query *query, const char *run_dir,
                           const char *spool_dir)
{
    const bool readable = access(run_dir, R_OK | X_OK) == 0 && access(spool_dir, R_OK | X_OK) == 0;

    html_raw(html, "<section id=\"traces\"><p>");
    html_text(html, readable ? "No trace was found: " : "The spool can't be read: ");
    html_text(html, query->find[0] != '\0' ? query->find : query->trace);
    html_raw(html, "</p></section>");
    return readable ? 404 : 503;
}
