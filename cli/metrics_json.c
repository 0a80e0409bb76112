#include "cli/metrics_json.h"

#include "cli/metrics_selection.h"
#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/json_writer.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    LINE_MAX_BYTES = 65536, /* one series as JSON: labels are bounded, buckets too */
};

static void write_histogram(struct json_writer *w, const struct metrics_reader_family *family,
                            const struct metrics_reader_histogram *histogram)
{
    uint64_t cumulative = 0;

    json_writer_key_uint(w, "count", histogram->count);
    json_writer_key_double(w, "sum", metrics_selection_units(family, (double)histogram->sum_steps));
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
        json_writer_key_uint(w, "count", cumulative);
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
        json_writer_key_double(w, "value", exemplar.value);
        json_writer_key_string(w, "time", time);
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
        json_writer_key_string(w, family->labels[i], series->values[i]);
    }
    json_writer_end_object(w);
    if (family->kind == METRICS_HISTOGRAM) {
        metrics_reader_histogram(reader, family, series, &histogram);
        write_histogram(w, family, &histogram);
        write_exemplars(w, reader, family, series);
    } else {
        json_writer_key(w, "value");
        if (family->kind == METRICS_COUNTER && family->resolution > 0)
            json_writer_double(
                w, metrics_selection_units(family, (double)metrics_reader_counter(reader, series)));
        else if (family->kind == METRICS_COUNTER)
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
    json_writer_key_string(w, "name", family->name);
    json_writer_key_string(w, "type", metrics_selection_kind(family->kind));
    json_writer_key_string(w, "help", family->help);
    json_writer_key_string(w, "unit", family->unit);
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
    json_writer_key_string(w, "instance_id", info.instance_id);
    json_writer_key_string(w, "created", created);
    json_writer_key_uint(w, "bytes", info.file_size);
    json_writer_key_uint(w, "series", info.series_count);
    json_writer_key_uint(w, "series_limit", info.max_series);
    json_writer_key_uint(w, "processes", info.living);
    json_writer_key_uint(w, "damaged_records", info.corrupt_records);
    json_writer_key(w, "refused");
    json_writer_begin_object(w);
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++) {
        json_writer_key_uint(w, metrics_file_refused_names[i], info.refused[i]);
    }
    json_writer_end_object(w);
    json_writer_end_object(w);
}

void metrics_json_print(const struct metrics_reader *reader)
{
    static char line[LINE_MAX_BYTES];
    size_t count, printed = 0;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);
    struct json_writer w;

    printf("{\"families\":[");
    for (size_t f = 0; f < count; f++) {
        if (!metrics_selection_has(families[f]->name))
            continue;
        json_writer_init(&w, line, sizeof(line));
        write_head(&w, families[f]);
        printf("%s\n%.*s", printed++ > 0 ? "," : "", (int)w.len, line);
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
