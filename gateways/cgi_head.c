#include "gateways/cgi_head.h"

#include "gateways/head_line.h"

#include <string.h>

enum { STATUS_MIN = 200 /* a CGI script has no interim answers */ };

size_t cgi_head_size(const char *bytes, size_t size, size_t from)
{
    const char *at = bytes + (from > 3 ? from - 3 : 0), *const end = bytes + size;

    for (; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        if (at == bytes || (at == bytes + 1 && at[-1] == '\r'))
            return (size_t)(at - bytes) + 1;
        if (at + 1 < end && at[1] == '\n')
            return (size_t)(at - bytes) + 2;
        if (at + 2 < end && at[1] == '\r' && at[2] == '\n')
            return (size_t)(at - bytes) + 3;
    }
    return 0;
}

/* No blank before the colon, as RFC 9112 section 5.1 has it. */
static bool is_field(struct text line, struct text *name, struct text *value)
{
    return head_line_split(line, name, value) && name->at[name->len] == ':';
}

static int read_field(struct cgi_head *head, struct text name, struct text value, bool *has_field)
{
    uint64_t length;

    if (head_line_is(name, "Status")) {
        head->status = head_line_status(value, STATUS_MIN);
        *has_field = true;
        return head->status < 0 ? -1 : 0;
    }
    if (head_line_is(name, "Location") && head->status == 0)
        head->status = -302;
    if (head_line_is(name, "Location") || head_line_is(name, "Content-Type"))
        *has_field = true;
    if (head_line_is(name, "Content-Length") && text_parse_uint(value, &length) == 0 &&
        length <= INT64_MAX)
        head->length = (int64_t)length;
    return 0;
}

int cgi_head_read(struct cgi_head *head, const char *bytes, size_t size)
{
    struct text line, name, value;
    bool has_field = false;
    size_t line_size;

    *head = (struct cgi_head){.length = CGI_HEAD_LENGTH_UNKNOWN};
    for (size_t at = 0; at < size; at += line_size) {
        line = head_line_at(bytes + at, size - at, &line_size);
        if (line.len == 0)
            break;
        if (!head_line_is_clean(line))
            return -1;
        value = at == 0 ? head_line_of_protocol(line) : (struct text){NULL, 0};
        if (value.at != NULL) {
            name = text_of("Status");
        } else if (text_is_blank(line.at[0])) {
            /* A folded line (RFC 9112 section 5.2) belongs to the field before it. */
            if (at == 0)
                return -1;
            continue;
        } else if (!is_field(line, &name, &value)) {
            return -1;
        }
        if (read_field(head, name, value, &has_field) != 0)
            return -1;
    }
    if (head->status == 0)
        head->status = 200;
    if (head->status < 0)
        head->status = -head->status;
    return has_field ? 0 : -1;
}
