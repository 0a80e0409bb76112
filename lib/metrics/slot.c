#include "lib/metrics/slot.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLAIM_BYTE = 0, LIVE_BYTE = 1 };

static off_t slot_byte(const struct metrics_map *map, unsigned slot, unsigned byte)
{
    return (off_t)(map->at.slots + (uint64_t)slot * METRICS_FILE_SLOT_SIZE + byte);
}

static int lock_byte(int fd, off_t offset)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1, .l_pid = 0};

    return fcntl(fd, F_OFD_SETLK, &lock);
}

/* The file again, by a description of its own, or -1 if it is another one by now. */
static int open_again(const struct metrics_map *map, const char *path)
{
    struct stat st;
    int fd = instance_file_open(AT_FDCWD, path, O_RDWR, &st);

    if (fd < 0)
        return -1;
    if (st.st_dev != map->device || st.st_ino != map->inode) {
        close(fd);
        return -1;
    }
    return fd;
}

int metrics_slot_claim(const struct metrics_map *map, const char *path, int *lock_fd,
                       unsigned *stripe)
{
    struct metrics_file_header *header = metrics_file_header(map);
    uint64_t ticket = atomic_fetch_add_explicit(&header->slot_ticket.word, 1, memory_order_relaxed);

    *stripe = (unsigned)(ticket % map->at.stripes);
    *lock_fd = open_again(map, path);
    if (*lock_fd < 0)
        return -1;
    for (unsigned n = 0; n < METRICS_FILE_SLOTS; n++) {
        unsigned number = (unsigned)((ticket + n) % METRICS_FILE_SLOTS);
        struct metrics_file_slot *slot = &metrics_file_slots(map)[number];

        if (lock_byte(*lock_fd, slot_byte(map, number, CLAIM_BYTE)) < 0)
            continue;
        /* In this order a kill in between loses a count; in the other it would count twice. */
        if (atomic_exchange_explicit(&slot->start_unix_ns, 0, memory_order_relaxed) != 0)
            atomic_fetch_add_explicit(&header->shared[METRICS_SLOT_DIED_WORD], 1,
                                      memory_order_release);
        /* Readers look at the second byte: what a dead process left is gone by then. */
        for (unsigned i = 0; i < METRICS_FILE_LIVE_GAUGES; i++)
            atomic_store_explicit(&slot->live[i], 0, memory_order_relaxed);
        atomic_store_explicit(&slot->pid, (uint64_t)getpid(), memory_order_relaxed);
        atomic_store_explicit(&slot->start_unix_ns, clock_unix_ns(), memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
        if (lock_byte(*lock_fd, slot_byte(map, number, LIVE_BYTE)) < 0)
            break;
        *stripe = number % map->at.stripes;
        return (int)number;
    }
    close(*lock_fd);
    *lock_fd = -1;
    return -1;
}

void metrics_slot_release(const struct metrics_map *map, unsigned slot)
{
    atomic_store_explicit(&metrics_file_slots(map)[slot].start_unix_ns, 0, memory_order_relaxed);
}

/*
 * Looks at the slots [from, to). A query returns any lock in the range, not the first, so that both
 * sides of what it finds are looked at again.
 */
static int find_locks(const struct metrics_map *map, int fd, unsigned from, unsigned to, bool *live)
{
    while (from < to) {
        off_t start = slot_byte(map, from, LIVE_BYTE);
        struct flock lock = {.l_type = F_WRLCK,
                             .l_whence = SEEK_SET,
                             .l_start = start,
                             .l_len = slot_byte(map, to - 1, LIVE_BYTE) + 1 - start};

        if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
            return -1;
        if (lock.l_type == F_UNLCK)
            return 0;
        unsigned first = to, last = from;
        for (unsigned i = from; i < to; i++) {
            off_t byte = slot_byte(map, i, LIVE_BYTE);
            if (byte >= lock.l_start && (lock.l_len == 0 || byte < lock.l_start + lock.l_len)) {
                live[i] = true;
                first = i < first ? i : first;
                last = i;
            }
        }
        if (first == to) {
            /* Between two live bytes, a slot that is being claimed: it splits the range. */
            last = from;
            while (last + 1 < to && slot_byte(map, last + 1, LIVE_BYTE) < lock.l_start)
                last++;
            first = last + 1;
        }
        if (find_locks(map, fd, from, first, live) < 0)
            return -1;
        from = last + 1;
    }
    return 0;
}

/* Whether nobody holds the slot, or is about to. */
static bool is_free(const struct metrics_map *map, int fd, unsigned slot)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = slot_byte(map, slot, CLAIM_BYTE),
                         .l_len = 2};

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

int metrics_slot_states(const struct metrics_map *map, int fd,
                        enum metrics_slot_state states[METRICS_FILE_SLOTS])
{
    const struct metrics_file_slot *slots = metrics_file_slots(map);
    uint64_t started[METRICS_FILE_SLOTS];
    bool live[METRICS_FILE_SLOTS];

    /* First who was there, then who lives: a process that starts in between is not taken for dead.
     */
    for (unsigned i = 0; i < METRICS_FILE_SLOTS; i++)
        started[i] = atomic_load_explicit(&slots[i].start_unix_ns, memory_order_acquire);
    if (metrics_slot_living(map, fd, live) < 0)
        return -1;
    for (unsigned i = 0; i < METRICS_FILE_SLOTS; i++) {
        states[i] = METRICS_SLOT_FREE;
        if (live[i])
            states[i] = METRICS_SLOT_LIVING;
        else if (started[i] != 0 && is_free(map, fd, i))
            states[i] = METRICS_SLOT_DEAD;
    }
    return 0;
}

uint64_t metrics_slot_died(const struct metrics_map *map, int fd, unsigned own)
{
    uint64_t died = atomic_load_explicit(&metrics_file_header(map)->shared[METRICS_SLOT_DIED_WORD],
                                         memory_order_acquire);
    enum metrics_slot_state states[METRICS_FILE_SLOTS];

    if (metrics_slot_states(map, fd, states) < 0)
        return died;
    for (unsigned i = 0; i < METRICS_FILE_SLOTS; i++)
        died += states[i] == METRICS_SLOT_DEAD && i != own;
    return died;
}

int metrics_slot_living(const struct metrics_map *map, int fd, bool live[METRICS_FILE_SLOTS])
{
    int count = 0;

    memset(live, 0, METRICS_FILE_SLOTS * sizeof(*live));
    if (find_locks(map, fd, 0, METRICS_FILE_SLOTS, live) < 0)
        return -1;
    for (unsigned i = 0; i < METRICS_FILE_SLOTS; i++)
        count += live[i];
    return count;
}
