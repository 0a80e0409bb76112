#include "metrics-agent/page/page_query.h"

#include "lib/base/text.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { PIECE_MAX = PAGE_FIND_MAX, HOST_MAX = 256 };

const char *const page_query_lists[PAGE_LISTS] = {[PAGE_LIST_NONE] = "",
                                                  [PAGE_LIST_LATEST] = "latest",
                                                  [PAGE_LIST_SLOWEST] = "slowest",
                                                  [PAGE_LIST_ERRORS] = "errors"};

const unsigned page_query_ranges[PAGE_QUERY_RANGES] = {5, 15, 60};

/*
 * Decodes application/x-www-form-urlencoded text (URL Standard, section 5.1). Returns false where
 * it does not fit, an escape is none, or a NUL would end the text early.
 */
static bool decode(char out[PIECE_MAX], const char *at, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)at[i];

        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%') {
            byte = len - i < 3 ? -1 : text_hex_byte(at + i + 1);
            i += 2;
        }
        if (byte <= 0 || n + 1 >= PIECE_MAX)
            return false;
        out[n++] = (char)byte;
    }
    out[n] = '\0';
    return true;
}

static bool set_minutes(struct page_query *query, const char *value)
{
    uint64_t minutes;

    if (text_parse_uint(text_of(value), &minutes) != 0)
        return false;
    for (int i = 0; i < PAGE_QUERY_RANGES; i++) {
        if (minutes == page_query_ranges[i]) {
            query->minutes = page_query_ranges[i];
            return true;
        }
    }
    return false;
}

static bool set_list(struct page_query *query, const char *value)
{
    for (int i = 0; i < PAGE_LISTS; i++) {
        if (strcmp(value, page_query_lists[i]) == 0) {
            query->list = (enum page_list)i;
            return true;
        }
    }
    return false;
}

/* Returns NULL, or what is wrong. */
static const char *set(struct page_query *query, const char *name, const char *value)
{
    if (strcmp(name, "minutes") == 0)
        return set_minutes(query, value) ? NULL : "minutes has to be 5, 15 or 60";
    if (strcmp(name, "by") == 0)
        return set_list(query, value) ? NULL : "by has to be latest, slowest or errors";
    if (strcmp(name, "find") == 0)
        memcpy(query->find, value, strlen(value) + 1);
    else if (strcmp(name, "trace") == 0)
        memcpy(query->trace, value, strlen(value) + 1);
    else if (strcmp(name, "part") == 0)
        query->part = strcmp(value, "traces") == 0;
    else if (strcmp(name, "after") == 0 && text_parse_uint(text_of(value), &query->after) != 0)
        return "after has to be a whole number";
    return NULL;
}

int page_query_parse(struct page_query *query, const char *text, const char **why)
{
    *query = (struct page_query){.minutes = 5};
    while (*text != '\0') {
        const size_t len = strcspn(text, "&"), name_len = strcspn(text, "&=");
        const size_t skip = name_len < len ? name_len + 1 : len;
        char name[PIECE_MAX], value[PIECE_MAX];

        if (!decode(name, text, name_len) || !decode(value, text + skip, len - skip)) {
            *why = "a name or value can't be used: at most 255 bytes, with whole %XX escapes";
            return -1;
        }
        *why = set(query, name, value);
        if (*why != NULL)
            return -1;
        text += len + (text[len] == '&');
    }
    return 0;
}

bool page_query_wants_traces(const struct page_query *query)
{
    return query->list != PAGE_LIST_NONE || query->find[0] != '\0' || query->trace[0] != '\0';
}

bool page_query_same_traces(const struct page_query *a, const struct page_query *b)
{
    return a->list == b->list && a->minutes == b->minutes && strcmp(a->find, b->find) == 0 &&
           strcmp(a->trace, b->trace) == 0;
}

/* Takes HOST of HOST:PORT; false if it can't be one. */
static bool host_of(char out[HOST_MAX], const char *text)
{
    struct text host, port;

    if (text == NULL || text_split_host_port(text_of(text), &host, &port) != 0 ||
        host.len >= HOST_MAX)
        return false;
    memcpy(out, host.at, host.len);
    out[host.len] = '\0';
    return true;
}

bool page_query_host(const char *host, const char *listen)
{
    char name[HOST_MAX], own[HOST_MAX];
    struct in6_addr address;

    if (!host_of(name, host))
        return false;
    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1 ||
           strcasecmp(name, "localhost") == 0 ||
           (host_of(own, listen) && strcasecmp(name, own) == 0);
}
