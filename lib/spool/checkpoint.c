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

/* Allocates all blocks at the start, so that a full disk can't stop a later write. */
static int open_file(struct checkpoint *checkpoint)
{
    static const unsigned char zeros[2 * CHECKPOINT_SLOT_SIZE];

    checkpoint->fd =
        instance_file_open(checkpoint->dir_fd, SPOOL_FILES_CHECKPOINT, O_RDWR | O_CREAT, NULL);
    if (checkpoint->fd < 0)
        return -1;
    if (lseek(checkpoint->fd, 0, SEEK_END) < (off_t)sizeof zeros) {
        ssize_t written = pwrite(checkpoint->fd, zeros, sizeof zeros, 0);

        if (written != (ssize_t)sizeof zeros) {
            if (written >= 0)
                errno = ENOSPC;
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

enum checkpoint_found checkpoint_open(struct checkpoint *checkpoint, int dir_fd)
{
    memset(checkpoint, 0, sizeof *checkpoint);
    checkpoint->dir_fd = dir_fd;
    checkpoint->fd = instance_file_open(dir_fd, SPOOL_FILES_CHECKPOINT, O_RDWR, NULL);
    if (checkpoint->fd < 0) {
        if (open_file(checkpoint) != 0)
            checkpoint_close(checkpoint);
        return CHECKPOINT_MISSING;
    }
    return checkpoint_read(checkpoint->fd, &checkpoint->state);
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

int checkpoint_write(struct checkpoint *checkpoint)
{
    unsigned char slot[CHECKPOINT_SLOT_SIZE];
    off_t at;
    ssize_t written;

    if (checkpoint->fd < 0 && open_file(checkpoint) != 0) {
        int error = errno;

        checkpoint_close(checkpoint);
        errno = error;
        return -1;
    }
    checkpoint->state.generation++;
    at = (off_t)(checkpoint->state.generation % 2) * CHECKPOINT_SLOT_SIZE;
    checkpoint_encode(slot, &checkpoint->state);
    written = pwrite(checkpoint->fd, slot, sizeof slot, at);
    if (written != (ssize_t)sizeof slot) {
        if (written >= 0)
            errno = ENOSPC;
        return -1;
    }
    return 0;
}

int checkpoint_sync(struct checkpoint *checkpoint)
{
    if (checkpoint->fd < 0) {
        errno = EBADF;
        return -1;
    }
    return fdatasync(checkpoint->fd);
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (checkpoint->fd >= 0)
        (void)close(checkpoint->fd);
    checkpoint->fd = -1;
}
