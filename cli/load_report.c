#include "cli/load_report.h"

#include "lib/base/json_writer.h"
#include "lib/base/printable.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

enum {
    LINE_MAX_LENGTH = 256,
    JSON_MAX = 65536, /* a thousand statuses and every reason fit */
};

static const double ns_per_s = 1e9, ns_per_ms = 1e6;

static const struct {
    const char *name;
    double q;
    bool live; /* in the live line, too */
} quantiles[] = {{"p50", 0.5, true},
                 {"p90", 0.9, false},
                 {"p95", 0.95, true},
                 {"p99", 0.99, true},
                 {"p999", 0.999, false}};

enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

static struct load_slice *slice_at(struct load_report *report, uint64_t now_ns)
{
    const uint64_t second = 1 + (now_ns - report->begin_ns) / (uint64_t)ns_per_s;
    struct load_slice *slice = &report->recent[second % LOAD_REPORT_RECENT_S];

    if (slice->second != second) {
        memset(slice, 0, sizeof(*slice));
        slice->second = second;
    }
    return slice;
}

void load_report_answer(struct load_report *report, const struct load_answer *answer)
{
    struct load_slice *slice = slice_at(report, answer->end_ns);
    const uint64_t latency_ns = answer->end_ns - answer->due_ns;

    if (answer->status == 0) {
        report->failed++;
        slice->errors++;
        report->reasons[answer->code < LOAD_CLIENT_CODE_MAX ? answer->code : 0]++;
        return;
    }
    if (answer->status == load_plan_cases[answer->asked].status) {
        report->expected++;
    } else {
        report->unexpected++;
        slice->errors++;
    }
    report->statuses[answer->status < LOAD_REPORT_STATUS_MAX ? answer->status : 0]++;
    load_histogram_add(&report->latency, latency_ns);
    slice->answered++;
    load_histogram_add(&slice->latency, latency_ns);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* All of the last seconds. */
static struct load_slice recent(const struct load_report *report, double elapsed_s)
{
    const uint64_t second = 1 + (uint64_t)elapsed_s;
    struct load_slice sum = {.second = 0};

    for (unsigned i = 0; i < LOAD_REPORT_RECENT_S; i++) {
        const struct load_slice *slice = &report->recent[i];

        if (slice->second == 0 || slice->second + LOAD_REPORT_RECENT_S <= second)
            continue;
        sum.answered += slice->answered;
        sum.errors += slice->errors;
        load_histogram_merge(&sum.latency, &slice->latency);
    }
    return sum;
}

__attribute__((format(printf, 2, 3))) static void add(char line[LINE_MAX_LENGTH],
                                                      const char *format, ...)
{
    const size_t len = strlen(line);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line + len, LINE_MAX_LENGTH - len, format, arguments);
    va_end(arguments);
}

/* Between two figures, which stand two blanks apart: half a number would be another number. */
static void cut(char line[LINE_MAX_LENGTH], size_t columns)
{
    size_t end = strlen(line) > columns ? columns : 0;

    while (end > 0 && strncmp(line + end, "  ", 2) != 0)
        end--;
    if (strlen(line) > columns)
        line[end] = '\0';
}

void load_report_live(const struct load_report *report, FILE *to, unsigned columns, uint64_t now_ns,
                      unsigned under_way)
{
    const double elapsed = (double)(now_ns - report->begin_ns) / ns_per_s;
    const double window = fmin(fmax(elapsed, 1e-3), LOAD_REPORT_RECENT_S);
    const struct load_slice sum = recent(report, elapsed);
    const uint64_t done = sum.answered + sum.errors;
    char line[LINE_MAX_LENGTH] = "";

    add(line, "%llu:%02llu", (unsigned long long)elapsed / 60, (unsigned long long)elapsed % 60);
    add(line, "  %.1f/s", (double)sum.answered / window);
    if (done > 0)
        add(line, "  errors %.1f %%", 100 * share(sum.errors, done));
    else
        add(line, "  errors -");
    for (unsigned i = 0; i < QUANTILES; i++) {
        if (!quantiles[i].live)
            continue;
        /* The first one has the unit: the last one may not fit. */
        if (sum.latency.count > 0)
            add(line, "  %s %.2f%s", quantiles[i].name,
                load_histogram_quantile(&sum.latency, quantiles[i].q) / ns_per_ms,
                i == 0 ? " ms" : "");
        else
            add(line, "  %s -", quantiles[i].name);
    }
    add(line, "  sent %llu", (unsigned long long)report->sent);
    add(line, "  under way %u", under_way);
    cut(line, columns);
    (void)fprintf(to, "%s", line);
}

static double seconds_of(const struct load_report *report)
{
    return (double)(report->end_ns - report->begin_ns) / ns_per_s;
}

static uint64_t answered(const struct load_report *report)
{
    return report->expected + report->unexpected;
}

void load_report_print(const struct load_report *report, FILE *to)
{
    const double seconds = seconds_of(report);

    (void)fprintf(to, "%s: %llu requests in %.1f s, %.1f a second; %llu bad on purpose\n",
                  report->url, (unsigned long long)report->sent, seconds,
                  seconds > 0 ? (double)report->sent / seconds : 0,
                  (unsigned long long)report->bad);
    (void)fprintf(to, "  answered    %llu, %llu of them with another status than they should\n",
                  (unsigned long long)answered(report), (unsigned long long)report->unexpected);
    for (unsigned i = 0; i < LOAD_REPORT_STATUS_MAX; i++) {
        if (report->statuses[i] > 0)
            (void)fprintf(to, "    %-9u %llu\n", i, (unsigned long long)report->statuses[i]);
    }
    (void)fprintf(to, "  no answer   %llu\n", (unsigned long long)report->failed);
    for (unsigned i = 0; i < LOAD_CLIENT_CODE_MAX; i++) {
        if (report->reasons[i] > 0)
            (void)fprintf(to, "    %-9llu %s\n", (unsigned long long)report->reasons[i],
                          load_client_reason(i));
    }
    if (report->unfinished > 0)
        (void)fprintf(to, "  cut off     %llu\n", (unsigned long long)report->unfinished);
    if (report->skipped > 0)
        (void)fprintf(to, "  not sent    %llu, since all connections were busy\n",
                      (unsigned long long)report->skipped);
    if (report->latency.count == 0)
        return;
    (void)fprintf(to, "  latency    ");
    for (unsigned i = 0; i < QUANTILES; i++)
        (void)fprintf(to, " %s %.3f ", quantiles[i].name,
                      load_histogram_quantile(&report->latency, quantiles[i].q) / ns_per_ms);
    (void)fprintf(to, " max %.3f ms\n", (double)report->latency.max_ns / ns_per_ms);
}

static void write_latency(struct json_writer *w, const struct load_histogram *latency)
{
    json_writer_key(w, "latency_ms");
    json_writer_begin_object(w);
    if (latency->count > 0) {
        json_writer_key_double(w, "mean", latency->sum_ns / (double)latency->count / ns_per_ms);
        for (unsigned i = 0; i < QUANTILES; i++) {
            json_writer_key_double(w, quantiles[i].name,
                                   load_histogram_quantile(latency, quantiles[i].q) / ns_per_ms);
        }
        json_writer_key_double(w, "max", (double)latency->max_ns / ns_per_ms);
    }
    json_writer_end_object(w);
}

static void write_counts(struct json_writer *w, const struct load_report *report)
{
    char status[sizeof("1000")];

    json_writer_key(w, "statuses");
    json_writer_begin_object(w);
    for (unsigned i = 0; i < LOAD_REPORT_STATUS_MAX; i++) {
        if (report->statuses[i] == 0)
            continue;
        (void)snprintf(status, sizeof(status), "%u", i);
        json_writer_key_uint(w, status, report->statuses[i]);
    }
    json_writer_end_object(w);
    json_writer_key(w, "failures");
    json_writer_begin_object(w);
    for (unsigned i = 0; i < LOAD_CLIENT_CODE_MAX; i++) {
        if (report->reasons[i] == 0)
            continue;
        json_writer_key_uint(w, load_client_reason(i), report->reasons[i]);
    }
    json_writer_end_object(w);
}

void load_report_print_json(const struct load_report *report, FILE *to)
{
    const double seconds = seconds_of(report);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"sent", report->sent},         {"bad", report->bad},
        {"answered", answered(report)}, {"expected", report->expected},
        {"failed", report->failed},     {"unexpected", report->unexpected},
        {"skipped", report->skipped},   {"unfinished", report->unfinished},
    };
    char text[JSON_MAX];
    struct json_writer w;

    json_writer_init(&w, text, sizeof(text));
    json_writer_begin_object(&w);
    json_writer_key_string(&w, "url", report->url);
    json_writer_key_double(&w, "seconds", seconds);
    json_writer_key_double(&w, "rate", seconds > 0 ? (double)report->sent / seconds : 0);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        json_writer_key_uint(&w, numbers[i].name, numbers[i].value);
    }
    write_counts(&w, report);
    write_latency(&w, &report->latency);
    json_writer_end_object(&w);
    if (w.overflow) /* only an address of that length can do it */
        printable_error("microtrace load: the address is too long for the summary");
    else
        (void)fprintf(to, "%.*s\n", (int)w.len, text);
}
