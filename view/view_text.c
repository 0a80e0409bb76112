#include "view/view_text.h"

#include "lib/base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { US = 1000, MINUTE = 60, HOUR = 3600, DAY = 86400, MIB = 1 << 20 };

static void three_digits(char out[VIEW_TEXT_DURATION_MAX], double value, const char *unit)
{
    const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    (void)snprintf(out, VIEW_TEXT_DURATION_MAX, "%.*f %s", digits, value, unit);
}

void view_text_duration(char out[VIEW_TEXT_DURATION_MAX], uint64_t ns, bool utf8)
{
    const uint64_t seconds =
        ns / CLOCK_NS_PER_S + (ns % CLOCK_NS_PER_S >= CLOCK_NS_PER_S / 2 ? 1 : 0);

    if (ns == 0)
        (void)snprintf(out, VIEW_TEXT_DURATION_MAX, "0");
    else if (ns < 999500)
        three_digits(out, (double)ns / US, utf8 ? "\u00b5s" : "us");
    else if (ns < UINT64_C(999500) * US)
        three_digits(out, (double)ns / CLOCK_NS_PER_MS, "ms");
    else if (seconds < MINUTE)
        three_digits(out, (double)ns / CLOCK_NS_PER_S, "s");
    else if (seconds < HOUR)
        (void)snprintf(out, VIEW_TEXT_DURATION_MAX, "%um %02us", (unsigned)(seconds / MINUTE),
                       (unsigned)(seconds % MINUTE));
    else if (seconds < 2 * DAY)
        (void)snprintf(out, VIEW_TEXT_DURATION_MAX, "%uh %02um", (unsigned)(seconds / HOUR),
                       (unsigned)(seconds % HOUR / MINUTE));
    else
        (void)snprintf(out, VIEW_TEXT_DURATION_MAX, "%llu days",
                       (unsigned long long)(seconds / DAY));
}

void view_text_offset(char out[VIEW_TEXT_DURATION_MAX], int64_t ns, bool utf8)
{
    char text[VIEW_TEXT_DURATION_MAX];

    view_text_duration(text, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, utf8);
    out[0] = ns < 0 ? '-' : '+';
    (void)snprintf(out + 1, VIEW_TEXT_DURATION_MAX - 1, "%.*s", VIEW_TEXT_DURATION_MAX - 2, text);
}

static unsigned place(double ns, uint64_t range_ns, unsigned cells)
{
    const double at = range_ns > 0 ? ns / (double)range_ns * cells : 0;

    return at <= 0 ? 0 : at >= cells ? cells : (unsigned)(at + 0.5);
}

struct view_text_bar view_text_bar(int64_t offset_ns, uint64_t duration_ns, uint64_t range_ns,
                                   unsigned cells, unsigned least)
{
    struct view_text_bar bar = {
        .begin = place((double)offset_ns, range_ns, cells),
        .end = place((double)offset_ns + (double)duration_ns, range_ns, cells),
    };

    if (bar.begin > cells - least)
        bar.begin = cells - least;
    if (bar.end < bar.begin + least)
        bar.end = bar.begin + least;
    return bar;
}

void view_text_shift(char out[VIEW_TEXT_MAX], const struct view_span *span, bool utf8)
{
    char duration[VIEW_TEXT_DURATION_MAX];

    out[0] = '\0';
    if (span->shift_ns == 0 || (span->parent != NULL && span->parent->shift_ns == span->shift_ns))
        return;
    view_text_duration(duration,
                       span->shift_ns < 0 ? 0 - (uint64_t)span->shift_ns : (uint64_t)span->shift_ns,
                       utf8);
    (void)snprintf(out, VIEW_TEXT_MAX, "%s's clock is another; drawn %s %s",
                   span->host[0] != '\0' ? span->host : span->service, duration,
                   span->shift_ns < 0 ? "earlier" : "later");
}

void view_text_orphan(char out[VIEW_TEXT_MAX], const struct view_span *span)
{
    out[0] = '\0';
    if (span->orphan)
        (void)snprintf(out, VIEW_TEXT_MAX, "child of %s, which is not in this spool",
                       span->parent_id);
}

void view_text_folded(char out[VIEW_TEXT_MAX], const struct view_span *span, bool utf8)
{
    char least[VIEW_TEXT_DURATION_MAX], most[VIEW_TEXT_DURATION_MAX];
    char all[VIEW_TEXT_DURATION_MAX], below[48] = "";

    view_text_duration(least, span->fold_least_ns, utf8);
    view_text_duration(most, span->fold_most_ns, utf8);
    view_text_duration(all, span->fold_sum_ns, utf8);
    if (span->fold_below > 0)
        (void)snprintf(below, sizeof(below), ", with %zu below them", span->fold_below);
    (void)snprintf(out, VIEW_TEXT_MAX, "%u more like this%s: %s to %s each, %s in all (%s)",
                   span->fold_count, below, least, most, all, span->name);
}

/* Cut where there is no room. */
static size_t add(char *out, size_t size, size_t len, const char *text)
{
    const size_t fit = strnlen(text, size - len - 1);

    memcpy(out + len, text, fit);
    out[len + fit] = '\0';
    return len + fit;
}

void view_text_summary(char out[VIEW_TEXT_MAX * 4], const struct view_trace *trace, bool utf8)
{
    const size_t size = (size_t)VIEW_TEXT_MAX * 4;
    char duration[VIEW_TEXT_DURATION_MAX], text[64];
    size_t len;

    view_text_duration(duration, trace->duration_ns, utf8);
    len = (size_t)snprintf(out, size, "%s, %zu span%s", duration, trace->span_count,
                           trace->span_count == 1 ? "" : "s");
    for (size_t i = 0; i < trace->service_count; i++) {
        len = add(out, size, len, i == 0 ? " of " : ", ");
        len = add(out, size, len, trace->services[i]);
    }
    len = add(out, size, len, trace->services_left_out ? " and others" : "");
    if (trace->errors > 0) {
        (void)snprintf(text, sizeof(text), ", %zu failed", trace->errors);
        len = add(out, size, len, text);
    }
    if (trace->request[0] != '\0') {
        len = add(out, size, len, ", request ");
        (void)add(out, size, len, trace->request);
    }
}

void view_text_looked(char out[VIEW_TEXT_LOOKED_MAX], const struct view_spool *spool,
                      const char *dir)
{
    const size_t files = spool->files[SPOOL_TRACES].count + spool->files[SPOOL_LOGS].count;
    char oldest[CLOCK_ISO8601_SIZE];

    clock_iso8601(oldest, spool->oldest_ns);
    (void)snprintf(out, VIEW_TEXT_LOOKED_MAX, " in %s: %zu file%s, %.1f MiB%s%s%s", dir, files,
                   files == 1 ? "" : "s", (double)spool->bytes / MIB,
                   spool->view.memory_fd >= 0 ? ", those in memory included" : "",
                   files > 0 ? ", the oldest last written at " : "", files > 0 ? oldest : "");
}

/* Attributes that tell what happened, in the order in which they are shown. */
static const char *const telling[] = {"http.request.method",
                                      "url.path",
                                      "url.full",
                                      "http.response.status_code",
                                      "error.type",
                                      "exception.type",
                                      "exception.message",
                                      "process.exit.code",
                                      "microtrace.cgi.signal",
                                      "process.command_args",
                                      "db.system.name",
                                      "db.query.text",
                                      "rpc.method",
                                      "messaging.destination.name",
                                      "microtrace.chaos.kind",
                                      "worker.chaos_delay_ms",
                                      "microtrace.downstream.outcome",
                                      "microtrace.keep.reason"};
static_assert(sizeof(telling) / sizeof(telling[0]) == VIEW_TEXT_TELLING,
              "the header has the number");

int view_text_telling(const char *name)
{
    for (int i = 0; i < VIEW_TEXT_TELLING; i++) {
        if (strcmp(telling[i], name) == 0)
            return i;
    }
    return -1;
}
