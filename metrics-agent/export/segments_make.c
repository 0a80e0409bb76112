#include "metrics-agent/export/segments_make.h"

#include <errno.h>

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

int segments_make_known(struct segments *s, uint64_t seq)
{
    struct segment made = {.file = {.seq = seq}, .fd = -1};

    if (spool_segment_stat(&made.file, s->signal, s->dir_fd) != 0)
        return -1;
    if (segments_list_add(s, &made) != NULL)
        return 0;
    errno = ENOMEM;
    return -1;
}
