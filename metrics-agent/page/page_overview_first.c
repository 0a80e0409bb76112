#include "metrics-agent/page/chart.h"
#include "metrics-agent/page/page_overview_parts.h"
#include "view/waiting.h"

#include <math.h>

/* Told by the sign and the word, and only then by the colour. */
static const struct {
    const char *look, *sign, *word;
} levels[] = {
    [VERDICT_WELL] = {"well", "\u2713", "Well"},
    [VERDICT_WARNING] = {"warning", "!", "Warning"},
    [VERDICT_WRONG] = {"wrong", "\u2715", "Wrong"},
};

static void write_problem(struct html *html, const struct verdict_problem *problem)
{
    html_format(html, "<li class=\"%s\"><p><b class=\"sign\">%s</b> ", levels[problem->level].look,
                levels[problem->level].word);
    html_text(html, problem->text);
    html_raw(html, "</p>");
    if (problem->mend[0] != '\0') {
        html_raw(html, "<p class=\"mend\"><code>");
        html_text(html, problem->mend);
        html_raw(html, "</code></p>");
    }
    html_raw(html, "</li>");
}

void page_overview_verdict(struct html *html, const struct overview *overview,
                           const struct verdict *verdict, const struct page_agent *agent)
{
    html_format(html,
                "<section id=\"verdict\" class=\"%s\" data-sequence=\"%llu\" tabindex=\"-1\">"
                "<h1><span class=\"sign\" role=\"img\" aria-label=\"%s:\">%s</span> <span>",
                levels[verdict->level].look, (unsigned long long)overview->sequence,
                levels[verdict->level].word, levels[verdict->level].sign);
    html_text(html, verdict->sentence);
    html_raw(html, "</span></h1>");
    if (verdict->problem_count > 0) {
        html_raw(html, "<ul class=\"problems\">");
        for (size_t i = 0; i < verdict->problem_count; i++)
            write_problem(html, &verdict->problems[i]);
        html_raw(html, "</ul>");
    }
    html_raw(html, "<p class=\"meta\">");
    if (overview->at_ns != 0) {
        html_raw(html, "As of ");
        page_overview_time(html, overview->at_ns);
        if (overview->known_s + 30 < overview->range_s)
            html_format(html, ", of the last %u min only %s are known", overview->range_s / 60,
                        figure_seconds((double)overview->known_s).text);
        html_raw(html, ". ");
    } else {
        html_raw(html, "No figures yet: the first come within 5 seconds. ");
    }
    html_raw(html, "Agent ");
    html_text(html, agent->version);
    if (agent->started_ns != 0 && overview->at_ns >= agent->started_ns)
        html_format(
            html, ", up %s",
            figure_seconds(floor((double)(overview->at_ns - agent->started_ns) / 1e9)).text);
    html_raw(html, ".</p></section>\n");
}

struct tile {
    const char *name;
    const struct overview_line *line; /* NULL for none */
    const char *of, *look;
    enum figure_unit unit;
    bool bad;
};

static void tile_begin(struct html *html, const struct tile *tile)
{
    html_format(html, "<div class=\"tile%s\"><dt>%s</dt><dd>", tile->bad ? " bad" : "", tile->name);
}

static void tile_end(struct html *html, const struct tile *tile)
{
    if (tile->line != NULL)
        chart_spark(html, tile->line, tile->of, tile->unit, tile->look);
    html_raw(html, "</dd></div>");
}

static void write_workers(struct html *html, const struct overview *overview)
{
    const struct tile tile = {.name = "Busy",
                              .line = &overview->busies,
                              .of = "Busy workers",
                              .look = "busy",
                              .unit = FIGURE_COUNT,
                              .bad = overview->busy > 0 && overview->idle <= 0};

    tile_begin(html, &tile);
    if (isnan(overview->busy))
        html_raw(html, "<b>\u2013</b> <small>no program with workers</small>");
    else
        html_format(html, "<b>%s</b> of %s <small>queue p95 %s</small>",
                    figure_count(overview->busy).text,
                    figure_count(overview->busy + overview->idle).text,
                    figure_seconds(overview->queue_p95_s).text);
    tile_end(html, &tile);
}

static void write_delay(struct html *html, const struct overview *overview,
                        const struct page_agent *agent)
{
    const struct waiting waiting = waiting_of(overview);
    bool sent = false;
    struct tile tile = {.name = "Telemetry waits",
                        .line = &waiting.line,
                        .of = "Records that wait",
                        .look = "waiting",
                        .unit = FIGURE_COUNT};

    for (size_t i = 0; i < SPOOL_SIGNALS; i++)
        sent |= agent->endpoints[i] != NULL && agent->endpoints[i][0] != '\0';
    tile.bad = sent && waiting.oldest_s > 60;
    tile_begin(html, &tile);
    if (sent)
        html_format(html, "<b>%s</b> <small>%s records</small>",
                    figure_seconds(waiting.oldest_s).text, figure_count(waiting.records).text);
    else
        html_format(html, "<b>not sent</b> <small>%s records here</small>",
                    figure_count(waiting.records).text);
    tile_end(html, &tile);
}

void page_overview_tiles(struct html *html, const struct overview *overview,
                         const struct page_agent *agent)
{
    const struct tile rate = {.name = "Requests",
                              .line = &overview->rates,
                              .of = "Requests a second",
                              .look = "good",
                              .unit = FIGURE_COUNT};
    const struct tile errors = {.name = "5xx",
                                .line = &overview->server_error_shares,
                                .of = "Answers with 5xx",
                                .look = "error",
                                .unit = FIGURE_SHARE,
                                .bad = overview->good_share < 0.999};
    const struct tile latency = {.name = "p95",
                                 .line = &overview->p95s,
                                 .of = "p95 of the latency",
                                 .look = "p95",
                                 .unit = FIGURE_SECONDS};
    const struct tile deaths = {.name = "Died",
                                .line = &overview->deaths,
                                .of = "Processes that died",
                                .look = "error",
                                .unit = FIGURE_COUNT,
                                .bad = overview->died > 0};

    html_raw(html, "<section id=\"tiles\"><h2 class=\"unseen\">Now</h2><dl>");
    tile_begin(html, &rate);
    html_format(html, "<b>%s</b> /s <small>%s in %u min</small>", figure_count(overview->rate).text,
                figure_count(overview->requests).text, overview->range_s / 60);
    tile_end(html, &rate);
    tile_begin(html, &errors);
    html_format(html, "<b>%s</b> <small>%s in %u min</small>",
                figure_share(1 - overview->good_share).text,
                figure_count(overview->server_errors).text, overview->range_s / 60);
    tile_end(html, &errors);
    tile_begin(html, &latency);
    html_format(html, "<b>%s</b> <small>p50 %s, p99 %s</small>",
                figure_seconds(overview->p95_s).text, figure_seconds(overview->p50_s).text,
                figure_seconds(overview->p99_s).text);
    tile_end(html, &latency);
    write_workers(html, overview);
    tile_begin(html, &deaths);
    html_format(html, "<b>%s</b> <small>processes in %u min</small>",
                figure_count(overview->died).text, overview->range_s / 60);
    tile_end(html, &deaths);
    write_delay(html, overview, agent);
    html_raw(html, "</dl></section>\n");
}
