#include "gateways/cgi_head.h"

#include "lib/base/text.h"

#include <string.h>
#include <strings.h>

enum { STATUS_MIN = 200, STATUS_MAX = 599 };

static const char request_id_name[] = "X-Request-ID";
static const char protocol[] = "HTTP/";

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

/* The line at the front without its end, and in *size all of it. There is one. */
static struct text line_at(const char *bytes, size_t left, size_t *size)
{
    const char *const end = memchr(bytes, '\n', left);
    struct text line = {bytes, (size_t)(end - bytes)};

    *size = line.len + 1;
    if (line.len > 0 && bytes[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* RFC 9110 section 5.1: a token and a colon. */
static int split(struct text line, struct text *name, struct text *value)
{
    const char *const colon = memchr(line.at, ':', line.len);

    if (colon == NULL || colon == line.at)
        return -1;
    *name = (struct text){line.at, (size_t)(colon - line.at)};
    *value = text_trim((struct text){colon + 1, line.len - name->len - 1});
    for (size_t i = 0; i < name->len; i++) {
        if ((unsigned char)name->at[i] <= ' ' || name->at[i] == 0x7f)
            return -1;
    }
    return 0;
}

static bool is_named(struct text name, const char *word)
{
    return name.len == strlen(word) && strncasecmp(name.at, word, name.len) == 0;
}

/* The three digits at the front, and nothing that makes them a longer word; or -1. */
static int read_status(struct text value)
{
    uint64_t status;

    if (value.len < 3 || (value.len > 3 && !text_is_blank(value.at[3])) ||
        text_parse_uint((struct text){value.at, 3}, &status) != 0 || status < STATUS_MIN ||
        status > STATUS_MAX)
        return -1;
    return (int)status;
}

/* What stands behind the protocol's version in a status line; nothing in another line. */
static struct text status_of_line(struct text line)
{
    const size_t prefix = sizeof(protocol) - 1;
    const char *const blank = memchr(line.at, ' ', line.len);

    if (blank == NULL || line.len < prefix || memcmp(line.at, protocol, prefix) != 0)
        return (struct text){NULL, 0};
    return text_trim((struct text){blank, line.len - (size_t)(blank - line.at)});
}

static int read_field(struct cgi_head *head, struct text name, struct text value, bool *has_field)
{
    uint64_t length;

    if (is_named(name, "Status")) {
        head->status = read_status(value);
        *has_field = true;
        return head->status < 0 ? -1 : 0;
    }
    if (is_named(name, "Location") && head->status == 0)
        head->status = -302;
    if (is_named(name, "Location") || is_named(name, "Content-Type"))
        *has_field = true;
    if (is_named(name, "Content-Length") && text_parse_uint(value, &length) == 0 &&
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
    if (memchr(bytes, '\0', size) != NULL)
        return -1;
    for (size_t at = 0; at < size; at += line_size) {
        line = line_at(bytes + at, size - at, &line_size);
        if (line.len == 0)
            break;
        value = at == 0 ? status_of_line(line) : (struct text){NULL, 0};
        if (value.at != NULL) {
            name = text_of("Status");
        } else if (text_is_blank(line.at[0])) {
            /* A folded line (RFC 9112 section 5.2) belongs to the field before it. */
            if (at == 0)
                return -1;
            continue;
        } else if (split(line, &name, &value) != 0) {
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

size_t cgi_head_write(char *out, const char *bytes, size_t size, const char *request_id)
{
    char *to = out;
    struct text line, name, value, status;
    size_t line_size;
    bool ours = false;

    for (size_t at = 0; at < size; at += line_size) {
        line = line_at(bytes + at, size - at, &line_size);
        if (line.len == 0)
            break;
        status = at == 0 ? status_of_line(line) : (struct text){NULL, 0};
        if (status.at != NULL) {
            to = mempcpy(to, "Status: ", 8);
            to = mempcpy(to, status.at, status.len);
            to = mempcpy(to, "\r\n", 2);
            continue;
        }
        if (!text_is_blank(line.at[0]))
            ours = split(line, &name, &value) == 0 && is_named(name, request_id_name);
        if (!ours)
            to = mempcpy(to, bytes + at, line_size);
    }
    to = mempcpy(to, request_id_name, sizeof(request_id_name) - 1);
    to = mempcpy(to, ": ", 2);
    to = mempcpy(to, request_id, strlen(request_id));
    to = mempcpy(to, "\r\n\r\n", 4);
    return (size_t)(to - out);
}
