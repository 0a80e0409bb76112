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

static int add(struct spool_listing_sealed **list, size_t *count, uint64_t seq, bool in_memory)
{
    /* As many as there is room for: 64, 128, ... */
    if (*count == 0 || (*count >= ROOM_FIRST && (*count & (*count - 1)) == 0)) {
        struct spool_listing_sealed *const more =
            reallocarray(*list, *count == 0 ? ROOM_FIRST : 2 * *count, sizeof(**list));

        if (more == NULL)
            return -1;
        *list = more;
    }
    (*list)[(*count)++] =
        (struct spool_listing_sealed){.seq = seq, .in_memory = in_memory, .on_disk = !in_memory};
    return 0;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = ((const struct spool_listing_sealed *)a)->seq;
    const uint64_t y = ((const struct spool_listing_sealed *)b)->seq;

    return (x > y) - (x < y);
}

static int see(struct spool_listing *listing, enum spool_signal signal, int dir_fd, bool in_memory,
               const char *name)
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
        return add(&listing->sealed, &listing->count, seq, in_memory);
    case SPOOL_FILES_KEPT:
        return add(&listing->kept, &listing->kept_count, seq, in_memory);
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

static int read_dir(struct spool_listing *listing, enum spool_signal signal, int dir_fd,
                    bool in_memory)
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
        result = see(listing, signal, dir_fd, in_memory, entry->d_name);
    error = result != 0 ? ENOMEM : errno;
    (void)closedir(dir);
    errno = error;
    return error == 0 ? 0 : -1;
}

/* Sorts them; a number that both tiers have is one segment. */
static void order(struct spool_listing_sealed *list, size_t *count)
{
    size_t used = 0;

    if (*count == 0)
        return;
    qsort(list, *count, sizeof(*list), ascending);
    for (size_t i = 1; i < *count; i++) {
        if (list[used].seq == list[i].seq)
            list[used].in_memory = list[used].on_disk = true;
        else
            list[++used] = list[i];
    }
    *count = used + 1;
}

int spool_listing_read(struct spool_listing *listing, enum spool_signal signal, int dir_fd,
                       int memory_fd)
{
    *listing = (struct spool_listing){.sealed = NULL};
    if ((memory_fd >= 0 && read_dir(listing, signal, memory_fd, true) != 0) ||
        read_dir(listing, signal, dir_fd, false) != 0) {
        const int error = errno;

        spool_listing_free(listing);
        errno = error;
        return -1;
    }
    order(listing->sealed, &listing->count);
    order(listing->kept, &listing->kept_count);
    return 0;
}

void spool_listing_free(struct spool_listing *listing)
{
    free(listing->sealed);
    free(listing->kept);
    listing->sealed = listing->kept = NULL;
    listing->count = listing->kept_count = 0;
}
