#include "lib/metrics/reader.h"

#include "lib/base/instance_file.h"
#include "lib/metrics/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXEMPLAR_TRIES = 4 };

struct metrics_reader {
    struct metrics_map map; /* base NULL: none */
    int fd;                 /* of the file mapped, for looking at locks */
    enum metrics_file_state state;
    char problem[METRICS_ERROR_MAX];

    struct metrics_catalog catalog;
    size_t living;
    uint64_t live_owner[METRICS_FILE_LIVE_GAUGES];
    uint64_t live_sum[METRICS_FILE_LIVE_GAUGES];

    char path[]; /* of the file */
};

struct metrics_reader *metrics_reader_open(const char *run_dir)
{
    size_t path_size = strlen(run_dir) + sizeof("/" METRICS_FILE_NAME);
    struct metrics_reader *reader = calloc(1, sizeof(*reader) + path_size);

    if (reader == NULL)
        return NULL;
    reader->fd = -1;
    reader->state = METRICS_FILE_MISSING;
    snprintf(reader->path, path_size, "%s/" METRICS_FILE_NAME, run_dir);
    return reader;
}

static void drop_file(struct metrics_reader *reader)
{
    metrics_catalog_clear(&reader->catalog);
    reader->living = 0;
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
    metrics_file_unmap(&reader->map);
}

void metrics_reader_close(struct metrics_reader *reader)
{
    if (reader == NULL)
        return;
    drop_file(reader);
    free(reader);
}

/* Maps the file. Returns its state, UNUSABLE with errno. */
static enum metrics_file_state take_file(struct metrics_reader *reader)
{
    struct stat st;
    enum metrics_file_state state = metrics_file_map(&reader->map, reader->path, false);

    if (state != METRICS_FILE_OK)
        return state;
    reader->fd = instance_file_open(AT_FDCWD, reader->path, O_RDONLY, &st);
    if (reader->fd < 0)
        return METRICS_FILE_UNUSABLE;
    if (st.st_dev != reader->map.device || st.st_ino != reader->map.inode)
        return METRICS_FILE_MISSING; /* replaced just now; the next refresh has it */
    return METRICS_FILE_OK;
}

const struct metrics_reader_family *metrics_reader_find_family(const struct metrics_reader *reader,
                                                               const char *name, size_t name_len)
{
    size_t low = 0, high = reader->catalog.family_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *other = reader->catalog.families[middle]->name;
        int order = strncmp(other, name, name_len);
        if (order == 0 && other[name_len] == '\0')
            return reader->catalog.families[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void read_slots(struct metrics_reader *reader)
{
    struct metrics_file_header *header = metrics_file_header(&reader->map);
    struct metrics_file_slot *slots = metrics_file_slots(&reader->map);
    bool live[METRICS_FILE_SLOTS];
    int living = metrics_slot_living(&reader->map, reader->fd, live);

    reader->living = living < 0 ? 0 : (size_t)living;
    for (size_t i = 0; i < METRICS_FILE_LIVE_GAUGES; i++) {
        reader->live_owner[i] = atomic_load_explicit(&header->live_owner[i], memory_order_acquire);
        reader->live_sum[i] = 0;
        for (size_t k = 0; living > 0 && k < METRICS_FILE_SLOTS; k++) {
            if (live[k])
                reader->live_sum[i] +=
                    atomic_load_explicit(&slots[k].live[i], memory_order_relaxed);
        }
    }
}

int metrics_reader_refresh(struct metrics_reader *reader)
{
    return metrics_reader_step(reader, UINT64_MAX);
}

int metrics_reader_step(struct metrics_reader *reader, uint64_t buckets)
{
    int more = 0;
    bool kept = reader->map.base != NULL && metrics_file_unchanged(&reader->map, reader->path);

    if (!kept) {
        drop_file(reader);
        reader->state = take_file(reader);
    }
    if (reader->state == METRICS_FILE_OK &&
        (more = metrics_catalog_read(&reader->catalog, &reader->map, buckets)) < 0) {
        reader->state = METRICS_FILE_UNUSABLE;
        errno = ENOMEM;
    }
    if (reader->state == METRICS_FILE_OK) {
        read_slots(reader);
        if (metrics_file_lost(&reader->map))
            reader->state = METRICS_FILE_TRUNCATED;
    }
    if (reader->state == METRICS_FILE_OK)
        return more;
    snprintf(reader->problem, sizeof(reader->problem), "%.160s: %s", reader->path,
             metrics_file_state_text(reader->state));
    drop_file(reader);
    return -1;
}

enum metrics_file_state metrics_reader_state(const struct metrics_reader *reader)
{
    return reader->state;
}

const char *metrics_reader_problem(const struct metrics_reader *reader)
{
    return reader->state == METRICS_FILE_OK ? NULL : reader->problem;
}

bool metrics_reader_lost(const struct metrics_reader *reader)
{
    return reader->map.base == NULL || metrics_file_lost(&reader->map);
}

void metrics_reader_rest(const struct metrics_reader *reader)
{
    if (reader->map.base != NULL)
        (void)madvise(reader->map.base, reader->map.size, MADV_DONTNEED);
}

struct metrics_reader_family *const *metrics_reader_families(const struct metrics_reader *reader,
                                                             size_t *count)
{
    *count = reader->catalog.family_count;
    return reader->catalog.families;
}

uint64_t metrics_reader_counter(const struct metrics_reader *reader,
                                const struct metrics_reader_series *series)
{
    return metrics_file_sum(&reader->map, series->cell_offset);
}

static double to_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

double metrics_reader_gauge(const struct metrics_reader *reader,
                            const struct metrics_reader_series *series)
{
    return to_double(atomic_load_explicit(metrics_file_cells(&reader->map, 0, series->cell_offset),
                                          memory_order_relaxed));
}

void metrics_reader_histogram(const struct metrics_reader *reader,
                              const struct metrics_reader_family *family,
                              const struct metrics_reader_series *series,
                              struct metrics_reader_histogram *out)
{
    size_t cells = family->bound_count + 2;
    uint64_t sums[METRICS_BOUNDS_MAX + 2] = {0};

    for (unsigned i = 0; i < reader->map.at.stripes; i++) {
        const _Atomic uint64_t *stripe = metrics_file_cells(&reader->map, i, series->cell_offset);
        for (size_t k = 0; k < cells; k++)
            sums[k] += atomic_load_explicit(&stripe[k], memory_order_relaxed);
    }
    out->count = 0;
    for (size_t k = 0; k + 1 < cells; k++) {
        out->buckets[k] = sums[k];
        out->count += sums[k];
    }
    out->sum_steps = (int64_t)sums[cells - 1];
}

int metrics_reader_live_index(const struct metrics_reader *reader,
                              const struct metrics_reader_series *series)
{
    for (int i = 0; i < METRICS_FILE_LIVE_GAUGES; i++) {
        if (reader->live_owner[i] == series->record_offset)
            return i;
    }
    return -1;
}

int64_t metrics_reader_live_gauge(const struct metrics_reader *reader,
                                  const struct metrics_reader_series *series)
{
    const int index = metrics_reader_live_index(reader, series);

    return index < 0 ? 0 : (int64_t)reader->live_sum[index];
}

int metrics_reader_slots(const struct metrics_reader *reader,
                         enum metrics_slot_state states[METRICS_FILE_SLOTS])
{
    if (reader->map.base == NULL)
        return -1;
    return metrics_slot_states(&reader->map, reader->fd, states);
}

void metrics_reader_slot(const struct metrics_reader *reader, unsigned number,
                         struct metrics_reader_slot *out)
{
    const struct metrics_file_slot *slot = &metrics_file_slots(&reader->map)[number];

    assert(number < METRICS_FILE_SLOTS);
    out->pid = atomic_load_explicit(&slot->pid, memory_order_relaxed);
    out->start_unix_ns = atomic_load_explicit(&slot->start_unix_ns, memory_order_relaxed);
    for (size_t i = 0; i < METRICS_FILE_LIVE_GAUGES; i++)
        out->live[i] = (int64_t)atomic_load_explicit(&slot->live[i], memory_order_relaxed);
}

bool metrics_reader_words(const struct metrics_reader *reader, struct metrics_words *words)
{
    if (reader->map.base == NULL)
        return false;
    atomic_init(&words->first, metrics_file_header(&reader->map)->shared);
    return true;
}

bool metrics_reader_exemplar(const struct metrics_reader *reader,
                             const struct metrics_reader_family *family,
                             const struct metrics_reader_series *series, size_t bucket,
                             struct metrics_reader_exemplar *out)
{
    assert(bucket <= family->bound_count);
    if (series->exemplar_offset == METRICS_FILE_NONE)
        return false;
    const struct metrics_exemplar_cell *cell =
        metrics_file_exemplars(&reader->map, series->exemplar_offset) + bucket;

    for (int tries = 0; tries < EXEMPLAR_TRIES; tries++) {
        uint64_t check = atomic_load_explicit(&cell->check, memory_order_acquire);
        if (check == 0)
            return false;
        uint64_t bits = atomic_load_explicit(&cell->value, memory_order_relaxed);
        uint64_t unix_ns = atomic_load_explicit(&cell->unix_ns, memory_order_relaxed);
        uint64_t trace[2] = {atomic_load_explicit(&cell->trace[0], memory_order_relaxed),
                             atomic_load_explicit(&cell->trace[1], memory_order_relaxed)};
        uint64_t span = atomic_load_explicit(&cell->span, memory_order_relaxed);
        if (check != metrics_file_exemplar_check(bits, unix_ns, trace[0], trace[1], span))
            continue;
        out->value = to_double(bits);
        out->unix_ns = unix_ns;
        memcpy(out->trace.bytes, trace, sizeof(trace));
        memcpy(out->span.bytes, &span, sizeof(span));
        return (bucket == family->bound_count || out->value <= family->bounds[bucket]) &&
               (bucket == 0 || out->value > family->bounds[bucket - 1]) && !isnan(out->value) &&
               !ids_trace_is_zero(&out->trace);
    }
    return false;
}

void metrics_reader_info(const struct metrics_reader *reader, struct metrics_reader_info *info)
{
    *info = (struct metrics_reader_info){
        .file_size = reader->map.base == NULL ? 0 : reader->map.size,
        .series_count = reader->catalog.series_count,
        .corrupt_records = reader->catalog.corrupt,
        .living = reader->living,
    };
    if (reader->map.base == NULL)
        return;
    struct metrics_file_header *header = metrics_file_header(&reader->map);
    memcpy(info->instance_id, header->instance_id, IDS_UUID_TEXT);
    info->created_unix_ns = header->created_unix_ns;
    info->max_series = reader->map.at.max_series;
    for (size_t i = 0; i < METRICS_REFUSED_COUNT; i++)
        info->refused[i] = atomic_load_explicit(&header->refused[i], memory_order_relaxed);
}
