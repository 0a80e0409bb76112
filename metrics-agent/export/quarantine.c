#include "metrics-agent/export/quarantine.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
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

/* The file for the next record: a new one where the last is full. Returns -1 with errno. */
static int open_file(const struct quarantine *q)
{
    char name[SPOOL_FILES_NAME_MAX], old[SPOOL_FILES_NAME_MAX];
    struct stat status;
    int fd;

    spool_files_quarantine(name, q->signal);
    fd = instance_file_open(q->dir_fd, name, O_WRONLY | O_APPEND | O_CREAT, &status);
    if (fd < 0 || (uint64_t)status.st_size < q->max_bytes)
        return fd;
    (void)close(fd);
    spool_files_quarantine_old(old, q->signal);
    if (renameat(q->dir_fd, name, q->dir_fd, old) != 0)
        return -1;
    return instance_file_open(q->dir_fd, name, O_WRONLY | O_APPEND | O_CREAT, NULL);
}

static int append(const struct quarantine *q, const char *line, size_t len)
{
    const int fd = open_file(q);
    ssize_t written;
    int error;

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
