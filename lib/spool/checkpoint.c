#include "lib/spool/checkpoint.h"

#include "lib/base/instance_file.h"
#include "lib/spool/files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum {
    SLOT_SIGNALS_MAX = 8,
    SLOT_UNUSED = CHECKPOINT_SLOT_SIZE - 24 - SPOOL_SIGNALS * (64 + 32 * CHECKPOINT_CURSORS) -
                  8 * SLOT_SIGNALS_MAX,
};

static const char magic[8] = {'M', 'T', 'S', 'P', 'O', 'O', 'L', '\0'};

/* A signal's bytes in the file. */
struct slot_signal {
    uint64_t active_seq;
    uint64_t delivered, rejected, quarantined;
    uint64_t dropped[SPOOL_DROP_UNKEPT];
    uint32_t cursor_count;
    uint32_t reserved;
    struct checkpoint_cursor cursors[CHECKPOINT_CURSORS];
};

struct slot {
    char magic[8];
    uint32_t version;
    uint32_t checksum; /* CRC-32 of the slot's bytes with zero here */
    uint64_t generation;
    struct slot_signal signals[SPOOL_SIGNALS];
    char unused[SLOT_UNUSED];
    /* At the end, where older writers of this version left zeros. */
    uint64_t unkept[SLOT_SIGNALS_MAX];
};

static_assert(sizeof(struct checkpoint_cursor) == 32, "layout of docs/spool.md");
static_assert(sizeof(struct slot_signal) == 64 + 32 * CHECKPOINT_CURSORS, "the same");
static_assert(offsetof(struct slot, signals) == 24, "the same");
static_assert(offsetof(struct slot, unkept) == 4032, "the same");
static_assert(sizeof(struct slot) == CHECKPOINT_SLOT_SIZE, "the same");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little-endian");

static uint32_t checksum(const unsigned char slot[CHECKPOINT_SLOT_SIZE])
{
    static const unsigned char none[4];
    const size_t at = offsetof(struct slot, checksum);
    uLong crc = crc32(0, slot, (uInt)at);

    crc = crc32(crc, none, sizeof none);
    return (uint32_t)crc32(crc, slot + at + sizeof none,
                           (uInt)(CHECKPOINT_SLOT_SIZE - at - sizeof none));
}

void checkpoint_encode(unsigned char slot[CHECKPOINT_SLOT_SIZE],
                       const struct checkpoint_state *state)
{
    struct slot content = {.version = CHECKPOINT_VERSION, .generation = state->generation};

    memcpy(content.magic, magic, sizeof magic);
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct checkpoint_signal *const from = &state->signals[i];
        struct slot_signal *const to = &content.signals[i];

        to->active_seq = from->active_seq;
        to->delivered = from->counts.delivered;
        to->rejected = from->counts.rejected;
        to->quarantined = from->counts.quarantined;
        memcpy(to->dropped, from->counts.dropped, sizeof to->dropped);
        to->cursor_count = from->cursor_count;
        memcpy(to->cursors, from->cursors, sizeof to->cursors);
        content.unkept[i] = from->counts.dropped[SPOOL_DROP_UNKEPT];
    }
    memcpy(slot, &content, sizeof content);
    content.checksum = checksum(slot);
    memcpy(slot + offsetof(struct slot, checksum), &content.checksum, sizeof content.checksum);
}

int checkpoint_decode(const unsigned char slot[CHECKPOINT_SLOT_SIZE],
                      struct checkpoint_state *state)
{
    struct slot content;

    memcpy(&content, slot, sizeof content);
    if (memcmp(content.magic, magic, sizeof magic) != 0 || content.version != CHECKPOINT_VERSION ||
        content.checksum != checksum(slot))
        return -1;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        if (content.signals[i].cursor_count > CHECKPOINT_CURSORS)
            return -1;
    }
    *state = (struct checkpoint_state){.generation = content.generation};
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct slot_signal *const from = &content.signals[i];
        struct checkpoint_signal *const to = &state->signals[i];

        to->active_seq = from->active_seq <= SPOOL_FILES_SEQ_MAX + 1 ? from->active_seq : 0;
        to->counts.delivered = from->delivered;
        to->counts.rejected = from->rejected;
        to->counts.quarantined = from->quarantined;
        memcpy(to->counts.dropped, from->dropped, sizeof from->dropped);
        to->counts.dropped[SPOOL_DROP_UNKEPT] = content.unkept[i];
        to->cursor_count = from->cursor_count;
        memcpy(to->cursors, from->cursors, sizeof to->cursors);
    }
    return 0;
}

static void close_file(struct checkpoint_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    file->fd = -1;
}

/* Allocates all blocks at the start, so that a full disk can't stop a later write. */
static int make_file(struct checkpoint_file *file)
{
    static const unsigned char zeros[2 * CHECKPOINT_SLOT_SIZE];

    file->fd = instance_file_open(file->dir_fd, SPOOL_FILES_CHECKPOINT, O_RDWR | O_CREAT, NULL);
    if (file->fd < 0)
        return -1;
    if (lseek(file->fd, 0, SEEK_END) < (off_t)sizeof zeros) {
        ssize_t written = pwrite(file->fd, zeros, sizeof zeros, 0);

        if (written != (ssize_t)sizeof zeros) {
            const int error = written >= 0 ? ENOSPC : errno;

            close_file(file);
            errno = error;
            return -1;
        }
    }
    return 0;
}

enum checkpoint_found checkpoint_read(int fd, struct checkpoint_state *newest)
{
    enum checkpoint_found found = CHECKPOINT_MISSING;
    int i;

    memset(newest, 0, sizeof *newest);
    for (i = 0; i < 2; i++) {
        unsigned char slot[CHECKPOINT_SLOT_SIZE];
        static const unsigned char zeros[CHECKPOINT_SLOT_SIZE];
        struct checkpoint_state state;
        ssize_t got = pread(fd, slot, sizeof slot, (off_t)i * CHECKPOINT_SLOT_SIZE);

        if (got == (ssize_t)sizeof slot && checkpoint_decode(slot, &state) == 0) {
            if (found != CHECKPOINT_VALID || state.generation > newest->generation)
                *newest = state;
            found = CHECKPOINT_VALID;
        } else if (found != CHECKPOINT_VALID &&
                   (got != (ssize_t)sizeof slot || memcmp(slot, zeros, sizeof slot) != 0)) {
            found = CHECKPOINT_CORRUPT;
        }
    }
    return found;
}

/* The better of the two: a later generation of what may be older elsewhere. */
static enum checkpoint_found open_file(struct checkpoint_file *file, int dir_fd,
                                       enum checkpoint_found found, struct checkpoint_state *newest)
{
    struct checkpoint_state state;
    enum checkpoint_found here;

    *file = (struct checkpoint_file){.dir_fd = dir_fd, .fd = -1};
    if (dir_fd < 0)
        return found;
    file->fd = instance_file_open(dir_fd, SPOOL_FILES_CHECKPOINT, O_RDWR, NULL);
    if (file->fd < 0) {
        (void)make_file(file);
        return found;
    }
    here = checkpoint_read(file->fd, &state);
    if (here == CHECKPOINT_VALID &&
        (found != CHECKPOINT_VALID || state.generation > newest->generation))
        *newest = state;
    return found == CHECKPOINT_VALID || here == CHECKPOINT_MISSING ? found : here;
}

enum checkpoint_found checkpoint_open(struct checkpoint *checkpoint, int dir_fd, int memory_fd)
{
    enum checkpoint_found found;

    memset(checkpoint, 0, sizeof *checkpoint);
    found = open_file(&checkpoint->memory, memory_fd, CHECKPOINT_MISSING, &checkpoint->state);
    return open_file(&checkpoint->disk, dir_fd, found, &checkpoint->state);
}

int checkpoint_fingerprint(int fd, uint64_t offset, bool into_line, uint32_t *print)
{
    unsigned char bytes[CHECKPOINT_PRINT_BYTES];
    size_t len = offset < sizeof bytes ? (size_t)offset : sizeof bytes;
    const unsigned char *newline;
    ssize_t got;

    if (pread(fd, bytes, len, (off_t)(offset - len)) != (ssize_t)len)
        return -1;
    *print = (uint32_t)crc32(0, bytes, (uInt)len);
    if (!into_line)
        return 0;
    got = pread(fd, bytes, sizeof bytes, (off_t)offset);
    if (got <= 0)
        return -1;
    /* What follows the line may not be there yet. */
    newline = memchr(bytes, '\n', (size_t)got);
    len = newline != NULL ? (size_t)(newline - bytes) : (size_t)got;
    *print = (uint32_t)crc32(*print, bytes, (uInt)len);
    return 0;
}

static int write_file(struct checkpoint_file *file, uint64_t generation,
                      const unsigned char slot[CHECKPOINT_SLOT_SIZE])
{
    ssize_t written;

    if (file->fd < 0 && make_file(file) != 0)
        return -1;
    written = pwrite(file->fd, slot, CHECKPOINT_SLOT_SIZE,
                     (off_t)(generation % 2) * CHECKPOINT_SLOT_SIZE);
    if (written == CHECKPOINT_SLOT_SIZE)
        return 0;
    if (written >= 0)
        errno = ENOSPC;
    return -1;
}

/* Whether the disk's may be older than what was written last. */
static bool is_alone(const struct checkpoint *checkpoint)
{
    return checkpoint->memory_alone && checkpoint->memory.dir_fd >= 0;
}

int checkpoint_write(struct checkpoint *checkpoint)
{
    unsigned char slot[CHECKPOINT_SLOT_SIZE];
    const uint64_t generation = ++checkpoint->state.generation;
    bool in_memory;

    checkpoint_encode(slot, &checkpoint->state);
    in_memory =
        checkpoint->memory.dir_fd >= 0 && write_file(&checkpoint->memory, generation, slot) == 0;
    /* What memory has no room for the disk may have. */
    if (in_memory && is_alone(checkpoint))
        return 0;
    return write_file(&checkpoint->disk, generation, slot) == 0 || in_memory ? 0 : -1;
}

int checkpoint_sync(struct checkpoint *checkpoint)
{
    if (is_alone(checkpoint))
        return 0;
    if (checkpoint->disk.fd < 0) {
        errno = EBADF;
        return -1;
    }
    return fdatasync(checkpoint->disk.fd);
}

void checkpoint_set_memory(struct checkpoint *checkpoint, int memory_fd)
{
    close_file(&checkpoint->memory);
    checkpoint->memory.dir_fd = memory_fd;
}

void checkpoint_reopen(struct checkpoint *checkpoint)
{
    close_file(&checkpoint->disk);
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    close_file(&checkpoint->memory);
    close_file(&checkpoint->disk);
}
