#include "lib/spool/listing.h"

#include "lib/base/instance_file.h"
#include "lib/spool/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM_FIRST = 64 };

static int add(struct spool_listing *listing, size_t *room, uint64_t seq, bool in_memory)
{
    if (listing->count == *room) {
        const size_t more = *room == 0 ? ROOM_FIRST : *room * 2;
        struct spool_listing_sealed *sealed = reallocarray(listing->sealed, more, sizeof(*sealed));

        if (sealed == NULL)
            return -1;
        listing->sealed = sealed;
        *room = more;
    }
    listing->sealed[listing->count++] =
        (struct spool_listing_sealed){.seq = seq, .in_memory = in_memory, .on_disk = !in_memory};
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = ((const struct spool_listing_sealed *)a)->seq;
    const uint64_t y = ((const struct spool_listing_sealed *)b)->seq;

    return (x > y) - (x < y);
}

static int see(struct spool_listing *listing, size_t *room, enum spool_signal signal, int dir_fd,
               bool in_memory, const char *name)
{
    struct stat status;
    uint64_t seq;

    switch (spool_files_kind(signal, name, &seq)) {
    case SPOOL_FILES_OTHER:
        break;
    case SPOOL_FILES_ACTIVE:
        *(in_memory ? &listing->active_in_memory : &listing->active) = true;
        break;
    case SPOOL_FILES_SEALED:
        return add(listing, room, seq, in_memory);
    case SPOOL_FILES_QUARANTINE:
        if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            listing->quarantine_bytes += (uint64_t)status.st_size;
        break;
    case SPOOL_FILES_FOREIGN:
        if (listing->foreign++ == 0)
            (void)snprintf(listing->first_foreign, sizeof(listing->first_foreign), "%s", name);
        break;
    }
    return 0;
}

static int read_dir(struct spool_listing *listing, size_t *room, enum spool_signal signal,
                    int dir_fd, bool in_memory)
{
    const int fd = instance_dir_open(dir_fd, ".");
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int result = 0, error;

    if (dir == NULL) {
        error = errno;
        if (fd >= 0)
            (void)close(fd);
        errno = error;
        return -1;
    }
    while (result == 0 && (errno = 0, entry = readdir(dir)) != NULL)
        result = see(listing, room, signal, dir_fd, in_memory, entry->d_name);
    error = result != 0 ? ENOMEM : errno;
    (void)closedir(dir);
    errno = error;
    return error == 0 ? 0 : -1;
}

/* A number that both tiers have is one segment. */
static void join(struct spool_listing *listing)
{
    size_t kept = 0;

    for (size_t i = 0; i < listing->count; i++) {
        struct spool_listing_sealed *const last = kept > 0 ? &listing->sealed[kept - 1] : NULL;

        if (last != NULL && last->seq == listing->sealed[i].seq)
            last->in_memory = last->on_disk = true;
        else
            listing->sealed[kept++] = listing->sealed[i];
    }
    listing->count = kept;
}

int spool_listing_read(struct spool_listing *listing, enum spool_signal signal, int dir_fd,
                       int memory_fd)
{
    size_t room = 0;

    *listing = (struct spool_listing){.sealed = NULL};
    if ((memory_fd >= 0 && read_dir(listing, &room, signal, memory_fd, true) != 0) ||
        read_dir(listing, &room, signal, dir_fd, false) != 0) {
        const int error = errno;

        spool_listing_free(listing);
        errno = error;
        return -1;
    }
    if (listing->count > 0)
        qsort(listing->sealed, listing->count, sizeof(*listing->sealed), ascending);
    join(listing);
    return 0;
}

void spool_listing_free(struct spool_listing *listing)
{
    free(listing->sealed);
    listing->sealed = NULL;
    listing->count = 0;
}
