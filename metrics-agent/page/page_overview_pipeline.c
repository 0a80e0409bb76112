#include "metrics-agent/page/chart.h"
#include "metrics-agent/page/page_overview_parts.h"

#include <math.h>
#include <stdio.h>

static const char *const titles[SPOOL_SIGNALS] = {
    [SPOOL_TRACES] = "Traces", [SPOOL_LOGS] = "Logs", [SPOOL_METRICS] = "Metrics of others"};

static bool used(const struct overview_signal *signal)
{
    return signal->written > 0 || signal->backlog > 0;
}

static void write_fact(struct html *html, const char *name, double count, const char *more,
                       bool bad)
{
    html_format(html, "<div%s><dt>%s</dt><dd><b>%s</b>%s</dd></div>", bad ? " class=\"bad\"" : "",
                name, figure_count(count).text, more);
}

/* Of the books: written = delivered + rejected + quarantined + dropped + waiting. */
static void write_books(struct html *html, const struct overview_signal *signal)
{
    struct figure more = {" "};

    html_raw(html, "<dl class=\"books\">");
    (void)snprintf(more.text, sizeof(more.text), " <small>%.20s/s</small>",
                   figure_count(signal->written_rate).text);
    write_fact(html, "Written", (double)signal->written, more.text, false);
    (void)snprintf(more.text, sizeof(more.text), " <small>%.20s/s</small>",
                   figure_count(signal->delivered_rate).text);
    write_fact(html, "Delivered", (double)signal->delivered, more.text, false);
    write_fact(html, "Waiting", (double)signal->backlog, "", false);
    write_fact(html, "Rejected", (double)signal->rejected, "", signal->rejected > 0);
    write_fact(html, "Quarantined", (double)signal->quarantined, "", signal->quarantined > 0);
    write_fact(html, "Dropped", (double)signal->dropped, "", signal->dropped > 0);
    html_raw(html, "</dl>");
}

static void write_room(struct html *html, const struct overview_signal *signal)
{
    const double share =
        signal->limit_bytes > 0 ? fmin(fmax(signal->bytes / signal->limit_bytes, 0), 1) : NAN;

    html_raw(html, "<p class=\"room\">");
    if (!isnan(share))
        html_format(html,
                    "<svg class=\"bar\" aria-hidden=\"true\"><rect class=\"%s\" width=\"%.4g%%\" "
                    "height=\"100%%\"/></svg>%s of %s used (%s)",
                    share > 0.8 ? "error" : "busy", 100 * share, figure_bytes(signal->bytes).text,
                    figure_bytes(signal->limit_bytes).text, figure_share(share).text);
    else
        html_format(html, "%s used", figure_bytes(signal->bytes).text);
    if (isfinite(signal->full_in_s))
        html_format(html, "; <b>full in %s</b> at this pace",
                    figure_seconds(signal->full_in_s).text);
    if (signal->kept_bytes > 0)
        html_format(html, "; %s delivered and kept to look at",
                    figure_bytes(signal->kept_bytes).text);
    html_raw(html, ".</p>");
}

static void write_signal(struct html *html, const struct overview_signal *signal,
                         enum spool_signal which, const struct page_agent *agent)
{
    const char *const endpoint = agent->endpoints[which] != NULL ? agent->endpoints[which] : "";
    const char *const result = agent->results[which] != NULL ? agent->results[which] : "";

    html_format(html, "<div class=\"signal\"><h3>%s</h3>", titles[which]);
    write_books(html, signal);
    chart_spark(html, &signal->backlogs, "Records that wait", FIGURE_COUNT, "waiting");
    write_room(html, signal);
    html_raw(html, "<p class=\"meta\">");
    if (endpoint[0] != '\0') {
        html_raw(html, "To ");
        html_text(html, endpoint);
        html_raw(html, ". ");
    } else {
        html_raw(html, "Nothing is sent");
        html_raw(html, result[0] != '\0' ? ": " : ": no endpoint is set");
        html_text(html, result);
        html_raw(html, ". ");
    }
    if (endpoint[0] != '\0' && result[0] != '\0') {
        html_raw(html, "Last answer: ");
        html_text(html, result);
        html_raw(html, ". ");
    }
    if (endpoint[0] != '\0' && signal->oldest_s > 0)
        html_format(html, "The oldest record has waited %s.",
                    figure_seconds(signal->oldest_s).text);
    html_raw(html, "</p></div>");
}

void page_overview_pipeline(struct html *html, const struct overview *overview,
                            const struct page_agent *agent)
{
    html_raw(html, "<section id=\"pipeline\"><h2>Pipeline</h2><div class=\"signals\">");
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        if (i < SPOOL_OWN_SIGNALS || used(&overview->signals[i]))
            write_signal(html, &overview->signals[i], (enum spool_signal)i, agent);
    }
    html_raw(html, "</div>");
    if (overview->drop_count > 0) {
        html_format(html,
                    "<table><caption>Dropped records</caption><thead><tr><th scope=\"col\">Reason"
                    "</th><th scope=\"col\">Ever</th><th scope=\"col\">In %u min</th></tr></thead>"
                    "<tbody>",
                    overview->range_s / 60);
        for (size_t i = 0; i < overview->drop_count && i < OVERVIEW_DROPS_MAX; i++) {
            const struct overview_drop *drop = &overview->drops[i];

            html_raw(html, "<tr><th scope=\"row\">");
            html_text(html, drop->reason);
            html_format(html, "</th><td>%s</td><td%s>%s</td></tr>",
                        figure_count((double)drop->records).text,
                        drop->lately > 0 ? " class=\"bad\"" : "", figure_count(drop->lately).text);
        }
        html_raw(html, "</tbody></table>");
    }
    html_raw(html, "</section>\n");
}

static const char *breaker_words(int state)
{
    switch (state) {
    case 0:
        return "closed: calls pass";
    case 1:
        return "\u2715 open: calls are refused";
    case 2:
        return "half-open: one call probes";
    default:
        return "not known";
    }
}

void page_overview_faults(struct html *html, const struct overview *overview)
{
    html_raw(html, "<section id=\"faults\"><h2>Chaos and breaker</h2><dl class=\"inline\"><div>"
                   "<dt>Chaos</dt><dd>");
    if (overview->chaos_on)
        html_format(html,
                    "<b class=\"sign\">! on</b>: delays with probability %s, errors %s, aborts %s",
                    figure_share(overview->chaos_probability).text,
                    figure_share(overview->chaos_error_rate).text,
                    figure_share(overview->chaos_abort_rate).text);
    else
        html_raw(html, "off");
    html_format(html, "; %s injected in %u min</dd></div>",
                figure_count(overview->chaos_injected).text, overview->range_s / 60);
    html_raw(html, "<div><dt>Circuit breaker</dt>");
    if (overview->breaker_used)
        html_format(html, "<dd%s>%s; %s calls, %s failed in %u min</dd>",
                    overview->breaker == 1 ? " class=\"bad\"" : "",
                    breaker_words(overview->breaker), figure_count(overview->calls).text,
                    figure_count(overview->call_failures).text, overview->range_s / 60);
    else
        html_raw(html, "<dd>not used: no downstream calls</dd>");
    html_raw(html, "</div></dl></section>\n");
}
