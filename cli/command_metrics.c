#include "cli/command.h"

#include "cli/instance.h"
#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/json_writer.h"
#include "lib/metrics/reader.h"
#include "lib/metrics/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 65536, /* one series as JSON: labels are bounded, buckets too */
};

static const char *kind_name(enum metrics_kind kind)
{
    switch (kind) {
    case METRICS_COUNTER:
        return "counter";
    case METRICS_GAUGE:
    case METRICS_LIVE_GAUGE:
        return "gauge";
    case METRICS_HISTOGRAM:
        return "histogram";
    }
    return "unknown";
}

static double sum_of(const struct metrics_reader_family *family,
                     const struct metrics_reader_histogram *histogram)
{
    return (double)histogram->sum_steps / metrics_rules_steps_per_unit(family->resolution);
}

/* --- The table for people -------------------------------------------------------------------- */

enum {
    CELL_MAX = 40,         /* bytes of one value's text */
    LABELS_WIDTH_MAX = 90, /* longer label texts push their values to the right */
    COLUMNS = 4,
};

static const char *const histogram_heads[COLUMNS] = {"count", "mean", "p50", "p99"};

/* One series: its values as text. */
struct row {
    char cells[COLUMNS][CELL_MAX];
};

/* A value as people say it: seconds as 59.9us, 1.5ms or 2s; others as they are. */
static void write_quantity(char out[CELL_MAX], const struct metrics_reader_family *family,
                           const char *sign, double value)
{
    const char *suffix = "";
    double shown = value;

    if (strcmp(family->unit, "seconds") == 0) {
        double size = value < 0 ? -value : value;
        suffix = size >= 1 ? "s" : size >= 1e-3 ? "ms" : "us";
        shown = size >= 1 ? value : size >= 1e-3 ? value * 1e3 : value * 1e6;
    }
    (void)snprintf(out, CELL_MAX, "%s%.4g%s", sign, shown, suffix);
}

/*
 * The bound below which a share `q` of the observations lies: the upper end of the bucket in which
 * that share is reached, which is all that a histogram knows for certain.
 */
static void write_quantile(char out[CELL_MAX], const struct metrics_reader_family *family,
                           const struct metrics_reader_histogram *histogram, double q)
{
    const char *sign = "<=";
    uint64_t seen = 0;
    size_t i;

    for (i = 0; i < family->bound_count; i++) {
        seen += histogram->buckets[i];
        if ((double)seen >= q * (double)histogram->count)
            break;
    }
    if (family->bound_count == 0) {
        (void)snprintf(out, CELL_MAX, "-");
        return;
    }
    if (i == family->bound_count) {
        sign = ">";
        i--;
    }
    write_quantity(out, family, sign, family->bounds[i]);
}

/* Returns how many of the row's cells there are. */
static size_t fill_row(struct row *row, const struct metrics_reader *reader,
                       const struct metrics_reader_family *family,
                       const struct metrics_reader_series *series)
{
    struct metrics_reader_histogram histogram;

    switch (family->kind) {
    case METRICS_COUNTER:
        (void)snprintf(row->cells[0], CELL_MAX, "%" PRIu64, metrics_reader_counter(reader, series));
        return 1;
    case METRICS_GAUGE:
        (void)snprintf(row->cells[0], CELL_MAX, "%.15g", metrics_reader_gauge(reader, series));
        return 1;
    case METRICS_LIVE_GAUGE:
        (void)snprintf(row->cells[0], CELL_MAX, "%" PRId64,
                       metrics_reader_live_gauge(reader, series));
        return 1;
    case METRICS_HISTOGRAM:
        break;
    }
    metrics_reader_histogram(reader, family, series, &histogram);
    (void)snprintf(row->cells[0], CELL_MAX, "%" PRIu64, histogram.count);
    if (histogram.count == 0) {
        for (size_t i = 1; i < COLUMNS; i++)
            (void)snprintf(row->cells[i], CELL_MAX, "-");
        return COLUMNS;
    }
    write_quantity(row->cells[1], family, "", sum_of(family, &histogram) / (double)histogram.count);
    write_quantile(row->cells[2], family, &histogram, 0.5);
    write_quantile(row->cells[3], family, &histogram, 0.99);
    return COLUMNS;
}

static const char *label_text(const struct metrics_reader_series *series, int *len)
{
    *len = series->label_text_len > 0 ? (int)series->label_text_len : 1;
    return series->label_text_len > 0 ? series->label_text : "-";
}

/* The columns are as wide as the family needs them. Returns -1 if memory runs out. */
static int print_family(const struct metrics_reader *reader,
                        const struct metrics_reader_family *family)
{
    struct row *rows = calloc(family->series_count + 1, sizeof(*rows));
    size_t widths[COLUMNS] = {0}, columns = 0;
    int labels = 1, len;

    if (rows == NULL)
        return -1;
    for (size_t s = 0; s < family->series_count; s++) {
        columns = fill_row(&rows[s], reader, family, family->series[s]);
        (void)label_text(family->series[s], &len);
        if (len > labels)
            labels = len < LABELS_WIDTH_MAX ? len : LABELS_WIDTH_MAX;
        for (size_t c = 0; c < columns; c++) {
            size_t width = strlen(rows[s].cells[c]);
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    printf("%s  %s%s%s  %s\n", family->name, kind_name(family->kind),
           family->unit[0] != '\0' ? ", " : "", family->unit, family->help);
    if (family->kind == METRICS_HISTOGRAM && family->series_count > 0) {
        printf("  %*s", labels, "");
        for (size_t c = 0; c < COLUMNS; c++) {
            size_t width = strlen(histogram_heads[c]);
            widths[c] = width > widths[c] ? width : widths[c];
            printf("  %*s", (int)widths[c], histogram_heads[c]);
        }
        printf("\n");
    }
    for (size_t s = 0; s < family->series_count; s++) {
        const char *text = label_text(family->series[s], &len);
        printf("  %.*s%*s", len, text, len < labels ? labels - len : 0, "");
        for (size_t c = 0; c < columns; c++)
            printf("  %*s", (int)widths[c], rows[s].cells[c]);
        printf("\n");
    }
    printf("\n");
    free(rows);
    return 0;
}

static void print_file(const struct metrics_reader *reader)
{
    char created[CLOCK_ISO8601_SIZE];
    struct metrics_reader_info info;

    metrics_reader_info(reader, &info);
    clock_iso8601(created, info.created_unix_ns);
    printf("%zu of %" PRIu32 " series, %zu processes, %zu damaged records\n", info.series_count,
           info.max_series, info.living, info.corrupt_records);
    printf("instance %s, since %s, %" PRIu64 " bytes\n", info.instance_id, created, info.file_size);
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++) {
        if (info.refused[i] > 0)
            printf("refused: %" PRIu64 " %s\n", info.refused[i], metrics_file_refused_names[i]);
    }
}

static int print_table(const struct metrics_reader *reader)
{
    size_t count;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);

    for (size_t f = 0; f < count; f++) {
        if (print_family(reader, families[f]) < 0)
            return -1;
    }
    print_file(reader);
    return 0;
}

/* --- JSON for programs ----------------------------------------------------------------------- */

static void write_histogram(struct json_writer *w, const struct metrics_reader_family *family,
                            const struct metrics_reader_histogram *histogram)
{
    uint64_t cumulative = 0;

    json_writer_key(w, "count");
    json_writer_uint(w, histogram->count);
    json_writer_key(w, "sum");
    json_writer_double(w, sum_of(family, histogram));
    json_writer_key(w, "buckets");
    json_writer_begin_array(w);
    for (size_t i = 0; i <= family->bound_count; i++) {
        cumulative += histogram->buckets[i];
        json_writer_begin_object(w);
        json_writer_key(w, "le");
        if (i < family->bound_count)
            json_writer_double(w, family->bounds[i]);
        else
            json_writer_string(w, "+Inf");
        json_writer_key(w, "count");
        json_writer_uint(w, cumulative);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void write_id(struct json_writer *w, const char *key, const uint8_t *bytes, size_t len)
{
    char hex[IDS_TRACE_HEX];

    ids_to_hex(hex, bytes, len);
    json_writer_key(w, key);
    json_writer_string_n(w, hex, 2 * len);
}

static void write_exemplars(struct json_writer *w, const struct metrics_reader *reader,
                            const struct metrics_reader_family *family,
                            const struct metrics_reader_series *series)
{
    struct metrics_reader_exemplar exemplar;
    char time[CLOCK_ISO8601_SIZE];

    json_writer_key(w, "exemplars");
    json_writer_begin_array(w);
    for (size_t i = 0; i <= family->bound_count; i++) {
        if (!metrics_reader_exemplar(reader, family, series, i, &exemplar))
            continue;
        clock_iso8601(time, exemplar.unix_ns);
        json_writer_begin_object(w);
        json_writer_key(w, "value");
        json_writer_double(w, exemplar.value);
        json_writer_key(w, "time");
        json_writer_string(w, time);
        write_id(w, "trace_id", exemplar.trace.bytes, sizeof(exemplar.trace.bytes));
        write_id(w, "span_id", exemplar.span.bytes, sizeof(exemplar.span.bytes));
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void write_series(struct json_writer *w, const struct metrics_reader *reader,
                         const struct metrics_reader_family *family,
                         const struct metrics_reader_series *series)
{
    struct metrics_reader_histogram histogram;

    json_writer_begin_object(w);
    json_writer_key(w, "labels");
    json_writer_begin_object(w);
    for (size_t i = 0; i < family->label_count; i++) {
        json_writer_key(w, family->labels[i]);
        json_writer_string(w, series->values[i]);
    }
    json_writer_end_object(w);
    if (family->kind == METRICS_HISTOGRAM) {
        metrics_reader_histogram(reader, family, series, &histogram);
        write_histogram(w, family, &histogram);
        write_exemplars(w, reader, family, series);
    } else {
        json_writer_key(w, "value");
        if (family->kind == METRICS_COUNTER)
            json_writer_uint(w, metrics_reader_counter(reader, series));
        else if (family->kind == METRICS_GAUGE)
            json_writer_double(w, metrics_reader_gauge(reader, series));
        else
            json_writer_int(w, metrics_reader_live_gauge(reader, series));
    }
    json_writer_end_object(w);
}

static void write_head(struct json_writer *w, const struct metrics_reader_family *family)
{
    json_writer_begin_object(w);
    json_writer_key(w, "name");
    json_writer_string(w, family->name);
    json_writer_key(w, "type");
    json_writer_string(w, kind_name(family->kind));
    json_writer_key(w, "help");
    json_writer_string(w, family->help);
    json_writer_key(w, "unit");
    json_writer_string(w, family->unit);
    json_writer_key(w, "series");
    json_writer_bytes(w, "[", 1);
}

static void write_file(struct json_writer *w, const struct metrics_reader *reader)
{
    struct metrics_reader_info info;
    char created[CLOCK_ISO8601_SIZE];

    metrics_reader_info(reader, &info);
    clock_iso8601(created, info.created_unix_ns);
    json_writer_begin_object(w);
    json_writer_key(w, "instance_id");
    json_writer_string(w, info.instance_id);
    json_writer_key(w, "created");
    json_writer_string(w, created);
    json_writer_key(w, "bytes");
    json_writer_uint(w, info.file_size);
    json_writer_key(w, "series");
    json_writer_uint(w, info.series_count);
    json_writer_key(w, "series_limit");
    json_writer_uint(w, info.max_series);
    json_writer_key(w, "processes");
    json_writer_uint(w, info.living);
    json_writer_key(w, "damaged_records");
    json_writer_uint(w, info.corrupt_records);
    json_writer_key(w, "refused");
    json_writer_begin_object(w);
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++) {
        json_writer_key(w, metrics_file_refused_names[i]);
        json_writer_uint(w, info.refused[i]);
    }
    json_writer_end_object(w);
    json_writer_end_object(w);
}

static void print_json(const struct metrics_reader *reader)
{
    static char line[LINE_MAX_BYTES];
    size_t count;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);
    struct json_writer w;

    printf("{\"families\":[");
    for (size_t f = 0; f < count; f++) {
        json_writer_init(&w, line, sizeof(line));
        write_head(&w, families[f]);
        printf("%s\n%.*s", f > 0 ? "," : "", (int)w.len, line);
        for (size_t s = 0; s < families[f]->series_count; s++) {
            json_writer_init(&w, line, sizeof(line));
            write_series(&w, reader, families[f], families[f]->series[s]);
            printf("%s\n %.*s", s > 0 ? "," : "", (int)w.len, line);
        }
        printf("]}");
    }
    json_writer_init(&w, line, sizeof(line));
    write_file(&w, reader);
    printf("\n],\n\"file\":%.*s}\n", (int)w.len, line);
}

static const struct options_switch switches[] = {
    {"--json", 0, "Print JSON for programs."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace metrics",
    .operands = "",
    .summary = "Prints what the metrics file holds, without the agent.",
    .switches = switches,
    .state = instance_choose,
};

static int run(int argc, char **argv)
{
    struct metrics_reader *reader;
    bool json = false;
    int status = options_read(&options, &json, &argc, &argv);

    if (status != OPTIONS_GO)
        return status;
    status = COMMAND_FAILED;
    reader = metrics_reader_open(instance_run_dir());
    if (reader == NULL) {
        (void)fprintf(stderr, "microtrace metrics: out of memory\n");
    } else if (metrics_reader_refresh(reader) != 0) {
        (void)fprintf(stderr, "microtrace metrics: %s\n", metrics_reader_problem(reader));
    } else {
        status = COMMAND_OK;
        if (json)
            print_json(reader);
        else if (print_table(reader) < 0)
            status = COMMAND_FAILED;
        /* Zeros that were read from a file cut off meanwhile must not pass for values. */
        if (metrics_reader_lost(reader)) {
            (void)fprintf(stderr, "microtrace metrics: %s/metrics.mmap: truncated while read\n",
                          instance_run_dir());
            status = COMMAND_FAILED;
        }
    }
    metrics_reader_close(reader);
    return status;
}

const struct command command_metrics = {&options, run};
