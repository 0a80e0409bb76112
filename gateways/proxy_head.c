#include "gateways/proxy_head.h"

#include "lib/base/text.h"

#include <string.h>
#include <strings.h>

enum {
    STATUS_MIN = 100,
    STATUS_MAX = 599, /* RFC 9110 section 15: others are no status */
};

static const char request_id_name[] = "X-Request-ID";

/* The line at `bytes` without its end, and in *size all of it; at NULL if it does not end. */
static struct text line_at(const char *bytes, size_t left, size_t *size)
{
    const char *const end = memchr(bytes, '\n', left);
    struct text line = {NULL, 0};

    if (end == NULL)
        return line;
    *size = (size_t)(end - bytes) + 1;
    line = (struct text){bytes, *size - 1};
    if (line.len > 0 && bytes[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* RFC 9110 section 5.1: a token and a colon. Blanks before the colon are tolerated, as servers do.
 */
static bool split(struct text line, struct text *name, struct text *value)
{
    const char *const colon = memchr(line.at, ':', line.len);

    if (colon == NULL || colon == line.at)
        return false;
    *name = text_trim((struct text){line.at, (size_t)(colon - line.at)});
    *value = text_trim((struct text){colon + 1, line.len - (size_t)(colon - line.at) - 1});
    if (name->len == 0)
        return false;
    for (size_t i = 0; i < name->len; i++) {
        if ((unsigned char)name->at[i] <= ' ' || name->at[i] == 0x7f)
            return false;
    }
    return true;
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

/* "HTTP/1.1 200 OK", as programs begin that think that they talk to the client. */
static int read_status_line(struct text line)
{
    const char *const blank = memchr(line.at, ' ', line.len);

    if (blank == NULL || line.len < 5 || memcmp(line.at, "HTTP/", 5) != 0)
        return -1;
    return read_status((struct text){blank + 1, line.len - (size_t)(blank - line.at) - 1});
}

enum proxy_head_result proxy_head_read(struct proxy_head *head, const char *bytes, size_t size)
{
    bool redirects = false;
    struct text line, name, value;
    size_t at = 0, line_size;
    uint64_t length;

    *head = (struct proxy_head){.length = PROXY_HEAD_LENGTH_UNKNOWN};
    while ((line = line_at(bytes + at, size - at, &line_size)).at != NULL) {
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
        if (first && (head->status = read_status_line(line)) > 0)
            continue;
        if (first)
            head->status = 0;
        /* A folded line (RFC 9112 section 5.2) belongs to the field before it. */
        if (!first && text_is_blank(line.at[0]))
            continue;
        if (!split(line, &name, &value))
            return PROXY_HEAD_BAD;
        if (is_named(name, "Status")) {
            head->status = read_status(value);
            if (head->status < 0)
                return PROXY_HEAD_BAD;
        } else if (is_named(name, "Location")) {
            redirects = true;
        } else if (is_named(name, "Content-Length") && text_parse_uint(value, &length) == 0 &&
                   length <= INT64_MAX) {
            head->length = (int64_t)length;
        }
    }
    return PROXY_HEAD_PARTIAL;
}

size_t proxy_head_write(char *out, const char *bytes, size_t size, const char *request_id)
{
    char *to = out;
    struct text line, name, value;
    size_t line_size;
    bool ours = false;

    for (size_t at = 0; at < size && (line = line_at(bytes + at, size - at, &line_size)).at != NULL;
         at += line_size) {
        if (line.len == 0)
            break;
        if (!text_is_blank(line.at[0]))
            ours = split(line, &name, &value) && is_named(name, request_id_name);
        if (!ours)
            to = mempcpy(to, bytes + at, line_size);
    }
    to = mempcpy(to, request_id_name, sizeof(request_id_name) - 1);
    to = mempcpy(to, ": ", 2);
    to = mempcpy(to, request_id, strlen(request_id));
    to = mempcpy(to, "\r\n\r\n", 4);
    return (size_t)(to - out);
}
