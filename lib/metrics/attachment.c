#include "lib/metrics/attachment.h"

#include "lib/base/instance_file.h"
#include "lib/metrics/guard.h"
#include "lib/metrics/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CREATE_RACES = 8 /* times that a file may vanish between making and mapping it */ };

/* Maps the file, making it if there is none. What it returns goes with errno. */
static enum metrics_file_state map_or_create(struct metrics_map *map, const char *path,
                                             const char *run_dir, uint32_t max_series)
{
    enum metrics_file_state state = METRICS_FILE_MISSING;

    for (int i = 0; i < CREATE_RACES; i++) {
        state = metrics_file_map(map, path, true);
        /* A second name is also what a creator has left that was killed between two calls. */
        if (state != METRICS_FILE_MISSING &&
            (state != METRICS_FILE_UNUSABLE || errno != EMLINK || i == CREATE_RACES - 1))
            return state;
        int dir_fd = instance_dir_open(AT_FDCWD, run_dir);
        if (dir_fd < 0)
            return METRICS_FILE_UNUSABLE;
        int made = metrics_file_create(dir_fd, max_series);
        int saved = errno;
        close(dir_fd);
        errno = saved;
        if (made < 0)
            return METRICS_FILE_UNUSABLE;
    }
    return state;
}

int metrics_attachment_file(struct metrics_attachment *a, const char *path, const char *run_dir,
                            uint32_t max_series)
{
    *a = (struct metrics_attachment){.lock_fd = -1, .map = {.guard = -1}};
    enum metrics_file_state state = map_or_create(&a->map, path, run_dir, max_series);

    if (state != METRICS_FILE_OK) {
        snprintf(a->problem, sizeof(a->problem), "%.160s: %s", path,
                 metrics_file_state_text(state));
        return -1;
    }
    metrics_attachment_claim(a, path);
    return 0;
}

int metrics_attachment_private(struct metrics_attachment *a, uint32_t max_series)
{
    return metrics_file_map_private(&a->map, max_series);
}

bool metrics_attachment_claim(struct metrics_attachment *a, const char *path)
{
    unsigned stripe;

    if (a->has_slot || a->forked || a->map.inode == 0)
        return a->has_slot;
    int slot = metrics_slot_claim(&a->map, path, &a->lock_fd, &stripe);
    a->has_slot = slot >= 0;
    a->slot = slot >= 0 ? (unsigned)slot : 0;
    a->stripe = stripe;
    return a->has_slot;
}

void metrics_attachment_fork(struct metrics_attachment *a)
{
    if (a->lock_fd >= 0)
        close(a->lock_fd);
    a->lock_fd = -1;
    a->has_slot = false;
    a->forked = true;
    if (a->map.inode != 0 && !metrics_file_lost(&a->map) &&
        mmap(metrics_file_slots(&a->map), METRICS_FILE_SLOTS * METRICS_FILE_SLOT_SIZE,
             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
             0) == MAP_FAILED)
        metrics_attachment_retire(a);
}

_Atomic uint64_t *metrics_attachment_live(const struct metrics_attachment *a, unsigned live_index)
{
    if (!a->has_slot && !a->forked && a->map.inode != 0)
        return NULL;
    return &metrics_file_slots(&a->map)[a->slot].live[live_index];
}

static void leave_slot(struct metrics_attachment *a)
{
    if (a->has_slot)
        metrics_slot_release(&a->map, a->slot);
    if (a->lock_fd >= 0)
        close(a->lock_fd);
    a->lock_fd = -1;
    a->has_slot = false;
}

uint64_t metrics_attachment_died(const struct metrics_attachment *a)
{
    return a->has_slot ? metrics_slot_died(&a->map, a->lock_fd, a->slot) : 0;
}

void metrics_attachment_retire(struct metrics_attachment *a)
{
    leave_slot(a);
    /* One call, so that no thread finds the range unmapped. Where it fails the old file stays. */
    if (mmap(a->map.base, a->map.size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
        return;
    metrics_guard_remove(a->map.guard);
    a->map.guard = -1;
}

void metrics_attachment_close(struct metrics_attachment *a)
{
    if (a->map.base == NULL)
        return;
    leave_slot(a);
    metrics_file_unmap(&a->map);
}
