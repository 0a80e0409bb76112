#include "cli/command.h"

#include "lib/json_writer.h"
#include "lib/metrics_reader.h"

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
    return (double)histogram->sum_steps * family->resolution;
}

/*
 * The bound below which a share `q` of the observations lies: the upper end of the bucket in which
 * that share is reached, which is all that a histogram knows for certain.
 */
static const char *quantile_text(const struct metrics_reader_family *family,
                                 const struct metrics_reader_histogram *histogram, double q,
                                 char out[JSON_WRITER_DOUBLE_SIZE + 2])
{
    uint64_t seen = 0;

    for (size_t i = 0; i < family->bound_count; i++) {
        seen += histogram->buckets[i];
        if ((double)seen >= q * (double)histogram->count) {
            memcpy(out, "<=", 2);
            (void)json_writer_format_double(out + 2, family->bounds[i]);
            return out;
        }
    }
    (void)snprintf(out, JSON_WRITER_DOUBLE_SIZE + 2, ">%g",
                   family->bound_count > 0 ? family->bounds[family->bound_count - 1] : 0.0);
    return out;
}

static void print_series(const struct metrics_reader *reader,
                         const struct metrics_reader_family *family,
                         const struct metrics_reader_series *series)
{
    char p50[JSON_WRITER_DOUBLE_SIZE + 2], p99[JSON_WRITER_DOUBLE_SIZE + 2];
    struct metrics_reader_histogram histogram;

    printf("  %-58.*s ", series->label_text_len > 0 ? (int)series->label_text_len : 1,
           series->label_text_len > 0 ? series->label_text : "-");
    switch (family->kind) {
    case METRICS_COUNTER:
        printf("%llu\n", (unsigned long long)metrics_reader_counter(reader, series));
        return;
    case METRICS_GAUGE:
        printf("%.15g\n", metrics_reader_gauge(reader, series));
        return;
    case METRICS_LIVE_GAUGE:
        printf("%lld\n", (long long)metrics_reader_live_gauge(reader, series));
        return;
    case METRICS_HISTOGRAM:
        metrics_reader_histogram(reader, family, series, &histogram);
        if (histogram.count == 0)
            printf("count 0\n");
        else
            printf("count %llu  mean %.6g  p50 %s  p99 %s\n", (unsigned long long)histogram.count,
                   sum_of(family, &histogram) / (double)histogram.count,
                   quantile_text(family, &histogram, 0.5, p50),
                   quantile_text(family, &histogram, 0.99, p99));
        return;
    }
}

static void print_table(const struct metrics_reader *reader)
{
    size_t count;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);

    for (size_t f = 0; f < count; f++) {
        printf("%s (%s%s%s): %s\n", families[f]->name, kind_name(families[f]->kind),
               families[f]->unit[0] != '\0' ? ", " : "", families[f]->unit, families[f]->help);
        for (size_t s = 0; s < families[f]->series_count; s++)
            print_series(reader, families[f], families[f]->series[s]);
    }
}

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
    printf("\n]}\n");
}

int command_metrics(int argc, char **argv)
{
    const char *run_dir = getenv("MICROTRACE_RUN_DIR");
    struct metrics_reader *reader;
    bool json = false;
    int status = COMMAND_FAILED;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") != 0)
            return command_usage(argv[0], argv[i]);
        json = true;
    }
    if (run_dir == NULL || run_dir[0] == '\0')
        run_dir = "/run/microtrace";
    reader = metrics_reader_open(run_dir);
    if (reader == NULL) {
        (void)fprintf(stderr, "microtrace metrics: out of memory\n");
    } else if (metrics_reader_refresh(reader) != 0) {
        (void)fprintf(stderr, "microtrace metrics: %s/metrics.mmap: %s\n", run_dir,
                      metrics_reader_problem(reader));
    } else {
        if (json)
            print_json(reader);
        else
            print_table(reader);
        status = COMMAND_OK;
    }
    metrics_reader_close(reader);
    return status;
}
