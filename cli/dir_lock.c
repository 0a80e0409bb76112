#include "cli/dir_lock.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <sys/file.h>

enum {
    LOCK_MS = 10000,
    LOCK_PAUSE_MS = 5,
};

int dir_lock(int fd)
{
    const uint64_t end_ms = clock_monotonic_ms() + LOCK_MS;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return 0;
        if (clock_monotonic_ms() >= end_ms) {
            errno = EBUSY;
            return -1;
        }
        clock_sleep_ns(clock_ms_to_ns(LOCK_PAUSE_MS));
    }
    return 0;
}
