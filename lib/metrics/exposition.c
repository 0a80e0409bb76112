#include "lib/metrics/exposition.h"

#include "lib/base/decimal.h"
#include "lib/metrics/rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_ROOM = 64 * 1024,
    NUMBER_MAX = 48, /* bytes of any number's text */
    LE_MAX = DECIMAL_DOUBLE_SIZE,
};

void exposition_begin(struct exposition *out, enum exposition_format format)
{
    *out = (struct exposition){.format = format};
}

void exposition_free(struct exposition *out)
{
    free(out->text);
    *out = (struct exposition){0};
}

enum { OWN_SERIES, OWN_LIMIT, OWN_DAMAGED, OWN_REFUSED };

const char *const exposition_own_names[] = {
    [OWN_SERIES] = "microtrace_metrics_series",
    [OWN_LIMIT] = "microtrace_metrics_series_limit",
    [OWN_DAMAGED] = "microtrace_metrics_damaged_records",
    [OWN_REFUSED] = "microtrace_metrics_refused_total",
    NULL,
};

static bool is_wanted(const struct exposition *out, const char *name)
{
    return out->wanted == NULL || out->wanted(name);
}

/* Room for `need` more bytes. False, and the text is lost, if there is none. */
static bool reserve(struct exposition *out, size_t need)
{
    if (out->failed)
        return false;
    if (need <= out->room - out->len)
        return true;
    size_t room = out->room == 0 ? FIRST_ROOM : out->room;
    while (room - out->len < need && room < EXPOSITION_TEXT_MAX)
        room *= 2;
    char *grown = room - out->len < need ? NULL : realloc(out->text, room);
    if (grown == NULL) {
        out->failed = true;
        return false;
    }
    out->text = grown;
    out->room = room;
    return true;
}

/* The put functions write into room that was reserved. */
static void put(struct exposition *out, const char *bytes, size_t len)
{
    memcpy(out->text + out->len, bytes, len);
    out->len += len;
}

#define PUT_LITERAL(out, literal) put((out), (literal), sizeof(literal) - 1)

static void put_uint(struct exposition *out, uint64_t value)
{
    char digits[DECIMAL_INT_SIZE];

    put(out, digits, decimal_uint(digits, value));
}

static void put_double(struct exposition *out, double value)
{
    char text[DECIMAL_DOUBLE_SIZE];

    if (isnan(value)) {
        PUT_LITERAL(out, "NaN");
    } else if (isinf(value)) {
        put(out, value > 0 ? "+Inf" : "-Inf", 4);
    } else {
        put(out, text, decimal_double(text, value));
    }
}

/* How a family's steps are written: exactly, if one is a power of ten. */
struct step_style {
    double steps_per_unit;
    uint64_t power; /* steps_per_unit, if it is a power of ten; else 0 */
};

static struct step_style step_style_of(double resolution)
{
    struct step_style style = {.steps_per_unit = metrics_rules_steps_per_unit(resolution)};

    for (uint64_t power = 1; power <= 1000000000000000000u; power *= 10) {
        if (style.steps_per_unit == (double)power)
            style.power = power;
    }
    return style;
}

static void put_steps(struct exposition *out, const struct step_style *style, uint64_t steps)
{
    if (style->power == 0) {
        put_double(out, (double)steps / style->steps_per_unit);
        return;
    }
    uint64_t fraction = steps % style->power;
    put_uint(out, steps / style->power);
    PUT_LITERAL(out, ".");
    if (fraction == 0)
        PUT_LITERAL(out, "0");
    for (uint64_t rest = style->power; rest >= 10 && fraction > 0;) {
        rest /= 10;
        out->text[out->len++] = (char)('0' + fraction / rest);
        fraction %= rest;
    }
}

static void put_sum(struct exposition *out, const struct step_style *style, int64_t steps)
{
    if (steps < 0)
        PUT_LITERAL(out, "-");
    put_steps(out, style, steps < 0 ? -(uint64_t)steps : (uint64_t)steps);
}

static void put_help(struct exposition *out, const char *help)
{
    for (; *help != '\0'; help++) {
        if (*help == '\\' || *help == '\n' ||
            (*help == '"' && out->format == EXPOSITION_OPENMETRICS))
            PUT_LITERAL(out, "\\");
        put(out, *help == '\n' ? "n" : help, 1);
    }
}

static void put_head(struct exposition *out, const char *name, size_t name_len, const char *help,
                     const char *type, const char *unit)
{
    if (!reserve(out, 3 * (name_len + 16) + 2 * strlen(help) + strlen(type) + strlen(unit)))
        return;
    PUT_LITERAL(out, "# HELP ");
    put(out, name, name_len);
    PUT_LITERAL(out, " ");
    put_help(out, help);
    PUT_LITERAL(out, "\n# TYPE ");
    put(out, name, name_len);
    PUT_LITERAL(out, " ");
    put(out, type, strlen(type));
    PUT_LITERAL(out, "\n");
    if (out->format == EXPOSITION_OPENMETRICS && unit[0] != '\0') {
        PUT_LITERAL(out, "# UNIT ");
        put(out, name, name_len);
        PUT_LITERAL(out, " ");
        put(out, unit, strlen(unit));
        PUT_LITERAL(out, "\n");
    }
}

/* `name{labels} `, the start of a sample's line. */
static void put_sample(struct exposition *out, const char *name, size_t name_len,
                       const struct metrics_reader_series *series)
{
    put(out, name, name_len);
    if (series->label_text_len > 0) {
        PUT_LITERAL(out, "{");
        put(out, series->label_text, series->label_text_len);
        PUT_LITERAL(out, "}");
    }
    PUT_LITERAL(out, " ");
}

static void put_single(struct exposition *out, const struct metrics_reader *reader,
                       const struct metrics_reader_family *family)
{
    const struct step_style style = step_style_of(family->resolution);
    size_t name_len = strlen(family->name);

    for (size_t i = 0; i < family->series_count; i++) {
        const struct metrics_reader_series *series = family->series[i];
        if (!reserve(out, name_len + series->label_text_len + NUMBER_MAX))
            return;
        put_sample(out, family->name, name_len, series);
        if (family->kind == METRICS_COUNTER) {
            put_steps(out, &style, metrics_reader_counter(reader, series));
        } else if (family->kind == METRICS_GAUGE) {
            put_double(out, metrics_reader_gauge(reader, series));
        } else {
            put_double(out, (double)metrics_reader_live_gauge(reader, series));
        }
        PUT_LITERAL(out, "\n");
    }
}

/* OpenMetrics 1.0, "Exemplars". Times are seconds, to the millisecond. */
static void put_exemplar(struct exposition *out, const struct metrics_reader_exemplar *exemplar)
{
    char hex[IDS_TRACE_HEX];

    PUT_LITERAL(out, " # {trace_id=\"");
    ids_to_hex(hex, exemplar->trace.bytes, sizeof(exemplar->trace.bytes));
    put(out, hex, IDS_TRACE_HEX);
    if (!ids_span_is_zero(&exemplar->span)) {
        PUT_LITERAL(out, "\",span_id=\"");
        ids_to_hex(hex, exemplar->span.bytes, sizeof(exemplar->span.bytes));
        put(out, hex, IDS_SPAN_HEX);
    }
    PUT_LITERAL(out, "\"} ");
    put_double(out, exemplar->value);
    if (exemplar->unix_ns > 0) {
        char time[NUMBER_MAX];
        int n = snprintf(time, sizeof(time), " %" PRIu64 ".%03u", exemplar->unix_ns / 1000000000,
                         (unsigned)(exemplar->unix_ns % 1000000000 / 1000000));
        put(out, time, (size_t)n);
    }
}

struct bucket_text {
    size_t len;
    char text[LE_MAX + 16]; /* `le="0.1"} `, after the other labels */
};

static void put_histogram_series(struct exposition *out, const struct metrics_reader *reader,
                                 const struct metrics_reader_family *family,
                                 const struct metrics_reader_series *series,
                                 const struct bucket_text *le, const struct step_style *style)
{
    enum { EXEMPLAR_LINE_MAX = 256 };
    struct metrics_reader_histogram histogram;
    struct metrics_reader_exemplar exemplar;
    size_t name_len = strlen(family->name);
    uint64_t cumulative = 0;

    metrics_reader_histogram(reader, family, series, &histogram);
    for (size_t i = 0; i <= family->bound_count; i++) {
        if (!reserve(out, name_len + series->label_text_len + le[i].len + EXEMPLAR_LINE_MAX))
            return;
        cumulative += histogram.buckets[i];
        put(out, family->name, name_len);
        PUT_LITERAL(out, "_bucket{");
        put(out, series->label_text, series->label_text_len);
        if (series->label_text_len > 0)
            PUT_LITERAL(out, ",");
        put(out, le[i].text, le[i].len);
        put_uint(out, cumulative);
        if (out->format == EXPOSITION_OPENMETRICS && histogram.buckets[i] > 0 &&
            metrics_reader_exemplar(reader, family, series, i, &exemplar))
            put_exemplar(out, &exemplar);
        PUT_LITERAL(out, "\n");
    }
    /* OpenMetrics 1.0, "Histogram": no sum, and then no count, with negative thresholds. */
    if (out->format == EXPOSITION_OPENMETRICS && family->bound_count > 0 && family->bounds[0] < 0)
        return;
    if (!reserve(out, 2 * (name_len + series->label_text_len + NUMBER_MAX + 16)))
        return;
    char name[METRICS_NAME_MAX + sizeof("_count")];
    memcpy(name, family->name, name_len);
    memcpy(name + name_len, "_count", 6);
    put_sample(out, name, name_len + 6, series);
    put_uint(out, cumulative);
    memcpy(name + name_len, "_sum", 4);
    PUT_LITERAL(out, "\n");
    put_sample(out, name, name_len + 4, series);
    put_sum(out, style, histogram.sum_steps);
    PUT_LITERAL(out, "\n");
}

static void put_histogram(struct exposition *out, const struct metrics_reader *reader,
                          const struct metrics_reader_family *family)
{
    struct step_style style = step_style_of(family->resolution);
    struct bucket_text le[METRICS_BOUNDS_MAX + 1];
    char number[DECIMAL_DOUBLE_SIZE];

    for (size_t i = 0; i <= family->bound_count; i++) {
        if (i < family->bound_count)
            decimal_double(number, family->bounds[i]);
        else
            memcpy(number, "+Inf", 5);
        le[i].len = (size_t)snprintf(le[i].text, sizeof(le[i].text), "le=\"%s\"} ", number);
    }
    for (size_t i = 0; i < family->series_count && !out->failed; i++)
        put_histogram_series(out, reader, family, family->series[i], le, &style);
}

static bool has_suffix(const char *name, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len > n && memcmp(name + len - n, suffix, n) == 0;
}

/* Whether samples of a histogram go by this family's name: one answer can't hold both. */
static bool clashes(const struct metrics_reader *reader, const struct metrics_reader_family *family)
{
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    size_t len = strlen(family->name);

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (!has_suffix(family->name, len, suffixes[i]))
            continue;
        const struct metrics_reader_family *other =
            metrics_reader_find_family(reader, family->name, len - strlen(suffixes[i]));
        if (other != NULL && other->kind == METRICS_HISTOGRAM)
            return true;
    }
    return false;
}

static void put_family(struct exposition *out, const struct metrics_reader *reader,
                       const struct metrics_reader_family *family)
{
    size_t name_len = strlen(family->name);
    const char *type = family->kind == METRICS_COUNTER     ? "counter"
                       : family->kind == METRICS_HISTOGRAM ? "histogram"
                                                           : "gauge";

    if (family->series_count == 0 || !is_wanted(out, family->name) || clashes(reader, family))
        return;
    if (family->kind == METRICS_COUNTER && out->format == EXPOSITION_OPENMETRICS) {
        size_t base = name_len - strlen("_total");
        /* A counter's family goes by the name without _total, unless another one has that. */
        if (metrics_reader_find_family(reader, family->name, base) == NULL)
            name_len = base;
        else
            type = "unknown";
    }
    put_head(out, family->name, name_len, family->help, type,
             strcmp(type, "unknown") == 0 ? "" : family->unit);
    if (family->kind == METRICS_HISTOGRAM)
        put_histogram(out, reader, family);
    else
        put_single(out, reader, family);
}

static void put_refused(struct exposition *out, const struct metrics_reader_info *info)
{
    const char *const name = exposition_own_names[OWN_REFUSED];
    const size_t len = strlen(name);
    size_t family = len;

    if (!is_wanted(out, name))
        return;
    if (out->format == EXPOSITION_OPENMETRICS)
        family -= strlen("_total");
    put_head(out, name, family, "Families, series and live values that the metrics file refused.",
             "counter", "");
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++) {
        const char *reason = metrics_file_refused_names[i];
        if (!reserve(out, len + strlen(reason) + NUMBER_MAX))
            return;
        put(out, name, len);
        PUT_LITERAL(out, "{reason=\"");
        put(out, reason, strlen(reason));
        PUT_LITERAL(out, "\"} ");
        put_uint(out, info->refused[i]);
        PUT_LITERAL(out, ".0\n");
    }
}

static void put_gauge(struct exposition *out, const char *name, const char *help, uint64_t value)
{
    size_t name_len = strlen(name);

    if (!is_wanted(out, name))
        return;
    put_head(out, name, name_len, help, "gauge", "");
    if (!reserve(out, name_len + NUMBER_MAX + 16))
        return;
    put(out, name, name_len);
    PUT_LITERAL(out, " ");
    put_double(out, (double)value);
    PUT_LITERAL(out, "\n");
}

void exposition_reader(struct exposition *out, const struct metrics_reader *reader)
{
    struct metrics_reader_info info;
    size_t count;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);

    for (size_t i = 0; i < count && !out->failed; i++)
        put_family(out, reader, families[i]);
    metrics_reader_info(reader, &info);
    put_gauge(out, exposition_own_names[OWN_SERIES], "Series in the metrics file.",
              info.series_count);
    put_gauge(out, exposition_own_names[OWN_LIMIT], "Series that the metrics file has room for.",
              info.max_series);
    put_gauge(out, exposition_own_names[OWN_DAMAGED],
              "Records of the metrics file that are damaged and skipped.", info.corrupt_records);
    put_refused(out, &info);
    if (metrics_reader_lost(reader))
        out->failed = true;
}

int exposition_end(struct exposition *out)
{
    if (out->format == EXPOSITION_OPENMETRICS && reserve(out, 8))
        PUT_LITERAL(out, "# EOF\n");
    return out->failed ? -1 : 0;
}
