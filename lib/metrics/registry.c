#include "lib/metrics/registry.h"

#include "lib/metrics/record.h"
#include "lib/metrics/rules.h"

#include <string.h>

/* What is looked for in the index, and how it is added. */
struct entry {
    uint32_t type;
    uint64_t hash;
    const struct metrics_family_def *def;
    uint64_t family_offset; /* a series' */
    const char *values;
    size_t values_len;
};

union record_buf {
    struct metrics_file_record record;
    struct metrics_file_family family;
    struct metrics_file_series series;
    unsigned char bytes[METRICS_FILE_RECORD_MAX];
};

void metrics_registry_init(struct metrics_registry *registry, const struct metrics_map *map)
{
    *registry = (struct metrics_registry){.map = map};
}

void metrics_registry_forget_spare(struct metrics_registry *registry)
{
    metrics_registry_init(registry, registry->map);
}

/*
 * Takes `need` bytes of a region: from the spare, or else by moving the region's tail. Returns the
 * offset from the region's start, or METRICS_FILE_NONE if there is no room.
 */
static uint64_t take(struct metrics_registry_spare *spare, _Atomic uint64_t *tail, uint64_t size,
                     uint64_t need)
{
    if (spare->size >= need) {
        uint64_t offset = spare->offset;
        spare->offset += need;
        spare->size -= need;
        return offset;
    }
    uint64_t old = atomic_load_explicit(tail, memory_order_relaxed);
    do {
        if (old % 8 != 0 || old > size || need > size - old)
            return METRICS_FILE_NONE;
    } while (!atomic_compare_exchange_weak_explicit(tail, &old, old + need, memory_order_relaxed,
                                                    memory_order_relaxed));
    return old;
}

static void give_back(struct metrics_registry_spare *spare, uint64_t offset, uint64_t size)
{
    if (offset != METRICS_FILE_NONE && size > spare->size)
        *spare = (struct metrics_registry_spare){.offset = offset, .size = size};
}

static size_t append(union record_buf *buf, size_t len, const void *bytes, size_t n)
{
    assert(len + n <= sizeof(buf->bytes));
    memcpy(buf->bytes + len, bytes, n);
    return len + n;
}

static size_t append_text(union record_buf *buf, size_t len, const char *text)
{
    return append(buf, len, text, strlen(text) + 1);
}

static size_t build_family(union record_buf *buf, const struct metrics_family_def *def)
{
    size_t len = sizeof(buf->family);

    buf->family.kind = def->kind;
    buf->family.label_count = (uint16_t)metrics_rules_label_count(def);
    buf->family.bound_count = (uint16_t)(def->kind == METRICS_HISTOGRAM ? def->bound_count : 0);
    buf->family.resolution = metrics_rules_resolution(def);
    if (buf->family.bound_count > 0)
        len = append(buf, len, def->bounds, buf->family.bound_count * sizeof(double));
    len = append_text(buf, len, def->name);
    len = append_text(buf, len, def->help);
    len = append_text(buf, len, def->unit == NULL ? "" : def->unit);
    for (size_t i = 0; i < buf->family.label_count; i++)
        len = append_text(buf, len, def->labels[i]);
    return len;
}

static void seal(union record_buf *buf, uint32_t type, size_t len)
{
    size_t length = (len + 7) & ~(size_t)7;

    assert(length <= sizeof(buf->bytes));
    memset(buf->bytes + len, 0, length - len);
    buf->record.type = type;
    buf->record.length = (uint32_t)length;
    buf->record.checksum = metrics_file_checksum(&buf->record + 1, length - sizeof(buf->record));
}

/* A record made but not published yet, with what it occupies. */
struct draft {
    uint64_t offset; /* of the record in the file; 0: none yet */
    uint64_t length;
    uint64_t cells, cells_size;
    uint64_t exemplars, exemplars_size;
};

static int draft_series_cells(struct metrics_registry *registry, const struct entry *entry,
                              struct draft *draft)
{
    struct metrics_file_header *header = metrics_file_header(registry->map);
    const struct metrics_map *map = registry->map;

    draft->cells_size = 8 * metrics_registry_cells(entry->def->kind, entry->def->bound_count);
    draft->cells = METRICS_FILE_NONE;
    draft->exemplars = METRICS_FILE_NONE;
    if (draft->cells_size > 0) {
        draft->cells = take(&registry->cells, &header->cells_tail.word, map->at.stripe_size,
                            draft->cells_size);
        if (draft->cells == METRICS_FILE_NONE)
            return -1;
    }
    if (entry->def->kind == METRICS_HISTOGRAM) {
        draft->exemplars_size =
            (entry->def->bound_count + 1) * sizeof(struct metrics_exemplar_cell);
        /* Without room the series still counts, only without exemplars. */
        draft->exemplars = take(&registry->exemplars, &header->exemplars_tail.word,
                                map->at.exemplars_size, draft->exemplars_size);
    }
    return 0;
}

static void undo(struct metrics_registry *registry, const struct draft *draft)
{
    if (draft->offset != 0)
        give_back(&registry->arena, draft->offset - registry->map->at.arena, draft->length);
    if (draft->cells_size > 0)
        give_back(&registry->cells, draft->cells, draft->cells_size);
    if (draft->exemplars_size > 0)
        give_back(&registry->exemplars, draft->exemplars, draft->exemplars_size);
}

/* Writes the record into the arena, before anybody can find it. Returns 0, or -1 and *why. */
static int make_draft(struct metrics_registry *registry, const struct entry *entry,
                      struct draft *draft, enum metrics_refused *why)
{
    const struct metrics_map *map = registry->map;
    struct metrics_file_header *header = metrics_file_header(map);
    bool is_series = entry->type == METRICS_FILE_RECORD_SERIES;
    _Atomic uint64_t *count = is_series ? &header->series_count.word : &header->family_count.word;
    union record_buf buf;
    size_t len;

    /* Processes that add at the same time may pass the limit by one each: the index has room. */
    if (atomic_load_explicit(count, memory_order_relaxed) >=
        (is_series ? map->at.max_series : map->at.max_families)) {
        *why = is_series ? METRICS_REFUSED_SERIES_LIMIT : METRICS_REFUSED_NO_ROOM;
        return -1;
    }
    *why = METRICS_REFUSED_NO_ROOM;
    if (is_series) {
        if (draft_series_cells(registry, entry, draft) < 0)
            return -1;
        buf.series.family_offset = entry->family_offset;
        buf.series.cell_offset = draft->cells;
        buf.series.exemplar_offset = draft->exemplars;
        len = append(&buf, sizeof(buf.series), entry->values, entry->values_len);
    } else {
        len = build_family(&buf, entry->def);
    }
    seal(&buf, entry->type, len);
    draft->length = buf.record.length;
    uint64_t offset =
        take(&registry->arena, &header->arena_tail.word, map->at.arena_size, draft->length);
    if (offset == METRICS_FILE_NONE) {
        undo(registry, draft);
        return -1;
    }
    draft->offset = map->at.arena + offset;
    memcpy(map->base + draft->offset, buf.bytes, draft->length);
    return 0;
}

/* Whether the record at `offset` is the one looked for; a family may differ in all but its name. */
static bool matches(const struct metrics_map *map, uint64_t offset, const struct entry *entry,
                    union record_buf *buf)
{
    size_t length = metrics_file_record(map, offset, entry->type, buf);

    if (entry->type == METRICS_FILE_RECORD_SERIES) {
        size_t values = sizeof(buf->series);
        return length >= values + entry->values_len && length - values < entry->values_len + 8 &&
               buf->series.family_offset == entry->family_offset &&
               memcmp(buf->bytes + values, entry->values, entry->values_len) == 0;
    }
    if (length < sizeof(buf->family))
        return false;
    size_t name = sizeof(buf->family) + buf->family.bound_count * sizeof(double);
    size_t name_size = strlen(entry->def->name) + 1;
    return name + name_size <= length &&
           memcmp(buf->bytes + name, entry->def->name, name_size) == 0;
}

/*
 * Looks for the record and adds nothing. Returns its offset with a copy of it in *buf, or 0.
 */
static uint64_t find(const struct metrics_map *map, const struct entry *entry,
                     union record_buf *buf)
{
    const uint64_t offset_mask = ((uint64_t)1 << METRICS_FILE_OFFSET_BITS) - 1;

    for (uint64_t n = 0; n < map->at.buckets; n++) {
        const uint64_t word = atomic_load_explicit(
            &metrics_file_index(map)[(entry->hash + n) & (map->at.buckets - 1)],
            memory_order_acquire);
        if (word == 0)
            return 0;
        if ((word & ~offset_mask) == (entry->hash & ~offset_mask) &&
            matches(map, word & offset_mask, entry, buf))
            return word & offset_mask;
    }
    return 0;
}

/*
 * Returns the record's offset, found or added, with a copy of it in *buf, or 0 and *why. Linear
 * probing; a bucket goes from 0 to its word once and never changes again, so that a lost
 * exchange means only that this very bucket has to be looked at.
 */
static uint64_t find_or_add(struct metrics_registry *registry, const struct entry *entry,
                            union record_buf *buf, enum metrics_refused *why)
{
    const struct metrics_map *map = registry->map;
    struct metrics_file_header *header = metrics_file_header(map);
    const uint64_t offset_mask = ((uint64_t)1 << METRICS_FILE_OFFSET_BITS) - 1;
    _Atomic uint64_t *index = metrics_file_index(map);
    struct draft draft = {0};

    *why = METRICS_REFUSED_NO_ROOM;
    for (uint64_t n = 0; n < map->at.buckets; n++) {
        _Atomic uint64_t *bucket = &index[(entry->hash + n) & (map->at.buckets - 1)];
        uint64_t word = atomic_load_explicit(bucket, memory_order_acquire);
        if (word == 0) {
            if (draft.offset == 0 && make_draft(registry, entry, &draft, why) < 0)
                return 0;
            uint64_t mine = (entry->hash & ~offset_mask) | draft.offset;
            if (atomic_compare_exchange_strong_explicit(bucket, &word, mine, memory_order_release,
                                                        memory_order_acquire)) {
                atomic_fetch_add_explicit(entry->type == METRICS_FILE_RECORD_SERIES
                                              ? &header->series_count.word
                                              : &header->family_count.word,
                                          1, memory_order_relaxed);
                memcpy(buf->bytes, map->base + draft.offset, draft.length);
                return draft.offset;
            }
        }
        if ((word & ~offset_mask) == (entry->hash & ~offset_mask) &&
            matches(map, word & offset_mask, entry, buf)) {
            undo(registry, &draft);
            return word & offset_mask;
        }
    }
    undo(registry, &draft);
    return 0;
}

/* The index takes a key's low bits for the bucket and its high bits for the tag: mix them. */
static uint64_t spread(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
    return hash;
}

bool metrics_registry_known(const struct metrics_registry *registry, const char *name,
                            struct metrics_known *known)
{
    const struct metrics_family_def def = {.name = name};
    const struct entry entry = {
        .type = METRICS_FILE_RECORD_FAMILY,
        .hash = spread(metrics_file_hash(METRICS_FILE_HASH_SEED, name, strlen(name))),
        .def = &def,
    };
    union record_buf buf;

    if (find(registry->map, &entry, &buf) == 0)
        return false;
    memcpy(known->record, buf.bytes, buf.record.length);
    return metrics_record_family(known->record, buf.record.length, &known->def);
}

/* Whether two family records, with equal names, agree in all but the help text. */
static bool same_family(const union record_buf *a, const union record_buf *b)
{
    if (a->family.kind != b->family.kind || a->family.label_count != b->family.label_count ||
        a->family.bound_count != b->family.bound_count ||
        a->family.resolution != b->family.resolution)
        return false;
    size_t start = sizeof(a->family);
    size_t bounds = a->family.bound_count * sizeof(double);
    if (bounds > a->record.length - start || bounds > b->record.length - start ||
        memcmp(a->bytes + start, b->bytes + start, bounds) != 0)
        return false;

    const unsigned char *pa = a->bytes + start + bounds, *end_a = a->bytes + a->record.length;
    const unsigned char *pb = b->bytes + start + bounds, *end_b = b->bytes + b->record.length;
    for (unsigned i = 0; i < 3u + a->family.label_count; i++) {
        size_t na = strnlen((const char *)pa, (size_t)(end_a - pa));
        size_t nb = strnlen((const char *)pb, (size_t)(end_b - pb));
        if (na == (size_t)(end_a - pa) || nb == (size_t)(end_b - pb))
            return false;
        if (i != 1 && (na != nb || memcmp(pa, pb, na) != 0))
            return false;
        pa += na + 1;
        pb += nb + 1;
    }
    return true;
}

uint64_t metrics_registry_family(struct metrics_registry *registry,
                                 const struct metrics_family_def *def, enum metrics_refused *why)
{
    union record_buf found, wanted;

    if (!metrics_rules_family_valid(def)) {
        *why = METRICS_REFUSED_FAMILY_MALFORMED;
        return 0;
    }
    struct entry entry = {
        .type = METRICS_FILE_RECORD_FAMILY,
        .hash = spread(metrics_file_hash(METRICS_FILE_HASH_SEED, def->name, strlen(def->name))),
        .def = def,
    };
    uint64_t offset = find_or_add(registry, &entry, &found, why);
    if (offset == 0)
        return 0;
    seal(&wanted, METRICS_FILE_RECORD_FAMILY, build_family(&wanted, def));
    if (!same_family(&found, &wanted)) {
        *why = METRICS_REFUSED_FAMILY_CONFLICT;
        return 0;
    }
    return offset;
}

/*
 * The index of the live gauge whose record is at `offset`, claiming a free one. A claim is one
 * exchange on the owner's word, so that two processes can't give one series two indexes.
 */
static int live_index(struct metrics_registry *registry, uint64_t offset, uint32_t *index)
{
    struct metrics_file_header *header = metrics_file_header(registry->map);

    for (uint32_t i = 0; i < METRICS_FILE_LIVE_GAUGES; i++) {
        uint64_t owner = 0;
        if (atomic_compare_exchange_strong(&header->live_owner[i], &owner, offset) ||
            owner == offset) {
            *index = i;
            return 0;
        }
    }
    return -1;
}

int metrics_registry_series(struct metrics_registry *registry, uint64_t family_offset,
                            const struct metrics_family_def *def, const char *values,
                            size_t values_len, struct metrics_registry_series *series,
                            enum metrics_refused *why)
{
    union record_buf found;
    uint64_t hash = metrics_file_hash(METRICS_FILE_HASH_SEED, &family_offset, 8);
    struct entry entry = {
        .type = METRICS_FILE_RECORD_SERIES,
        .hash = spread(metrics_file_hash(hash, values, values_len)),
        .def = def,
        .family_offset = family_offset,
        .values = values,
        .values_len = values_len,
    };

    uint64_t offset = find_or_add(registry, &entry, &found, why);
    if (offset == 0)
        return -1;
    *why = METRICS_REFUSED_NO_ROOM;
    series->cell_offset = found.series.cell_offset;
    series->exemplar_offset = found.series.exemplar_offset;
    if (def->kind == METRICS_LIVE_GAUGE) {
        *why = METRICS_REFUSED_LIVE_GAUGE_LIMIT;
        return live_index(registry, offset, &series->live_index);
    }
    if (!metrics_file_cells_fit(registry->map, series->cell_offset,
                                metrics_registry_cells(def->kind, def->bound_count)))
        return -1;
    if (!metrics_file_exemplars_fit(registry->map, series->exemplar_offset, def->bound_count + 1))
        series->exemplar_offset = METRICS_FILE_NONE;
    return 0;
}
