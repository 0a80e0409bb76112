#include "metrics-agent/export/import_cursors.h"

#include "lib/base/instance_file.h"
#include "lib/spool/files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static const char magic[8] = {'M', 'T', 'I', 'M', 'P', 'O', 'R', 'T'};

enum {
    FLAG_SKIPPING = 1,
    VERSION_WITHOUT_SPOOLED = 1, /* an older agent's */
};

struct header {
    char magic[8];
    uint32_t version;
    uint32_t checksum; /* CRC-32 of all that follows */
    uint32_t count;
    uint32_t reserved;
};

/* One a signal. */
struct spooled {
    uint64_t seq, inode, length;
    uint32_t print, lost;
    uint64_t lost_before, unused;
};

/* The name's bytes follow it. */
struct entry {
    uint64_t device, inode, offset;
    uint32_t head, print;
    uint16_t signal, flags, name_len, reserved;
    uint64_t unused;
};

static_assert(sizeof(struct header) == 24, "layout of docs/spool.md");
static_assert(sizeof(struct spooled) == 48, "the same");
static_assert(sizeof(struct entry) == 48, "the same");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little-endian");

static uint32_t checksum(const unsigned char *bytes, size_t len)
{
    return (uint32_t)crc32(0, bytes + sizeof(struct header), (uInt)(len - sizeof(struct header)));
}

size_t import_cursors_encode(struct import_cursors *cursors)
{
    struct header header = {.version = IMPORT_CURSORS_VERSION, .count = (uint32_t)cursors->count};
    size_t len = sizeof header;

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct import_spooled *const s = &cursors->spooled[i];
        const struct spooled spooled = {.seq = s->seq,
                                        .inode = s->inode,
                                        .length = s->length,
                                        .print = s->print,
                                        .lost = s->lost,
                                        .lost_before = s->lost_before};

        memcpy(cursors->bytes + len, &spooled, sizeof spooled);
        len += sizeof spooled;
    }
    for (size_t i = 0; i < cursors->count; i++) {
        const struct import_cursor *const c = &cursors->items[i];
        const struct entry entry = {
            .device = c->device,
            .inode = c->inode,
            .offset = c->offset,
            .head = c->head,
            .print = c->print,
            .signal = (uint16_t)c->signal,
            .flags = c->skipping ? FLAG_SKIPPING : 0,
            .name_len = (uint16_t)strlen(c->name),
        };

        memcpy(cursors->bytes + len, &entry, sizeof entry);
        memcpy(cursors->bytes + len + sizeof entry, c->name, entry.name_len);
        len += sizeof entry + entry.name_len;
    }
    memcpy(header.magic, magic, sizeof magic);
    header.checksum = checksum(cursors->bytes, len);
    memcpy(cursors->bytes, &header, sizeof header);
    return len;
}

/* Returns the bytes it took, or 0 if they are not a cursor. */
static size_t decode_entry(struct import_cursor *c, const unsigned char *bytes, size_t len)
{
    struct entry entry;

    if (len < sizeof entry)
        return 0;
    memcpy(&entry, bytes, sizeof entry);
    if (entry.signal >= SPOOL_SIGNALS || entry.name_len == 0 || entry.name_len > NAME_MAX ||
        entry.name_len > len - sizeof entry || entry.head > CHECKPOINT_PRINT_BYTES)
        return 0;
    *c = (struct import_cursor){
        .signal = (enum spool_signal)entry.signal,
        .device = entry.device,
        .inode = entry.inode,
        .offset = entry.offset,
        .head = entry.head,
        .print = entry.print,
        .skipping = (entry.flags & FLAG_SKIPPING) != 0,
    };
    memcpy(c->name, bytes + sizeof entry, entry.name_len);
    if (strlen(c->name) != entry.name_len || strchr(c->name, '/') != NULL)
        return 0;
    return sizeof entry + entry.name_len;
}

/* Returns 0, or -1 if there are none. */
static int decode_spooled(struct import_cursors *cursors, size_t at, size_t len)
{
    struct spooled spooled;

    if (len < at + SPOOL_SIGNALS * sizeof spooled)
        return -1;
    for (int i = 0; i < SPOOL_SIGNALS; i++, at += sizeof spooled) {
        memcpy(&spooled, cursors->bytes + at, sizeof spooled);
        if (spooled.seq > SPOOL_FILES_SEQ_MAX || spooled.length > INT64_MAX)
            return -1;
        cursors->spooled[i] = (struct import_spooled){.seq = spooled.seq,
                                                      .inode = spooled.inode,
                                                      .length = spooled.length,
                                                      .print = spooled.print,
                                                      .lost = spooled.lost,
                                                      .lost_before = spooled.lost_before};
    }
    return 0;
}

int import_cursors_decode(struct import_cursors *cursors, size_t len)
{
    struct header header;
    size_t at = sizeof header;

    cursors->count = 0;
    memset(cursors->spooled, 0, sizeof cursors->spooled);
    if (len < sizeof header)
        return -1;
    memcpy(&header, cursors->bytes, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0 ||
        (header.version != IMPORT_CURSORS_VERSION && header.version != VERSION_WITHOUT_SPOOLED) ||
        header.count > IMPORT_CURSORS_MAX || header.checksum != checksum(cursors->bytes, len))
        return -1;
    if (header.version == IMPORT_CURSORS_VERSION) {
        if (decode_spooled(cursors, at, len) != 0)
            return -1;
        at += SPOOL_SIGNALS * sizeof(struct spooled);
    }
    for (size_t i = 0; i < header.count; i++) {
        const size_t took = decode_entry(&cursors->items[i], cursors->bytes + at, len - at);

        if (took == 0)
            return -1;
        at += took;
    }
    if (at != len)
        return -1;
    cursors->count = header.count;
    return 0;
}

enum checkpoint_found import_cursors_read(struct import_cursors *cursors, int dir_fd)
{
    const int fd = instance_file_open(dir_fd, SPOOL_FILES_IMPORTS, O_RDONLY, NULL);
    ssize_t got;

    cursors->count = 0;
    memset(cursors->spooled, 0, sizeof cursors->spooled);
    if (fd < 0)
        return errno == ENOENT ? CHECKPOINT_MISSING : CHECKPOINT_CORRUPT;
    got = read(fd, cursors->bytes, sizeof cursors->bytes);
    (void)close(fd);
    return got > 0 && import_cursors_decode(cursors, (size_t)got) == 0 ? CHECKPOINT_VALID
                                                                       : CHECKPOINT_CORRUPT;
}

int import_cursors_write(struct import_cursors *cursors, int dir_fd)
{
    const size_t len = import_cursors_encode(cursors);

    return instance_file_replace(dir_fd, SPOOL_FILES_IMPORTS, INSTANCE_FILE_MODE, cursors->bytes,
                                 len);
}

void import_cursor_begin(struct import_cursor *cursor, int fd)
{
    unsigned char bytes[CHECKPOINT_PRINT_BYTES];
    const ssize_t got = pread(fd, bytes, sizeof bytes, 0);

    cursor->offset = 0;
    cursor->skipping = false;
    cursor->head = got > 0 ? (uint32_t)got : 0;
    cursor->print = (uint32_t)crc32(0, bytes, cursor->head);
}

bool import_cursor_fits(const struct import_cursor *cursor, int fd)
{
    const uint64_t printed = cursor->offset > 0 ? cursor->offset : cursor->head;
    uint32_t print;

    return printed > 0 && checkpoint_fingerprint(fd, printed, false, &print) == 0 &&
           print == cursor->print;
}
