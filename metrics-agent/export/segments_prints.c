#include "metrics-agent/export/segments_prints.h"

#include "lib/spool/checkpoint.h"

int segments_prints_settled(struct segment *segment)
{
    const bool into = segment->file.in_line > 0;

    segment->print_offset = 0;
    if (checkpoint_fingerprint(segment->fd, segment->file.offset, into, &segment->print) != 0)
        return -1;
    segment->print_offset = segment->file.offset;
    segment->print_into = into;
    return 0;
}

/* Whether the file still has before `offset` what it had. */
static bool has(const struct segment *segment, uint64_t offset, bool into, uint32_t print)
{
    uint32_t now;

    return checkpoint_fingerprint(segment->fd, offset, into, &now) == 0 && now == print;
}

bool segments_prints_has_settled(const struct segment *segment)
{
    const uint64_t offset = segment->file.offset;

    return segment->file.size >= offset &&
           ((offset == 0 && segment->file.in_line == 0) || offset != segment->print_offset ||
            has(segment, offset, segment->print_into, segment->print));
}

bool segments_prints_has_counted(const struct segment *segment)
{
    const uint64_t counted = segment->file.counted;

    return segment->file.size >= counted && (counted == 0 || counted != segment->mark_offset ||
                                             has(segment, counted, false, segment->mark));
}

int segments_prints_take(struct segments *s, struct segment *segment)
{
    int result;

    if (segment->print_offset == segment->file.offset &&
        segment->print_into == (segment->file.in_line > 0))
        return 0;
    if (segments_list_open_file(s, segment) != 0)
        return -1;
    result = segments_prints_settled(segment);
    segments_list_close_file(s, segment);
    return result;
}
