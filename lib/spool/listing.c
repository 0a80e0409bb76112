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

static int add(struct spool_listing *listing, size_t *room, uint64_t seq)
{
    if (listing->count == *room) {
        const size_t more = *room == 0 ? ROOM_FIRST : *room * 2;
        uint64_t *sealed = reallocarray(listing->sealed, more, sizeof(*sealed));

        if (sealed == NULL)
            return -1;
        listing->sealed = sealed;
        *room = more;
    }
    listing->sealed[listing->count++] = seq;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int see(struct spool_listing *listing, size_t *room, enum spool_signal signal, int dir_fd,
               const char *name)
{
    struct stat status;
    uint64_t seq;

    switch (spool_files_kind(signal, name, &seq)) {
    case SPOOL_FILES_OTHER:
        break;
    case SPOOL_FILES_ACTIVE:
        listing->active = true;
        break;
    case SPOOL_FILES_SEALED:
        return add(listing, room, seq);
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

int spool_listing_read(struct spool_listing *listing, enum spool_signal signal, int dir_fd)
{
    const int fd = instance_dir_open(dir_fd, ".");
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int result = 0, error;
    size_t room = 0;

    *listing = (struct spool_listing){.sealed = NULL};
    if (dir == NULL) {
        error = errno;
        if (fd >= 0)
            (void)close(fd);
        errno = error;
        return -1;
    }
    while (result == 0 && (errno = 0, entry = readdir(dir)) != NULL)
        result = see(listing, &room, signal, dir_fd, entry->d_name);
    error = result != 0 ? ENOMEM : errno;
    (void)closedir(dir);
    if (error != 0) {
        spool_listing_free(listing);
        errno = error;
        return -1;
    }
    if (listing->count > 0)
        qsort(listing->sealed, listing->count, sizeof(*listing->sealed), ascending);
    return 0;
}

void spool_listing_free(struct spool_listing *listing)
{
    free(listing->sealed);
    listing->sealed = NULL;
    listing->count = 0;
}
