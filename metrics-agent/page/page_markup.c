#include "metrics-agent/page/page_markup.h"

#include "lib/base/clock.h"
#include "view/view_text.h"

#include <stdio.h>
#include <string.h>

enum {
    BAR = 1000, /* units of a bar's width */
    BAR_MIN = 6,
};

void page_markup_time(struct html *html, uint64_t unix_ns)
{
    char text[CLOCK_ISO8601_SIZE];

    if (unix_ns == 0) {
        html_raw(html, "-");
        return;
    }
    clock_iso8601(text, unix_ns);
    html_format(html, "<time datetime=\"%s\">", text);
    text[strlen("YYYY-MM-DD")] = ' ';
    html_format(html, "%s</time>", text);
}

void page_markup_duration(struct html *html, uint64_t ns)
{
    char text[VIEW_TEXT_DURATION_MAX];

    view_text_duration(text, ns, true);
    html_raw(html, text);
}

void page_markup_bar(struct html *html, const char *class, int64_t offset_ns, uint64_t duration_ns,
                     uint64_t range_ns)
{
    const struct view_text_bar bar = view_text_bar(offset_ns, duration_ns, range_ns, BAR, BAR_MIN);

    html_format(html,
                "<svg class=\"bar %s\" width=\"160\" height=\"10\" viewBox=\"0 0 %d 10\" "
                "preserveAspectRatio=\"none\" aria-hidden=\"true\" focusable=\"false\"><rect "
                "x=\"%u\" y=\"0\" width=\"%u\" height=\"10\"/></svg>",
                class, BAR, bar.begin, bar.end - bar.begin);
}

void page_markup_trace_url(struct html *html, const char *id)
{
    html_raw(html, "/?trace=");
    html_query(html, id);
}
