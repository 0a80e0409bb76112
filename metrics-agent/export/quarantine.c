#include "metrics-agent/export/quarantine.h"

#include "lib/base/clock.h"
#include "lib/base/json_writer.h"
#include "lib/spool/files.h"
#include "lib/spool/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FRAME_MAX = 2048, /* the line without its record */
    WORST_GROWTH = 6, /* a byte as \u00xx */
};

static void rotate(const struct quarantine *q, const char *name)
{
    char old[SPOOL_FILES_NAME_MAX];
    struct stat status;

    if (fstatat(q->dir_fd, name, &status, 0) != 0 || (uint64_t)status.st_size < q->max_bytes)
        return;
    spool_files_quarantine_old(old, q->signal);
    (void)renameat(q->dir_fd, name, q->dir_fd, old);
}

static int append(const struct quarantine *q, const char *line, size_t len)
{
    char name[SPOOL_FILES_NAME_MAX];
    ssize_t written;
    int fd, error;

    spool_files_quarantine(name, q->signal);
    rotate(q, name);
    fd = openat(q->dir_fd, name,
                O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0660);
    if (fd < 0)
        return -1;
    written = write(fd, line, len);
    error = written < 0 ? errno : ENOSPC;
    (void)close(fd);
    if (written == (ssize_t)len)
        return 0;
    errno = error;
    return -1;
}

int quarantine_add(const struct quarantine *q, const char *reason, const char *detail,
                   const char *record, size_t len, uint64_t full_len)
{
    size_t kept = len < SPOOL_RECORD_MAX ? len : SPOOL_RECORD_MAX;
    size_t cap = kept * WORST_GROWTH + FRAME_MAX;
    char *line = malloc(cap), now[CLOCK_ISO8601_SIZE];
    struct json_writer w;
    int result;

    if (line == NULL)
        return -1;
    clock_iso8601(now, clock_unix_ns());
    json_writer_init(&w, line, cap);
    json_writer_begin_object(&w);
    json_writer_key(&w, "asctime");
    json_writer_string(&w, now);
    json_writer_key(&w, "reason");
    json_writer_string(&w, reason);
    json_writer_key(&w, "detail");
    json_writer_string(&w, detail);
    json_writer_key(&w, "length");
    json_writer_uint(&w, full_len);
    json_writer_key(&w, "record");
    json_writer_string_n(&w, record, kept);
    json_writer_end_object(&w);
    json_writer_bytes(&w, "\n", 1);
    if (w.overflow) {
        free(line);
        errno = EOVERFLOW;
        return -1;
    }
    result = append(q, line, w.len);
    free(line);
    return result;
}
