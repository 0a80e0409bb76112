/*
 * Learns from the kernel (inotify) that somebody wrote into the spool.
 */
#ifndef METRICS_AGENT_EXPORT_SPOOL_WATCH_H
#define METRICS_AGENT_EXPORT_SPOOL_WATCH_H

#include <stdbool.h>

struct spool_watch {
    const char *dirs[2]; /* the second may be NULL */
    int fd;              /* readable if something happened; -1 if the kernel can't tell us */
    bool armed;          /* an event will come, or is there */
};

/*
 * Begins with `dir`, and `other` unless that is NULL; both are borrowed. Returns 0, or -1 with
 * errno: then fd is -1.
 */
int spool_watch_open(struct spool_watch *watch, const char *dir, const char *other);

/*
 * Asks for one event. A standing watch would have every writer queue an event for every append,
 * which costs the writers more than it is worth to us. Earlier writes produce no event. Returns 0,
 * or -1 with errno.
 */
int spool_watch_arm(struct spool_watch *watch);

/* Reads what there is. Returns whether it was about a file that writers write. */
bool spool_watch_read(struct spool_watch *watch);

void spool_watch_close(struct spool_watch *watch);

#endif
