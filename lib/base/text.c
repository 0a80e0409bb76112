#include "lib/base/text.h"

#include <string.h>

enum { PORT_MAX = 65535 };

struct text text_of(const char *string)
{
    return (struct text){string, string != NULL ? strlen(string) : 0};
}

struct text text_trim(struct text text)
{
    while (text.len > 0 && text_is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && text_is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

int text_parse_uint(struct text text, uint64_t *value)
{
    uint64_t n = 0;

    if (text.len == 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || __builtin_mul_overflow(n, UINT64_C(10), &n) ||
            __builtin_add_overflow(n, (uint64_t)(text.at[i] - '0'), &n))
            return -1;
    }
    *value = n;
    return 0;
}

int text_split_host_port(struct text text, struct text *host, struct text *port)
{
    const bool bracketed = text.len > 0 && text.at[0] == '[';
    const char *const end = text.at + text.len;
    const char *host_end;
    uint64_t number;

    if (bracketed) {
        text.at++;
        text.len--;
    }
    host_end = text.len > 0 ? memchr(text.at, bracketed ? ']' : ':', text.len) : NULL;
    if (host_end == NULL && bracketed)
        return -1;
    if (host_end == NULL)
        host_end = end;
    *host = (struct text){text.at, (size_t)(host_end - text.at)};
    *port = (struct text){NULL, 0};
    if (bracketed)
        host_end++;
    if (host->len == 0 || memchr(host->at, '[', host->len) != NULL ||
        memchr(host->at, ']', host->len) != NULL || (host_end < end && *host_end != ':'))
        return -1;
    if (end - host_end <= 1)
        return 0;
    *port = (struct text){host_end + 1, (size_t)(end - host_end) - 1};
    return text_parse_uint(*port, &number) == 0 && number <= PORT_MAX ? 0 : -1;
}

bool text_is_near(const char *text, const char *name, unsigned left)
{
    /* The first difference decides which changes are worth trying, so this looks at few of them. */
    while (*text != '\0' && *text == *name) {
        text++;
        name++;
    }
    if (*text == *name)
        return true;
    if (left == 0)
        return false;
    if (*text != '\0' && text_is_near(text + 1, name, left - 1))
        return true;
    if (*name != '\0' && text_is_near(text, name + 1, left - 1))
        return true;
    if (*text == '\0' || *name == '\0')
        return false;
    return text_is_near(text + 1, name + 1, left - 1) ||
           (text[0] == name[1] && text[1] == name[0] && text_is_near(text + 2, name + 2, left - 1));
}
