#include "lib/metrics/catalog.h"

#include "lib/base/utf8.h"
#include "lib/metrics/record.h"

#include <stdlib.h>
#include <string.h>

enum { SLACK = 1024 }; /* records beyond the file's limits: processes that register at once */

/* A series and its label values, each with its NUL, with the label text behind them. */
struct series_node {
    struct metrics_reader_series public;
    size_t values_len;
    char text[];
};

struct family_node {
    struct metrics_reader_family public;
    struct metrics_reader_series **series;
    size_t room;
    bool unsorted;
    _Alignas(8) unsigned char record[METRICS_FILE_RECORD_MAX];
};

/* Fills family->public from family->record. False if it breaks a rule. */
static bool parse_family(struct family_node *family, size_t length)
{
    struct metrics_reader_family *f = &family->public;
    struct metrics_family_def def;

    if (!metrics_record_family(family->record, length, &def))
        return false;
    f->name = def.name;
    f->help = def.help;
    f->unit = def.unit;
    f->kind = def.kind;
    f->bounds = def.bounds;
    f->bound_count = def.bound_count;
    f->resolution = def.resolution;
    for (; f->label_count < METRICS_LABELS_MAX && def.labels[f->label_count] != NULL;
         f->label_count++)
        f->labels[f->label_count] = def.labels[f->label_count];
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct metrics_reader_family *const *fa = a, *const *fb = b;

    return strcmp((*fa)->name, (*fb)->name);
}

static int by_offset(const void *a, const void *b)
{
    const struct metrics_reader_family *const *fa = a, *const *fb = b;

    return ((*fa)->record_offset > (*fb)->record_offset) -
           ((*fa)->record_offset < (*fb)->record_offset);
}

/* Into a sorted list of `count` with room for one more. */
static void insert(struct metrics_reader_family **list, size_t count,
                   struct metrics_reader_family *family, int (*order)(const void *, const void *))
{
    size_t at = count;

    for (; at > 0 && order(&list[at - 1], &family) > 0; at--)
        list[at] = list[at - 1];
    list[at] = family;
}

static struct family_node *family_at(const struct metrics_catalog *catalog, uint64_t offset)
{
    struct metrics_reader_family key = {.record_offset = offset}, *pointer = &key;

    if (catalog->family_count == 0)
        return NULL;
    struct metrics_reader_family **found =
        bsearch(&pointer, catalog->by_offset, catalog->family_count, sizeof(*catalog->by_offset),
                by_offset);

    return found == NULL ? NULL : (struct family_node *)*found;
}

/* Returns 0 if it was added, 1 if it is not a valid family, -1 if memory runs out. */
static int add_family(struct metrics_catalog *catalog, uint64_t offset, const void *record,
                      size_t length)
{
    if (catalog->family_count == catalog->family_room) {
        size_t room = catalog->family_room == 0 ? 64 : 2 * catalog->family_room;
        void *names = realloc(catalog->families, room * sizeof(*catalog->families));
        if (names != NULL)
            catalog->families = names;
        void *offsets = realloc(catalog->by_offset, room * sizeof(*catalog->by_offset));
        if (offsets != NULL)
            catalog->by_offset = offsets;
        if (names == NULL || offsets == NULL)
            return -1;
        catalog->family_room = room;
    }
    struct family_node *family = calloc(1, sizeof(*family));
    if (family == NULL)
        return -1;
    memcpy(family->record, record, length);
    /* One name twice would make a scrape invalid: only damage brings that about. */
    bool good = parse_family(family, length);
    for (size_t i = 0; good && i < catalog->family_count; i++)
        good = strcmp(catalog->families[i]->name, family->public.name) != 0;
    if (!good) {
        free(family);
        return 1;
    }
    family->public.record_offset = offset;
    insert(catalog->families, catalog->family_count, &family->public, by_name);
    insert(catalog->by_offset, catalog->family_count, &family->public, by_offset);
    catalog->family_count++;
    return 0;
}

static size_t escape(char *to, const char *value)
{
    size_t len = 0;

    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            to[len++] = '\\';
        to[len++] = *value == '\n' ? 'n' : *value;
    }
    return len;
}

/* The label text at `to`, which has room for it. Returns its length. */
static size_t write_label_text(char *to, const struct metrics_reader_family *family,
                               const char *const *values)
{
    size_t len = 0;

    for (size_t i = 0; i < family->label_count; i++) {
        if (i > 0)
            to[len++] = ',';
        size_t name = strlen(family->labels[i]);
        memcpy(to + len, family->labels[i], name);
        len += name;
        to[len++] = '=';
        to[len++] = '"';
        len += escape(to + len, values[i]);
        to[len++] = '"';
    }
    return len;
}

/* The series in `record`. NULL with *bad set if it breaks a rule, without it if memory runs out. */
static struct series_node *parse_series(const struct metrics_map *map,
                                        const struct metrics_reader_family *family,
                                        const struct metrics_file_series *record, bool *bad)
{
    const char *at = (const char *)(record + 1);
    const char *end = (const char *)record + record->record.length;
    const char *values[METRICS_LABELS_MAX] = {NULL};
    size_t room = 0;

    *bad = true;
    for (size_t i = 0; i < family->label_count; i++) {
        values[i] = metrics_record_text(&at, end);
        if (values[i] == NULL || strlen(values[i]) > METRICS_LABEL_VALUE_MAX ||
            !utf8_valid(values[i], strlen(values[i])))
            return NULL;
        room += strlen(family->labels[i]) + 2 * strlen(values[i]) + sizeof(",=\"\"");
    }
    size_t cells = family->kind == METRICS_HISTOGRAM ? family->bound_count + 2 : 1;
    if (family->kind != METRICS_LIVE_GAUGE &&
        !metrics_file_cells_fit(map, record->cell_offset, cells))
        return NULL;

    *bad = false;
    size_t values_len = (size_t)(at - (const char *)(record + 1));
    struct series_node *series = malloc(sizeof(*series) + values_len + room);
    if (series == NULL)
        return NULL;
    *series = (struct series_node){.values_len = values_len};
    memcpy(series->text, record + 1, values_len);
    for (size_t i = 0; i < family->label_count; i++)
        series->public.values[i] = series->text + (values[i] - (const char *)(record + 1));
    series->public.label_text = series->text + values_len;
    series->public.label_text_len =
        write_label_text(series->text + values_len, family, series->public.values);
    series->public.cell_offset = record->cell_offset;
    series->public.exemplar_offset =
        family->kind == METRICS_HISTOGRAM &&
                metrics_file_exemplars_fit(map, record->exemplar_offset, family->bound_count + 1)
            ? record->exemplar_offset
            : METRICS_FILE_NONE;
    return series;
}

/*
 * The family whose record is at `offset`, as those of earlier calls. Returns 0, 1 if there is none,
 * -1 if memory runs out.
 */
static int read_family(struct metrics_catalog *catalog, const struct metrics_map *map,
                       uint64_t offset)
{
    _Alignas(8) unsigned char record[METRICS_FILE_RECORD_MAX];

    if (family_at(catalog, offset) != NULL)
        return 0;
    if (catalog->family_count >= map->at.max_families)
        return 1;
    size_t length = metrics_file_record(map, offset, METRICS_FILE_RECORD_FAMILY, record);

    return length > 0 ? add_family(catalog, offset, record, length) : 1;
}

/* Returns 0, 1 if the record is bad, -1 if memory runs out. */
static int add_series(struct metrics_catalog *catalog, const struct metrics_map *map,
                      uint64_t offset, const struct metrics_file_series *record)
{
    bool bad;

    /* The family stands in the index before its first series, but maybe behind this lap. */
    int result = read_family(catalog, map, record->family_offset);
    if (result != 0)
        return result;
    struct family_node *family = family_at(catalog, record->family_offset);
    if (family->public.series_count == family->room) {
        size_t room = family->room == 0 ? 16 : 2 * family->room;
        void *grown = realloc(family->series, room * sizeof(struct metrics_reader_series *));
        if (grown == NULL)
            return -1;
        family->series = grown;
        family->public.series = grown;
        family->room = room;
    }
    struct series_node *series = parse_series(map, &family->public, record, &bad);
    if (series == NULL)
        return bad ? 1 : -1;
    series->public.record_offset = offset;
    family->series[family->public.series_count++] = &series->public;
    family->unsorted = true;
    catalog->series_count++;
    return 0;
}

static int by_values(const void *a, const void *b)
{
    const struct series_node *const *sa = a, *const *sb = b;
    size_t la = (*sa)->values_len, lb = (*sb)->values_len;
    int order = memcmp((*sa)->text, (*sb)->text, la < lb ? la : lb);

    return order != 0 ? order : (la > lb) - (la < lb);
}

static void sort_series(struct metrics_catalog *catalog, struct family_node *family)
{
    size_t kept = 0;

    qsort(family->series, family->public.series_count, sizeof(*family->series), by_values);
    for (size_t i = 0; i < family->public.series_count; i++) {
        /* The same series twice is damage as well. */
        if (kept > 0 && by_values(&family->series[kept - 1], &family->series[i]) == 0) {
            free(family->series[i]);
            catalog->corrupt++;
            catalog->series_count--;
        } else {
            family->series[kept++] = family->series[i];
        }
    }
    family->public.series_count = kept;
    family->unsorted = false;
}

/* Returns 0, 1 if the record is bad, -1 without memory. */
static int read_record(struct metrics_catalog *catalog, const struct metrics_map *map,
                       uint64_t offset)
{
    _Alignas(8) unsigned char record[METRICS_FILE_RECORD_MAX];
    size_t length = metrics_file_record(map, offset, METRICS_FILE_RECORD_SERIES, record);

    if (length == 0)
        return read_family(catalog, map, offset);
    return length >= sizeof(struct metrics_file_series)
               ? add_series(catalog, map, offset, (const void *)record)
               : 1;
}

/*
 * Reads the records that the next `buckets` of the index got since the last time, to the index's
 * end at most. A bucket changes once, so what was read stays. Returns 0, or -1 without memory.
 */
static int read_index(struct metrics_catalog *catalog, const struct metrics_map *map,
                      uint64_t buckets)
{
    const uint64_t records_max = (uint64_t)map->at.max_series + map->at.max_families + SLACK;
    const uint64_t left = map->at.buckets - catalog->at;
    const uint64_t end = catalog->at + (buckets < left ? buckets : left);
    const _Atomic uint64_t *index = metrics_file_index(map);

    for (; catalog->at < end; catalog->at++) {
        uint64_t word = atomic_load_explicit(&index[catalog->at], memory_order_acquire);
        if (word == 0 || catalog->taken[catalog->at])
            continue;
        int result = 1;
        if (catalog->records < records_max)
            result =
                read_record(catalog, map, word & (((uint64_t)1 << METRICS_FILE_OFFSET_BITS) - 1));
        if (result < 0)
            return -1;
        catalog->taken[catalog->at] = 1;
        catalog->records++;
        catalog->corrupt += result != 0;
    }
    return 0;
}

int metrics_catalog_read(struct metrics_catalog *catalog, const struct metrics_map *map,
                         uint64_t buckets)
{
    if (catalog->taken == NULL && (catalog->taken = calloc(map->at.buckets, 1)) == NULL)
        return -1;
    if (read_index(catalog, map, buckets) < 0)
        return -1;
    const bool whole = catalog->at == map->at.buckets;
    if (whole)
        catalog->at = 0;
    for (size_t i = 0; i < catalog->family_count; i++) {
        struct family_node *family = (struct family_node *)catalog->families[i];
        if (family->unsorted)
            sort_series(catalog, family);
    }
    return whole ? 0 : 1;
}

void metrics_catalog_clear(struct metrics_catalog *catalog)
{
    for (size_t i = 0; i < catalog->family_count; i++) {
        struct family_node *family = (struct family_node *)catalog->families[i];
        for (size_t k = 0; k < family->public.series_count; k++)
            free(family->series[k]);
        free(family->series);
        free(family);
    }
    free(catalog->families);
    free(catalog->by_offset);
    free(catalog->taken);
    *catalog = (struct metrics_catalog){0};
}
