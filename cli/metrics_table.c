#include "cli/metrics_table.h"

#include "cli/instance.h"
#include "cli/metrics_selection.h"
#include "lib/base/clock.h"
#include "lib/base/printable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        if (family->resolution > 0)
            (void)snprintf(
                row->cells[0], CELL_MAX, "%.15g",
                metrics_selection_units(family, (double)metrics_reader_counter(reader, series)));
        else
            (void)snprintf(row->cells[0], CELL_MAX, "%" PRIu64,
                           metrics_reader_counter(reader, series));
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
    write_quantity(row->cells[1], family, "",
                   metrics_selection_units(family, (double)histogram.sum_steps) /
                       (double)histogram.count);
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
    printf("%s  %s%s%s  ", family->name, metrics_selection_kind(family->kind),
           family->unit[0] != '\0' ? ", " : "", family->unit);
    printable_write(stdout, family->help, strlen(family->help));
    printf("\n");
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
        printf("  ");
        printable_write(stdout, text, (size_t)len);
        printf("%*s", len < labels ? labels - len : 0, "");
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
    printf("instance %s, since %s, %" PRIu64 " bytes: ", info.instance_id, created, info.file_size);
    printable_write(stdout, instance_run_dir(), strlen(instance_run_dir()));
    printf("/" METRICS_FILE_NAME "\n");
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++) {
        if (info.refused[i] > 0)
            printf("refused: %" PRIu64 " %s\n", info.refused[i], metrics_file_refused_names[i]);
    }
}

int metrics_table_print(const struct metrics_reader *reader)
{
    size_t count;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);

    for (size_t f = 0; f < count; f++) {
        if (metrics_selection_has(families[f]->name) && print_family(reader, families[f]) < 0)
            return -1;
    }
    if (metrics_selection_is_all())
        print_file(reader);
    return 0;
}
