#include "metrics-agent/page/chart.h"
#include "metrics-agent/page/page_overview_parts.h"

#include <math.h>

static double now_s(const struct overview *overview)
{
    return (double)overview->at_ns / 1e9;
}

static void write_program(struct html *html, const struct overview *overview,
                          const struct overview_program *program)
{
    const bool works = !isnan(program->busy); /* it has workers, or had some */
    const bool failing = program->last_failure_s > program->last_success_s;

    html_raw(html, "<tr data-key=\"");
    html_text(html, program->name);
    html_raw(html, "\"><th scope=\"row\">");
    html_text(html, program->name);
    html_raw(html, "</th><td>");
    if (works)
        html_format(html, "%s busy, %s idle", figure_count(program->busy).text,
                    figure_count(program->idle).text);
    if (program->runs > 0 || program->last_success_s > 0 || program->last_failure_s > 0)
        html_format(html, "%s%s runs, %s failed", works ? "; " : "",
                    figure_count(program->runs).text, figure_count(program->failures).text);
    else if (!works)
        html_raw(html, "no workers");
    if (!isnan(program->run_p95_s))
        html_format(html, ", p95 %s", figure_seconds(program->run_p95_s).text);
    html_format(html, "</td><td%s>", failing ? " class=\"bad\"" : "");
    if (failing)
        html_format(html, "<b class=\"sign\">\u2715 failed</b> %s, last success %s",
                    figure_ago(program->last_failure_s, now_s(overview)).text,
                    figure_ago(program->last_success_s, now_s(overview)).text);
    else if (program->last_success_s > 0)
        html_format(html, "\u2713 succeeded %s",
                    figure_ago(program->last_success_s, now_s(overview)).text);
    else if (works)
        html_raw(html, "\u2713 at work");
    else
        html_raw(html, "\u2013");
    html_raw(html, "</td><td>");
    chart_spark(html, &program->activity, works ? "Busy workers" : "Runs a minute", FIGURE_COUNT,
                "busy");
    html_raw(html, "</td></tr>");
}

void page_overview_programs(struct html *html, const struct overview *overview)
{
    html_raw(html, "<section id=\"programs\"><h2>Programs</h2>");
    if (overview->program_count == 0) {
        html_raw(html, "<p class=\"none\">No program with workers, and none that <code>microtrace "
                       "run</code> has run.</p></section>\n");
        return;
    }
    html_format(html,
                "<table><thead><tr><th scope=\"col\">Program</th><th scope=\"col\">Now, and in %u "
                "min</th><th scope=\"col\">State</th><th scope=\"col\">Activity</th></tr></thead>"
                "<tbody>",
                overview->range_s / 60);
    for (size_t i = 0; i < overview->program_count && i < OVERVIEW_PROGRAMS_MAX; i++)
        write_program(html, overview, &overview->programs[i]);
    html_raw(html, "</tbody></table></section>\n");
}

static const char *state_of(const struct overview_process *process)
{
    return process->died ? "died" : process->busy ? "busy" : process->worker ? "idle" : "runs";
}

/* As in mod_status: one sign a process, of those that answer requests. */
static void write_board(struct html *html, const struct overview *overview)
{
    size_t busy = 0, idle = 0, died = 0;

    html_raw(html, "<p class=\"board\" aria-hidden=\"true\">");
    for (size_t i = 0; i < overview->process_count && i < OVERVIEW_PROCESSES_MAX; i++) {
        const struct overview_process *process = &overview->processes[i];

        busy += process->busy && !process->died;
        died += process->died;
        idle += process->worker && !process->busy && !process->died;
        if (!process->worker && !process->busy && !process->died)
            continue;
        html_format(html, "<i class=\"%s\">%s</i>", state_of(process),
                    process->died   ? "\u2715"
                    : process->busy ? "\u25a0"
                                    : "\u25a1");
    }
    html_format(html, "</p><p class=\"meta\">%zu busy, %zu idle, %zu died within the last minute",
                busy, idle, died);
    if (overview->processes_all > overview->process_count)
        html_format(html, "; these are %zu of %zu", overview->process_count,
                    overview->processes_all);
    html_raw(html, ".</p>");
}

void page_overview_processes(struct html *html, const struct overview *overview)
{
    html_raw(html, "<section id=\"processes\"><h2>Processes</h2>");
    if (overview->process_count == 0) {
        html_raw(html, "<p class=\"none\">No process with telemetry lives.</p></section>\n");
        return;
    }
    write_board(html, overview);
    html_raw(html, "<div class=\"scroll\" role=\"region\" aria-label=\"List of processes\" "
                   "tabindex=\"0\"><table class=\"sortable\"><thead><tr>"
                   "<th scope=\"col\" data-sort=\"number\">Pid</th>"
                   "<th scope=\"col\" data-sort=\"text\">Program</th>"
                   "<th scope=\"col\" data-sort=\"text\">State</th>"
                   "<th scope=\"col\" data-sort=\"number\">For</th>"
                   "<th scope=\"col\" data-sort=\"number\">Memory</th></tr></thead><tbody>");
    for (size_t i = 0; i < overview->process_count && i < OVERVIEW_PROCESSES_MAX; i++) {
        const struct overview_process *process = &overview->processes[i];
        const double since = process->since_ns > 0 && process->since_ns <= overview->at_ns
                                 ? (double)(overview->at_ns - process->since_ns) / 1e9
                                 : NAN;

        html_format(html, "<tr class=\"%s\" data-key=\"%u\"><th scope=\"row\" data-value=\"%u\">",
                    state_of(process), process->pid, process->pid);
        if (process->pid != 0)
            html_format(html, "%u", process->pid);
        else
            html_raw(html, "\u2013");
        html_raw(html, "</th><td>");
        html_text(html, process->name);
        html_format(html, "</td><td%s>%s%s</td><td data-value=\"%.3f\">%s</td>",
                    process->died ? " class=\"bad\"" : "", process->died ? "\u2715 " : "",
                    state_of(process), isnan(since) ? -1 : since, figure_seconds(since).text);
        html_format(html, "<td data-value=\"%llu\">%s</td></tr>",
                    (unsigned long long)process->resident_bytes,
                    process->resident_bytes != 0
                        ? figure_bytes((double)process->resident_bytes).text
                        : "\u2013");
    }
    html_raw(html, "</tbody></table></div></section>\n");
}
