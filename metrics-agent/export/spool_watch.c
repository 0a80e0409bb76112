#include "metrics-agent/export/spool_watch.h"

#include "lib/spool/files.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int spool_watch_open(struct spool_watch *watch, const char *dir, const char *other)
{
    *watch =
        (struct spool_watch){.dirs = {dir, other}, .fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    if (watch->fd < 0)
        return -1;
    if (spool_watch_arm(watch) != 0) {
        const int error = errno;

        spool_watch_close(watch);
        errno = error;
        return -1;
    }
    return 0;
}

int spool_watch_arm(struct spool_watch *watch)
{
    /* Not deletions: most are our own, and arming costs time for each file in the directory. */
    const uint32_t events = IN_ONESHOT | IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM |
                            IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF;

    if (inotify_add_watch(watch->fd, watch->dirs[0], events) < 0)
        return -1;
    /* One that is gone is made anew soon. */
    if (watch->dirs[1] != NULL)
        (void)inotify_add_watch(watch->fd, watch->dirs[1], events);
    watch->armed = true;
    return 0;
}

static bool concerns_writers(const struct inotify_event *event)
{
    if ((event->mask & IN_IGNORED) != 0)
        return false;
    return event->len == 0 || spool_files_import(event->name) != SPOOL_SIGNALS ||
           (strncmp(event->name, "agent.", 6) != 0 && strstr(event->name, ".quarantine.") == NULL);
}

bool spool_watch_read(struct spool_watch *watch)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t got, at;
    bool wrote = false;

    watch->armed = false;
    while ((got = read(watch->fd, buffer, sizeof buffer)) > 0) {
        for (at = 0; at < got;) {
            const struct inotify_event *event = (const struct inotify_event *)(buffer + at);

            wrote = wrote || concerns_writers(event);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    return wrote;
}

void spool_watch_close(struct spool_watch *watch)
{
    if (watch->fd >= 0)
        (void)close(watch->fd);
    watch->fd = -1;
}
