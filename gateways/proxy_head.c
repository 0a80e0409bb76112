#include "gateways/proxy_head.h"

#include "gateways/head_line.h"

#include <string.h>

enum { STATUS_MIN = 100 };

enum proxy_head_result proxy_head_read(struct proxy_head *head, const char *bytes, size_t size)
{
    bool redirects = false;
    struct text line, name, value;
    size_t at = 0, line_size;
    uint64_t length;

    *head = (struct proxy_head){.length = PROXY_HEAD_LENGTH_UNKNOWN};
    while ((line = head_line_at(bytes + at, size - at, &line_size)).at != NULL) {
        const bool first = at == 0;

        at += line_size;
        if (line.len == 0) {
            if (first)
                return PROXY_HEAD_BAD;
            head->size = at;
            if (head->status == 0)
                head->status = redirects ? 302 : 200;
            return PROXY_HEAD_DONE;
        }
        if (!head_line_is_clean(line))
            return PROXY_HEAD_BAD;
        if (first && (head->status = head_line_status(head_line_of_protocol(line), STATUS_MIN)) > 0)
            continue;
        if (first)
            head->status = 0;
        /* A folded line (RFC 9112 section 5.2) belongs to the field before it. */
        if (!first && text_is_blank(line.at[0]))
            continue;
        if (!head_line_split(line, &name, &value))
            return PROXY_HEAD_BAD;
        if (head_line_is(name, "Status")) {
            head->status = head_line_status(value, STATUS_MIN);
            if (head->status < 0)
                return PROXY_HEAD_BAD;
        } else if (head_line_is(name, "Location")) {
            redirects = true;
        } else if (head_line_is(name, "Content-Length") && text_parse_uint(value, &length) == 0 &&
                   length <= INT64_MAX) {
            head->length = (int64_t)length;
        }
    }
    return PROXY_HEAD_PARTIAL;
}
