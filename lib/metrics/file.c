#include "lib/metrics/file.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/metrics/guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STALE_TEMP_S = 60,
    /* Room for an average series; what is left over by small ones serves the large ones. */
    ARENA_BYTES_PER_SERIES = 256,
    ARENA_BYTES_FAMILIES = 512 * 1024,
    STRIPE_BYTES_PER_SERIES = 64,
    EXEMPLAR_BYTES_PER_SERIES = 256,
    CREATE_TRIES = 20,
    BUCKETS_PER_RECORD = 4, /* at most; metrics_file_plan makes 2 to 4 */
};

const char *const metrics_file_refused_names[METRICS_REFUSED_COUNT] = {
    [METRICS_REFUSED_FAMILY_MALFORMED] = "family_malformed",
    [METRICS_REFUSED_FAMILY_CONFLICT] = "family_conflict",
    [METRICS_REFUSED_VALUE_TOO_LONG] = "value_too_long",
    [METRICS_REFUSED_VALUE_NOT_UTF8] = "value_not_utf8",
    [METRICS_REFUSED_WRONG_KIND] = "wrong_kind",
    [METRICS_REFUSED_FAMILY_REFUSED] = "family_refused",
    [METRICS_REFUSED_SERIES_LIMIT] = "series_limit",
    [METRICS_REFUSED_NO_ROOM] = "no_room",
    [METRICS_REFUSED_LIVE_GAUGE_LIMIT] = "live_gauge_limit",
    [METRICS_REFUSED_NO_SLOT] = "no_slot",
    [METRICS_REFUSED_NO_FILE] = "no_file",
};

const char *metrics_file_state_text(enum metrics_file_state state)
{
    switch (state) {
    case METRICS_FILE_OK:
        return "in order";
    case METRICS_FILE_MISSING:
        return "missing";
    case METRICS_FILE_FOREIGN:
        return "not a metrics file, or one of another byte order";
    case METRICS_FILE_NOT_REGULAR:
        return "not a metrics file, but a link, a directory or a FIFO; remove it";
    case METRICS_FILE_NEWER:
        return "of another format version than this program's";
    case METRICS_FILE_TRUNCATED:
        return "shorter than its header says";
    case METRICS_FILE_CORRUPT:
        return "damaged in its header";
    case METRICS_FILE_UNUSABLE:
        break;
    }
    return instance_file_error(errno);
}

uint64_t metrics_file_hash(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

uint64_t metrics_file_checksum(const void *bytes, size_t len)
{
    uint64_t sum = METRICS_FILE_HASH_SEED;

    assert(len % 8 == 0);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word;
        memcpy(&word, (const char *)bytes + i, sizeof(word));
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 32;
    }
    return sum;
}

uint64_t metrics_file_exemplar_check(uint64_t value, uint64_t unix_ns, uint64_t trace0,
                                     uint64_t trace1, uint64_t span)
{
    const uint64_t words[] = {value, unix_ns, trace0, trace1, span};

    return metrics_file_checksum(words, sizeof(words)) | 1;
}

static uint64_t round_up(uint64_t n, uint64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

uint64_t metrics_file_plan(struct metrics_file_header *header, uint32_t max_series)
{
    char uuid[IDS_UUID_TEXT + 1];
    uint64_t buckets = 1024;
    uint64_t offset = METRICS_FILE_REGION_ALIGN;

    assert(max_series > 0 && max_series <= METRICS_SERIES_LIMIT);
    while (buckets < 2 * ((uint64_t)max_series + METRICS_FILE_MAX_FAMILIES))
        buckets *= 2;

    memcpy(header->magic, METRICS_FILE_MAGIC, sizeof(header->magic));
    header->version = METRICS_FILE_VERSION;
    header->byte_order = METRICS_FILE_BYTE_ORDER;
    header->header_size = METRICS_FILE_HEADER_SIZE;
    header->created_unix_ns = clock_unix_ns();
    ids_new_uuid4(uuid);
    memset(header->instance_id, 0, sizeof(header->instance_id));
    memcpy(header->instance_id, uuid, IDS_UUID_TEXT);
    header->stripe_count = METRICS_FILE_STRIPES;
    header->slot_count = METRICS_FILE_SLOTS;
    header->slot_size = METRICS_FILE_SLOT_SIZE;
    header->live_gauge_max = METRICS_FILE_LIVE_GAUGES;
    header->max_series = max_series;
    header->max_families = METRICS_FILE_MAX_FAMILIES;

    header->slots_offset = offset;
    header->slots_size = (uint64_t)METRICS_FILE_SLOTS * METRICS_FILE_SLOT_SIZE;
    offset = round_up(offset + header->slots_size, METRICS_FILE_REGION_ALIGN);
    header->index_offset = offset;
    header->index_size = buckets * sizeof(uint64_t);
    offset = round_up(offset + header->index_size, METRICS_FILE_REGION_ALIGN);
    header->arena_offset = offset;
    header->arena_size = (uint64_t)max_series * ARENA_BYTES_PER_SERIES + ARENA_BYTES_FAMILIES;
    offset = round_up(offset + header->arena_size, METRICS_FILE_REGION_ALIGN);
    header->cells_offset = offset;
    header->stripe_size =
        round_up((uint64_t)max_series * STRIPE_BYTES_PER_SERIES, METRICS_FILE_HEADER_SIZE);
    offset =
        round_up(offset + header->stripe_size * METRICS_FILE_STRIPES, METRICS_FILE_REGION_ALIGN);
    header->exemplars_offset = offset;
    header->exemplars_size = (uint64_t)max_series * EXEMPLAR_BYTES_PER_SERIES;
    header->file_size = round_up(offset + header->exemplars_size, METRICS_FILE_REGION_ALIGN);
    header->checksum =
        metrics_file_checksum(header, offsetof(struct metrics_file_header, checksum));
    return header->file_size;
}

/* Whether a region begins where it may and ends inside the file. */
static bool region_fits(const struct metrics_file_header *header, uint64_t offset, uint64_t size,
                        uint64_t align)
{
    return offset >= header->header_size && offset % align == 0 && size % 8 == 0 &&
           size <= header->file_size && offset <= header->file_size - size;
}

enum metrics_file_state metrics_file_check(const struct metrics_file_header *header,
                                           uint64_t file_size)
{
    if (file_size < sizeof(header->magic) + sizeof(header->version) ||
        memcmp(header->magic, METRICS_FILE_MAGIC, sizeof(header->magic)) != 0)
        return METRICS_FILE_FOREIGN;
    if (header->version != METRICS_FILE_VERSION)
        return METRICS_FILE_NEWER;
    if (file_size < METRICS_FILE_HEADER_SIZE)
        return METRICS_FILE_TRUNCATED;
    if (header->byte_order != METRICS_FILE_BYTE_ORDER)
        return METRICS_FILE_FOREIGN;
    if (header->checksum !=
        metrics_file_checksum(header, offsetof(struct metrics_file_header, checksum)))
        return METRICS_FILE_CORRUPT;
    if (file_size < header->file_size)
        return METRICS_FILE_TRUNCATED;

    uint64_t buckets = header->index_size / sizeof(uint64_t);
    /* What a reader walks through, and adds up, follows from these. */
    if (header->max_series == 0 || header->max_series > METRICS_SERIES_LIMIT ||
        header->max_families == 0 || header->max_families > METRICS_FILE_MAX_FAMILIES ||
        buckets > BUCKETS_PER_RECORD * ((uint64_t)header->max_series + METRICS_FILE_MAX_FAMILIES))
        return METRICS_FILE_CORRUPT;
    if (header->header_size < sizeof(struct metrics_file_header) ||
        header->slot_count != METRICS_FILE_SLOTS || header->slot_size != METRICS_FILE_SLOT_SIZE ||
        header->live_gauge_max != METRICS_FILE_LIVE_GAUGES || header->stripe_count == 0 ||
        header->stripe_count > METRICS_FILE_STRIPES ||
        header->slots_size != METRICS_FILE_SLOTS * METRICS_FILE_SLOT_SIZE || buckets == 0 ||
        (buckets & (buckets - 1)) != 0 || header->arena_size < METRICS_FILE_RECORD_MAX ||
        header->instance_id[IDS_UUID_TEXT] != '\0' ||
        header->file_size >> METRICS_FILE_OFFSET_BITS != 0 ||
        header->stripe_size > header->file_size / header->stripe_count)
        return METRICS_FILE_CORRUPT;
    if (!region_fits(header, header->slots_offset, header->slots_size, METRICS_FILE_REGION_ALIGN) ||
        !region_fits(header, header->index_offset, header->index_size, 64) ||
        !region_fits(header, header->arena_offset, header->arena_size, 64) ||
        !region_fits(header, header->cells_offset, header->stripe_size * header->stripe_count,
                     64) ||
        !region_fits(header, header->exemplars_offset, header->exemplars_size, 64))
        return METRICS_FILE_CORRUPT;
    return METRICS_FILE_OK;
}

static void take_constants(struct metrics_map *map, const struct metrics_file_header *header)
{
    map->at.slots = header->slots_offset;
    map->at.index = header->index_offset;
    map->at.arena = header->arena_offset;
    map->at.cells = header->cells_offset;
    map->at.exemplars = header->exemplars_offset;
    map->at.buckets = header->index_size / sizeof(uint64_t);
    map->at.arena_size = header->arena_size;
    map->at.stripe_size = header->stripe_size;
    map->at.exemplars_size = header->exemplars_size;
    map->at.stripes = header->stripe_count;
    map->at.max_series = header->max_series;
    map->at.max_families = header->max_families;
    map->checksum = header->checksum;
}

enum metrics_file_state metrics_file_map(struct metrics_map *map, const char *path, bool writable)
{
    struct metrics_map mapped = {.guard = -1};
    struct metrics_file_header header = {0};
    enum metrics_file_state state = METRICS_FILE_UNUSABLE;
    struct stat st;

    int fd = instance_file_open(AT_FDCWD, path, writable ? O_RDWR : O_RDONLY, &st);
    if (fd < 0) {
        if (errno == ENOENT)
            return METRICS_FILE_MISSING;
        return errno == ELOOP || errno == EISDIR || errno == EINVAL ? METRICS_FILE_NOT_REGULAR
                                                                    : METRICS_FILE_UNUSABLE;
    }
    /* Read, not mapped: what is checked here can't change or vanish under the check. */
    ssize_t n = pread(fd, &header, sizeof(header), 0);
    if (n < 0)
        goto out;
    state = metrics_file_check(&header,
                               (size_t)n < sizeof(header) ? (uint64_t)n : (uint64_t)st.st_size);
    if (state != METRICS_FILE_OK)
        goto out;

    mapped.size = header.file_size;
    mapped.base =
        mmap(NULL, mapped.size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (mapped.base == MAP_FAILED) {
        state = METRICS_FILE_UNUSABLE;
        goto out;
    }
    mapped.guard = metrics_guard_add(mapped.base, mapped.size);
    mapped.device = st.st_dev;
    mapped.inode = st.st_ino;
    take_constants(&mapped, &header);
    *map = mapped;
out:;
    int saved = errno;
    close(fd);
    errno = saved;
    return state;
}

int metrics_file_map_private(struct metrics_map *map, uint32_t max_series)
{
    struct metrics_file_header header = {0};
    struct metrics_map mapped = {.guard = -1};

    mapped.size = metrics_file_plan(&header, max_series);
    mapped.base = mmap(NULL, mapped.size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped.base == MAP_FAILED)
        return -1;
    memcpy(mapped.base, &header, offsetof(struct metrics_file_header, arena_tail));
    take_constants(&mapped, &header);
    *map = mapped;
    return 0;
}

void metrics_file_unmap(struct metrics_map *map)
{
    if (map->base == NULL)
        return;
    metrics_guard_remove(map->guard);
    munmap(map->base, map->size);
    map->base = NULL;
}

bool metrics_file_lost(const struct metrics_map *map)
{
    return metrics_guard_hit(map->guard);
}

bool metrics_file_unchanged(const struct metrics_map *map, const char *path)
{
    struct metrics_file_header header;
    struct stat st;

    if (metrics_file_lost(map) || lstat(path, &st) < 0 || st.st_dev != map->device ||
        st.st_ino != map->inode || (uint64_t)st.st_size < map->size)
        return false;
    memcpy(&header, map->base, offsetof(struct metrics_file_header, arena_tail));
    return header.checksum == map->checksum &&
           metrics_file_check(&header, (uint64_t)st.st_size) == METRICS_FILE_OK;
}

/*
 * Removes what creators left that died on the way. Returns whether a creation may be under way: it
 * holds space for a moment that is free again soon.
 */
static bool sweep_temps(int dir_fd)
{
    bool busy = false;
    int fd = instance_dir_open(dir_fd, ".");
    if (fd < 0)
        return false;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return false;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        struct stat st;
        if (strncmp(entry->d_name, METRICS_FILE_TEMP_PREFIX,
                    sizeof(METRICS_FILE_TEMP_PREFIX) - 1) != 0 ||
            fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (clock_unix_ns() / 1000000000 > (uint64_t)st.st_mtime + STALE_TEMP_S)
            unlinkat(dir_fd, entry->d_name, 0);
        else
            busy = true;
    }
    closedir(dir);
    return busy;
}

/* Returns 0, or -1 and errno. */
static int write_temp(int fd, uint32_t max_series)
{
    struct rlimit limit;
    union {
        struct metrics_file_header header;
        unsigned char bytes[METRICS_FILE_HEADER_SIZE];
    } page = {.bytes = {0}};
    uint64_t size = metrics_file_plan(&page.header, max_series);
    int error;

    /* Beyond the limit the kernel would not only refuse, but end the process (SIGXFSZ). */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur) {
        errno = EFBIG;
        return -1;
    }
    /* A hole would be SIGBUS at the first store on a full file system; this is ENOSPC, now. */
    do {
        error = posix_fallocate(fd, 0, (off_t)size);
    } while (error == EINTR);
    if (error != 0) {
        errno = error;
        return -1;
    }
    ssize_t n = pwrite(fd, &page, sizeof(page), 0);
    if (n >= 0 && (size_t)n != sizeof(page))
        errno = ENOSPC;
    return n == (ssize_t)sizeof(page) ? 0 : -1;
}

/* One attempt. Returns 0 if the file is there, or -1 and errno. */
static int create_once(int dir_fd, uint32_t max_series)
{
    char temp[sizeof(METRICS_FILE_TEMP_PREFIX) + 48];

    snprintf(temp, sizeof(temp), METRICS_FILE_TEMP_PREFIX "%ld.%016" PRIx64, (long)getpid(),
             ids_random64());
    int fd = instance_file_make(dir_fd, temp, INSTANCE_FILE_MODE);
    if (fd < 0)
        return -1;
    int result = write_temp(fd, max_series);
    if (result == 0) {
        result = renameat2(dir_fd, temp, dir_fd, METRICS_FILE_NAME, RENAME_NOREPLACE);
        /* Some file systems can't. A link gives the file a second name, for a moment. */
        if (result < 0 && errno != EEXIST)
            result = linkat(dir_fd, temp, dir_fd, METRICS_FILE_NAME, 0);
    }
    int saved = errno;
    unlinkat(dir_fd, temp, 0);
    close(fd);
    errno = saved;
    return result == 0 || errno == EEXIST ? 0 : -1;
}

int metrics_file_create(int dir_fd, uint32_t max_series)
{
    for (int tries = 0;; tries++) {
        bool others = sweep_temps(dir_fd);
        if (faccessat(dir_fd, METRICS_FILE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return 0;
        if (create_once(dir_fd, max_series) == 0)
            return 0;
        int saved = errno;
        if (faccessat(dir_fd, METRICS_FILE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return 0;
        errno = saved;
        if (errno != ENOSPC || !others || tries == CREATE_TRIES)
            return -1;
        clock_sleep_ns(CLOCK_NS_PER_MS);
    }
}

size_t metrics_file_record(const struct metrics_map *map, uint64_t offset, uint32_t type, void *buf)
{
    struct metrics_file_record *record = buf;

    if (offset < map->at.arena || offset % 8 != 0 ||
        offset - map->at.arena > map->at.arena_size - sizeof(*record))
        return 0;
    uint64_t left = map->at.arena_size - (offset - map->at.arena);
    memcpy(record, map->base + offset, sizeof(*record));
    uint32_t length = record->length;
    if (record->type != type || length < sizeof(*record) || length % 8 != 0 || length > left ||
        length > METRICS_FILE_RECORD_MAX)
        return 0;
    memcpy(record + 1, map->base + offset + sizeof(*record), length - sizeof(*record));
    if (record->checksum != metrics_file_checksum(record + 1, length - sizeof(*record)))
        return 0;
    return length;
}

bool metrics_file_cells_fit(const struct metrics_map *map, uint64_t cell_offset, size_t cells)
{
    uint64_t size = cells * sizeof(uint64_t);

    return cell_offset % 8 == 0 && size <= map->at.stripe_size &&
           cell_offset <= map->at.stripe_size - size;
}

uint64_t metrics_file_sum(const struct metrics_map *map, uint64_t cell_offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < map->at.stripes; i++)
        sum += atomic_load_explicit(metrics_file_cells(map, i, cell_offset), memory_order_relaxed);
    return sum;
}

bool metrics_file_exemplars_fit(const struct metrics_map *map, uint64_t offset, size_t buckets)
{
    uint64_t size = buckets * sizeof(struct metrics_exemplar_cell);

    return offset % 8 == 0 && size <= map->at.exemplars_size &&
           offset <= map->at.exemplars_size - size;
}
