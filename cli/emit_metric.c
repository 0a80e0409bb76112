#include "cli/emit_metric.h"

#include "lib/base/clock.h"
#include "lib/base/printable.h"
#include "lib/base/utf8.h"
#include "lib/families.h"
#include "lib/loss_notice.h"
#include "lib/metrics/rules.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
    [METRICS_COUNTER] = "counter",
    [METRICS_GAUGE] = "gauge",
    [METRICS_LIVE_GAUGE] = "gauge of living processes",
    [METRICS_HISTOGRAM] = "histogram",
};

/* 1 KiB to 16 GiB, of what is counted in bytes. */
static const double bytes_bounds[] = {0x1p10, 0x1p12, 0x1p14, 0x1p16, 0x1p18, 0x1p20, 0x1p22,
                                      0x1p24, 0x1p26, 0x1p28, 0x1p30, 0x1p32, 0x1p34};

int emit_buckets_parse(void *member, const char *text)
{
    struct emit_buckets *const buckets = member;
    struct emit_buckets found = {.count = 0};
    char *end;

    if (text[strspn(text, "0123456789.eE+-,")] != '\0')
        return -1;
    for (;; text = end + 1) {
        const double bound = strtod(text, &end);

        if (end == text || (*end != ',' && *end != '\0') || !isfinite(bound) ||
            found.count == METRICS_BOUNDS_MAX ||
            (found.count > 0 && bound <= found.bounds[found.count - 1]))
            return -1;
        found.bounds[found.count++] = bound;
        if (*end == '\0')
            break;
    }
    *buckets = found;
    return 0;
}

/* --- Checking --- */

static bool ends_in(const char *name, size_t length, const char *suffix)
{
    const size_t n = strlen(suffix);

    return length > n && memcmp(name + length - n, suffix, n) == 0;
}

static int check_name(const struct emit_metric *metric, const char *command)
{
    static const char total[] = "_total";
    const char *const name = metric->name;
    const size_t length = strlen(name);
    const bool has_total = ends_in(name, length, total);

    if (!metrics_rules_name_valid(name, true)) {
        printable_error(
            "%s: %.200s is no metric's name: it takes letters, digits, _ and : and does "
            "not begin with a digit, at most %d of them",
            command, name, METRICS_NAME_MAX);
        return -1;
    }
    if (metric->kind == METRICS_COUNTER && !has_total) {
        printable_error("%s: %s is no counter's name, which ends in _total; do you mean %s_total?",
                        command, name, name);
        return -1;
    }
    if (metric->kind != METRICS_COUNTER && has_total) {
        printable_error("%s: %s is a counter's name, since it ends in _total; do you mean %.*s?",
                        command, name, (int)(length - strlen(total)), name);
        return -1;
    }
    return 0;
}

static int check_unit(const struct emit_metric *metric, const char *command)
{
    const bool counter = metric->kind == METRICS_COUNTER;
    const char *const unit = metric->unit;
    const size_t length = strlen(metric->name) - (counter ? strlen("_total") : 0);

    if (unit == NULL || unit[0] == '\0')
        return 0;
    if (!metrics_rules_name_valid(unit, true)) {
        printable_error("%s: --unit %.200s is no unit: it takes a word such as seconds or bytes",
                        command, unit);
        return -1;
    }
    if (ends_in(metric->name, length, unit) && metric->name[length - strlen(unit) - 1] == '_')
        return 0;
    printable_error("%s: %s does not end in its unit; do you mean %.*s_%s%s?", command,
                    metric->name, (int)length, metric->name, unit, counter ? "_total" : "");
    return -1;
}

static int check_labels(const struct emit_metric *metric, const char *command)
{
    const struct emit_pairs *const labels = &metric->labels;

    if (labels->count > METRICS_LABELS_MAX) {
        printable_error("%s: %zu labels are too many; at most %d can be used", command,
                        labels->count, METRICS_LABELS_MAX);
        return -1;
    }
    for (size_t i = 0; i < labels->count; i++) {
        const char *const key = labels->at[i].key;

        if (!metrics_rules_name_valid(key, false) || strncmp(key, "__", 2) == 0 ||
            (metric->kind == METRICS_HISTOGRAM && strcmp(key, "le") == 0)) {
            printable_error(
                "%s: --label %.200s is no label's name: it takes letters, digits and _, "
                "begins with no digit and not with __, and is not le in a histogram",
                command, key);
            return -1;
        }
    }
    return 0;
}

int emit_metric_check(const struct emit_metric *metric, const char *command)
{
    if (metric->help != NULL && (strlen(metric->help) > METRICS_HELP_MAX ||
                                 !utf8_valid(metric->help, strlen(metric->help)))) {
        printable_error("%s: --help-text takes UTF-8 of at most %d bytes", command,
                        METRICS_HELP_MAX);
        return -1;
    }
    return check_name(metric, command) == 0 && check_unit(metric, command) == 0 &&
                   check_labels(metric, command) == 0
               ? 0
               : -1;
}

/* --- Declaring --- */

static int by_key(const void *a, const void *b)
{
    const struct emit_pair *const pa = a, *const pb = b;

    return strcmp(pa->key, pb->key);
}

/* As the command line has it; labels by name, so that all who declare it so agree. */
static struct metrics_family_def new_family(const struct emit_metric *metric,
                                            struct emit_pairs *sorted)
{
    struct metrics_family_def def = {.name = metric->name,
                                     .help = metric->help != NULL ? metric->help : "By a script.",
                                     .unit = metric->unit,
                                     .kind = metric->kind};

    *sorted = metric->labels;
    qsort(sorted->at, sorted->count, sizeof(sorted->at[0]), by_key);
    for (size_t i = 0; i < sorted->count; i++)
        def.labels[i] = sorted->at[i].key;
    if (metric->kind == METRICS_HISTOGRAM &&
        ends_in(metric->name, strlen(metric->name), "_bytes")) {
        def.bounds = bytes_bounds;
        def.bound_count = sizeof(bytes_bounds) / sizeof(bytes_bounds[0]);
    } else if (metric->kind == METRICS_HISTOGRAM) {
        def.bounds = families_latency_bounds;
        def.bound_count = FAMILIES_LATENCY_BOUNDS;
    }
    if (metric->buckets.count > 0) {
        def.bounds = metric->buckets.bounds;
        def.bound_count = metric->buckets.count;
    }
    return def;
}

/* Whether the metric that exists is what the command line means. Returns NULL, or what differs. */
static const char *difference(const struct metrics_family_def *known,
                              const struct emit_metric *metric)
{
    size_t labels = 0;

    if (known->kind != metric->kind)
        return "kind";
    for (; labels < METRICS_LABELS_MAX && known->labels[labels] != NULL; labels++) {
        if (emit_pairs_find(&metric->labels, known->labels[labels]) == NULL)
            return "labels";
    }
    if (labels != metric->labels.count)
        return "labels";
    if (metric->unit != NULL && strcmp(metric->unit, known->unit) != 0)
        return "unit";
    if (metric->buckets.count > 0 && (metric->buckets.count != known->bound_count ||
                                      memcmp(metric->buckets.bounds, known->bounds,
                                             known->bound_count * sizeof(known->bounds[0])) != 0))
        return "buckets";
    return NULL;
}

static void say_difference(const struct metrics_family_def *known, const struct emit_metric *metric,
                           const char *what, const char *command)
{
    char labels[METRICS_LABELS_MAX * (METRICS_NAME_MAX + 2)] = "", *at = labels;

    for (size_t i = 0; i < METRICS_LABELS_MAX && known->labels[i] != NULL; i++)
        at = stpcpy(stpcpy(at, i > 0 ? ", " : ""), known->labels[i]);
    printable_error("%s: %s is not counted: it exists as a %s with %s%s, and its %s differ%s",
                    command, metric->name, kind_names[known->kind],
                    labels[0] != '\0' ? "the labels " : "no labels", labels, what,
                    what[strlen(what) - 1] == 's' ? "" : "s");
}

/* --- Updating --- */

/* With the span of TRACEPARENT as its exemplar, if that is sampled and will surely be kept. */
static void observe(const struct emit *emit, struct metrics_histogram *histogram, double value)
{
    struct trace_context parent;

    if (emit->settings.traces_keep.count == 0 && emit_parent(emit, &parent) &&
        (parent.flags & TRACE_CONTEXT_SAMPLED) != 0)
        metrics_observe_exemplar(histogram, value, &parent.trace_id, &parent.span_id,
                                 clock_unix_ns());
    else
        metrics_observe(histogram, value);
}

static void update(const struct emit *emit, struct metrics_family *family,
                   const struct metrics_family_def *def, const struct emit_metric *metric)
{
    const char *values[METRICS_LABELS_MAX] = {NULL};

    for (size_t i = 0; i < METRICS_LABELS_MAX && def->labels[i] != NULL; i++) {
        values[i] = emit_pairs_find(&metric->labels, def->labels[i]);
        if (values[i] == NULL)
            values[i] = "";
    }
    if (metric->kind == METRICS_COUNTER)
        metrics_add(metrics_counter(family, values),
                    metric->count * (uint64_t)metrics_rules_steps_per_unit(def->resolution));
    else if (metric->kind == METRICS_GAUGE)
        metrics_gauge_set(metrics_gauge(family, values), metric->value);
    else
        observe(emit, metrics_histogram(family, values), metric->value);
}

void emit_metric_add(const struct emit_metric *metric, const char *command)
{
    static struct metrics_known known;
    struct metrics_family_def def;
    struct emit_pairs sorted;
    const char *what = NULL;
    struct metrics_family *family;
    struct metrics *metrics;
    struct emit emit;

    emit_settings(&emit);
    metrics = metrics_open(emit.settings.run_dir, (uint32_t)emit.settings.metrics_max_series);
    if (metrics == NULL) {
        printable_error("%s: out of memory: nothing is counted", command);
        return;
    }
    if (metrics_problem(metrics) != NULL)
        loss_notice_say(&emit.settings, metrics_problem(metrics), NULL, SPOOL_OK);
    def = new_family(metric, &sorted);
    if (metrics_known(metrics, metric->name, &known)) {
        what = difference(&known.def, metric);
        if (what == NULL)
            def = known.def;
        else
            say_difference(&known.def, metric, what, command);
    }
    family = metrics_declare(metrics, &def);
    if (metrics_refusal(metrics) == NULL)
        update(&emit, family, &def, metric);
    if (metrics_refusal(metrics) != NULL && what == NULL)
        printable_error("%s: %s is not counted: %s (see microtrace_metrics_refused_total)", command,
                        metric->name, metrics_refusal(metrics));
    metrics_close(metrics);
}
