#include "metrics-agent/export/segments_make.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { STRAY_MS = 1000 /* between two looks for an active file in the other tier */ };

uint64_t segments_make_number(struct segments *s)
{
    struct segment *const active = segments_list_active(s);
    const size_t sealed = s->count - (active != NULL);
    uint64_t seq = s->active_seq;

    if (seq > SPOOL_FILES_SEQ_MAX) {
        /* Somebody else's had the highest number there is; once it is gone we begin anew. */
        seq = sealed > 0 ? s->list[sealed - 1].file.seq + 1 : 1;
        return seq > SPOOL_FILES_SEQ_MAX ? 0 : seq;
    }
    s->active_seq++;
    if (active != NULL && s->held_seq == active->file.seq)
        s->held_seq = s->active_seq;
    if (active != NULL)
        active->file.seq = s->active_seq;
    return seq;
}

int segments_make_sealed(struct segments *s, bool in_memory, uint64_t seq)
{
    const int dir_fd = segments_list_dir(s, in_memory);
    char from[SPOOL_FILES_NAME_MAX], to[SPOOL_FILES_NAME_MAX];

    spool_files_active(from, s->signal);
    spool_files_sealed(to, s->signal, seq);
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    /* A file system without the flag; we are alone in giving out numbers. */
    if (errno == EINVAL || errno == ENOSYS)
        return renameat(dir_fd, from, dir_fd, to);
    return -1;
}

void segments_make_of_stray(struct segments *s)
{
    struct segment stray = {.file = {.active = true, .in_memory = !segments_active_in_memory(s)},
                            .fd = -1};
    uint64_t now_ns;

    if (s->dirs.memory_fd < 0)
        return;
    now_ns = clock_monotonic_ns();
    if (now_ns < s->stray_ns ||
        spool_segment_stat(&stray.file, s->signal, segments_list_dir(s, stray.file.in_memory)) != 0)
        return;
    /* While writers find no room in memory they make another one at once. */
    s->stray_ns = now_ns + clock_ms_to_ns(STRAY_MS);
    stray.file.seq = segments_make_number(s);
    if (stray.file.seq == 0 || segments_make_sealed(s, stray.file.in_memory, stray.file.seq) != 0)
        return;
    stray.file.active = false;
    (void)segments_list_add(s, &stray);
}

int segments_make_known(struct segments *s, uint64_t seq)
{
    struct segment made = {.file = {.seq = seq}, .fd = -1};

    if (spool_segment_stat(&made.file, s->signal, s->dirs.disk_fd) != 0)
        return -1;
    if (segments_list_add(s, &made) != NULL)
        return 0;
    errno = ENOMEM;
    return -1;
}
