#include "gateways/head_line.h"

#include <string.h>
#include <strings.h>

enum { STATUS_MAX = 599 };

static const char request_id_name[] = "X-Request-ID";
static const char trace_name[] = "traceresponse";
static const char status_name[] = "Status";
static const char protocol[] = "HTTP/";

struct text head_line_at(const char *bytes, size_t left, size_t *size)
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

bool head_line_is_clean(struct text line)
{
    return memchr(line.at, '\r', line.len) == NULL && memchr(line.at, '\0', line.len) == NULL;
}

bool head_line_split(struct text line, struct text *name, struct text *value)
{
    const char *const colon = memchr(line.at, ':', line.len);

    if (colon == NULL)
        return false;
    *name = text_trim((struct text){line.at, (size_t)(colon - line.at)});
    *value = text_trim((struct text){colon + 1, line.len - (size_t)(colon - line.at) - 1});
    for (size_t i = 0; i < name->len; i++) {
        if ((unsigned char)name->at[i] <= ' ' || name->at[i] == 0x7f)
            return false;
    }
    return name->len > 0;
}

bool head_line_is(struct text name, const char *word)
{
    return name.len == strlen(word) && strncasecmp(name.at, word, name.len) == 0;
}

int head_line_status(struct text value, int least)
{
    uint64_t status;

    /* Nothing that makes them a longer word. */
    if (value.len < 3 || (value.len > 3 && !text_is_blank(value.at[3])) ||
        text_parse_uint((struct text){value.at, 3}, &status) != 0 || status < (uint64_t)least ||
        status > STATUS_MAX)
        return -1;
    return (int)status;
}

struct text head_line_of_protocol(struct text line)
{
    const size_t prefix = sizeof(protocol) - 1;
    const char *const blank = memchr(line.at, ' ', line.len);

    if (blank == NULL || line.len < prefix || memcmp(line.at, protocol, prefix) != 0)
        return (struct text){NULL, 0};
    return text_trim((struct text){blank, line.len - (size_t)(blank - line.at)});
}

static bool is_ours(struct text line)
{
    struct text name, value;

    return strchr("XxTt", line.at[0]) != NULL && head_line_split(line, &name, &value) &&
           (head_line_is(name, request_id_name) || head_line_is(name, trace_name));
}

static char *put_field(char *to, const char *name, const char *value)
{
    to = stpcpy(stpcpy(stpcpy(to, name), ": "), value);
    return mempcpy(to, "\r\n", 2);
}

static char *put_ours(char *to, const struct head_line_ours *ours)
{
    char trace[TRACE_CONTEXT_PARENT_SIZE];

    trace_context_format(trace, ours->trace);
    to = put_field(to, request_id_name, ours->request_id);
    to = put_field(to, trace_name, trace);
    return mempcpy(to, "\r\n", 2);
}

size_t head_line_write_head(char *out, const char *bytes, size_t size,
                            const struct head_line_ours *ours)
{
    char *to = out;
    struct text line, status;
    size_t line_size;
    bool dropped = false;

    for (size_t at = 0;
         at < size && (line = head_line_at(bytes + at, size - at, &line_size)).at != NULL;
         at += line_size) {
        if (line.len == 0)
            break;
        status = at == 0 ? head_line_of_protocol(line) : (struct text){NULL, 0};
        if (status.at != NULL) {
            to = mempcpy(to, status_name, sizeof(status_name) - 1);
            to = mempcpy(to, ": ", 2);
            to = mempcpy(to, status.at, status.len);
            to = mempcpy(to, "\r\n", 2);
            continue;
        }
        /* A folded line (RFC 9112 section 5.2) belongs to the field before it. */
        if (!text_is_blank(line.at[0]))
            dropped = is_ours(line);
        if (!dropped)
            to = mempcpy(to, bytes + at, line_size);
    }
    return (size_t)(put_ours(to, ours) - out);
}
