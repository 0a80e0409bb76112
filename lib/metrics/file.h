/*
 * The layout of metrics.mmap, format version 1, as docs/metrics-file.md specifies it, and what
 * writers and readers of the file share: sizes, checks, the mapping of a file that may be damaged.
 *
 * Everything before `checksum` in the header is constant from the moment the file has its name. All
 * other words are atomic. Offsets are bytes from the start of the file unless said otherwise.
 */
#ifndef LIB_METRICS_FILE_H
#define LIB_METRICS_FILE_H

#include "lib/base/ids.h"
#include "lib/metrics/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define METRICS_FILE_NAME        "metrics.mmap"
#define METRICS_FILE_TEMP_PREFIX METRICS_FILE_NAME ".tmp."
#define METRICS_FILE_MAGIC       "MTMETRIC" /* 8 bytes, no NUL */

enum {
    METRICS_FILE_VERSION = 1,
    METRICS_FILE_BYTE_ORDER = 0x01020304,
    METRICS_FILE_HEADER_SIZE = 4096,
    METRICS_FILE_REGION_ALIGN = 65536, /* no page size in use on Linux is larger */
    METRICS_FILE_STRIPES = 8,
    METRICS_FILE_SLOTS = 256,
    METRICS_FILE_SLOT_SIZE = 256,
    METRICS_FILE_LIVE_GAUGES = 30,
    METRICS_FILE_MAX_FAMILIES = 1024,
    METRICS_FILE_RECORD_MAX = 4096, /* bytes of any record in the arena */
    METRICS_FILE_OFFSET_BITS = 40,  /* of an index word; the rest is the tag */
};

/* Why a family, a series or a live value was refused; the index into `refused`. */
enum metrics_refused {
    METRICS_REFUSED_FAMILY_MALFORMED,
    METRICS_REFUSED_FAMILY_CONFLICT,
    METRICS_REFUSED_VALUE_TOO_LONG,
    METRICS_REFUSED_VALUE_NOT_UTF8,
    METRICS_REFUSED_WRONG_KIND,
    METRICS_REFUSED_FAMILY_REFUSED, /* a series of a family that was refused */
    METRICS_REFUSED_SERIES_LIMIT,
    METRICS_REFUSED_NO_ROOM,
    METRICS_REFUSED_LIVE_GAUGE_LIMIT,
    METRICS_REFUSED_NO_SLOT,
    METRICS_REFUSED_NO_FILE, /* an update made while the file could not be used */
    METRICS_REFUSED_COUNT,   /* the number of reasons */
    METRICS_REFUSED_WORDS = 16,
};

/* The reason as a label value: "family_malformed", ... */
extern const char *const metrics_file_refused_names[METRICS_REFUSED_COUNT];

struct metrics_file_line {
    _Alignas(64) _Atomic uint64_t word;
};

struct metrics_file_header {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint64_t header_size;
    uint64_t file_size;
    uint64_t created_unix_ns;
    char instance_id[40]; /* UUID text, NUL-padded */
    uint32_t stripe_count;
    uint32_t slot_count;
    uint32_t slot_size;
    uint32_t live_gauge_max;
    uint32_t max_series;
    uint32_t max_families;
    uint64_t slots_offset;
    uint64_t slots_size;
    uint64_t index_offset;
    uint64_t index_size; /* 8 times a power of two */
    uint64_t arena_offset;
    uint64_t arena_size;
    uint64_t cells_offset;
    uint64_t stripe_size; /* bytes of one stripe; the region is stripe_count of them */
    uint64_t exemplars_offset;
    uint64_t exemplars_size;
    uint64_t checksum; /* metrics_file_checksum of everything before this field */

    struct metrics_file_line arena_tail;     /* bytes given out, from the region's start */
    struct metrics_file_line cells_tail;     /* the same in each stripe */
    struct metrics_file_line exemplars_tail; /* the same */
    struct metrics_file_line series_count;
    struct metrics_file_line family_count;
    struct metrics_file_line slot_ticket; /* at which slot the next process begins to look */
    _Alignas(64) _Atomic uint64_t refused[METRICS_REFUSED_WORDS];
    /* The live gauge with index i is the series whose record is at live_owner[i]; 0 is free. */
    _Alignas(64) _Atomic uint64_t live_owner[METRICS_FILE_LIVE_GAUGES];
    _Alignas(64) _Atomic uint64_t shared[METRICS_SHARED_WORDS];
};

/* A process: alive as long as byte 1 of its slot is locked (docs/metrics-file.md, "Slots"). */
struct metrics_file_slot {
    _Atomic uint64_t pid; /* in the process's own namespace: for people, never for liveness */
    _Atomic uint64_t start_unix_ns;
    _Atomic uint64_t live[METRICS_FILE_LIVE_GAUGES]; /* int64_t, by live gauge index */
};

enum { METRICS_FILE_RECORD_FAMILY = 0x4d4c4146, METRICS_FILE_RECORD_SERIES = 0x53524553 };

/* The start of every record in the arena; records are multiples of 8 bytes, padded with NUL. */
struct metrics_file_record {
    uint32_t type;
    uint32_t length;   /* bytes of the whole record */
    uint64_t checksum; /* metrics_file_checksum of the rest of the record */
};

/* Followed by bound_count doubles, then name, help, unit and label names, each with its NUL. */
struct metrics_file_family {
    struct metrics_file_record record;
    uint32_t kind;
    uint16_t label_count;
    uint16_t bound_count;
    double resolution;
};

/* Followed by the label values in order, each with its NUL. */
struct metrics_file_series {
    struct metrics_file_record record;
    uint64_t family_offset;
    uint64_t cell_offset;     /* from the start of a stripe; METRICS_FILE_NONE for a live gauge */
    uint64_t exemplar_offset; /* from the start of the region, or METRICS_FILE_NONE */
};

#define METRICS_FILE_NONE UINT64_MAX

/* One observation, in the order of its words; valid if `check` matches, empty if it is zero. */
struct metrics_exemplar_cell {
    _Atomic uint64_t value; /* bits of a double */
    _Atomic uint64_t unix_ns;
    _Atomic uint64_t trace[2]; /* 8 bytes each, as they stand in the id */
    _Atomic uint64_t span;
    _Atomic uint64_t check; /* metrics_file_exemplar_check */
};

static_assert(offsetof(struct metrics_file_header, stripe_count) == 80, "the layout is a contract");
static_assert(offsetof(struct metrics_file_header, slots_offset) == 104, "");
static_assert(offsetof(struct metrics_file_header, checksum) == 184, "");
static_assert(offsetof(struct metrics_file_header, arena_tail) == 192, "");
static_assert(offsetof(struct metrics_file_header, refused) == 576, "");
static_assert(offsetof(struct metrics_file_header, live_owner) == 704, "");
static_assert(offsetof(struct metrics_file_header, shared) == 960, "");
static_assert(sizeof(struct metrics_file_header) == 1472, "");
static_assert(sizeof(struct metrics_file_header) <= METRICS_FILE_HEADER_SIZE, "");
static_assert(sizeof(struct metrics_file_slot) == METRICS_FILE_SLOT_SIZE, "");
static_assert(sizeof(struct metrics_file_family) == 32, "");
static_assert(sizeof(struct metrics_file_series) == 40, "");
static_assert(sizeof(struct metrics_exemplar_cell) == 48, "");
static_assert(sizeof(_Atomic uint64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2, "");

/* What became of an attempt to use a file. */
enum metrics_file_state {
    METRICS_FILE_OK,
    METRICS_FILE_MISSING,
    METRICS_FILE_FOREIGN,     /* not a metrics file */
    METRICS_FILE_NOT_REGULAR, /* a link, a directory, a FIFO, ... */
    METRICS_FILE_NEWER,       /* a format version that this program does not know */
    METRICS_FILE_TRUNCATED,
    METRICS_FILE_CORRUPT,
    METRICS_FILE_UNUSABLE, /* a system call failed: permission, space, memory */
};

/* One phrase for people; for UNUSABLE that of errno. */
const char *metrics_file_state_text(enum metrics_file_state state);

/* A file mapped, or private memory of the same layout (then `inode` is 0). */
struct metrics_map {
    unsigned char *base;
    size_t size;
    int guard;    /* of lib/metrics/guard.h, or -1 */
    dev_t device; /* identity of the file */
    ino_t inode;
    uint64_t checksum; /* of the header when it was checked: another one is another file */
    /* The constant part, copied when it was checked: what the file says later is not trusted. */
    struct {
        uint64_t slots, index, arena, cells, exemplars; /* offsets */
        uint64_t buckets, arena_size, stripe_size, exemplars_size;
        uint32_t stripes, max_series, max_families;
    } at;
};

/* FNV-1a, 64 bits. Start with METRICS_FILE_HASH_SEED; feed the result back in to go on. */
#define METRICS_FILE_HASH_SEED 0xcbf29ce484222325u
uint64_t metrics_file_hash(uint64_t hash, const void *bytes, size_t len);

/* Over whole words of 8 bytes: it catches every change within one word. */
uint64_t metrics_file_checksum(const void *bytes, size_t len);

/* The check word of an exemplar: never 0. */
uint64_t metrics_file_exemplar_check(uint64_t value, uint64_t unix_ns, uint64_t trace0,
                                     uint64_t trace1, uint64_t span);

/*
 * Fills in the constant part for a file of `max_series` series, with a new instance id. Returns the
 * file's size in bytes.
 */
uint64_t metrics_file_plan(struct metrics_file_header *header, uint32_t max_series);

/* Checks a header against the size of its file. */
enum metrics_file_state metrics_file_check(const struct metrics_file_header *header,
                                           uint64_t file_size);

/*
 * Maps the file `path` for reading, and for writing too if `writable`, guarded against truncation.
 * On any state but OK *map is untouched; for UNUSABLE errno says why.
 */
enum metrics_file_state metrics_file_map(struct metrics_map *map, const char *path, bool writable);

/* Private memory, zero, with the layout of a new file. Returns 0, or -1 if memory runs out. */
int metrics_file_map_private(struct metrics_map *map, uint32_t max_series);

/*
 * Makes METRICS_FILE_NAME in the directory, complete before it has its name (docs/metrics-file.md,
 * "Creation"). Returns 0 if the file exists afterwards, whoever made it, else -1 and errno.
 */
int metrics_file_create(int dir_fd, uint32_t max_series);

/* Ends the mapping. All zero, or unmapped before, does nothing. */
void metrics_file_unmap(struct metrics_map *map);

/*
 * Whether the file was truncated under the mapping: then it is zero pages, private to this process.
 */
bool metrics_file_lost(const struct metrics_map *map);

/*
 * Whether the file named `path` is still the one mapped, whole and with the same header. False also
 * for a file that is damaged now.
 */
bool metrics_file_unchanged(const struct metrics_map *map, const char *path);

/*
 * Copies the record at `offset`, which comes from the file, into `buf` (METRICS_FILE_RECORD_MAX
 * bytes, 8-aligned) and checks bounds, type and checksum there. Returns its length, or 0.
 */
size_t metrics_file_record(const struct metrics_map *map, uint64_t offset, uint32_t type,
                           void *buf);

/* Whether a series' cells and exemplars, for that many buckets or one cell, lie in their regions.
 */
bool metrics_file_cells_fit(const struct metrics_map *map, uint64_t cell_offset, size_t cells);
bool metrics_file_exemplars_fit(const struct metrics_map *map, uint64_t offset, size_t buckets);

static inline struct metrics_file_header *metrics_file_header(const struct metrics_map *map)
{
    return (struct metrics_file_header *)map->base;
}

static inline struct metrics_file_slot *metrics_file_slots(const struct metrics_map *map)
{
    return (struct metrics_file_slot *)(map->base + map->at.slots);
}

static inline _Atomic uint64_t *metrics_file_index(const struct metrics_map *map)
{
    return (_Atomic uint64_t *)(map->base + map->at.index);
}

static inline _Atomic uint64_t *metrics_file_cells(const struct metrics_map *map, unsigned stripe,
                                                   uint64_t cell_offset)
{
    return (_Atomic uint64_t *)(map->base + map->at.cells + stripe * map->at.stripe_size +
                                cell_offset);
}

/* What all stripes hold of a cell, added up. */
uint64_t metrics_file_sum(const struct metrics_map *map, uint64_t cell_offset);

static inline struct metrics_exemplar_cell *metrics_file_exemplars(const struct metrics_map *map,
                                                                   uint64_t exemplar_offset)
{
    return (struct metrics_exemplar_cell *)(map->base + map->at.exemplars + exemplar_offset);
}

#endif
