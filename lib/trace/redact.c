#include "lib/trace/redact.h"

#include <stdbool.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 128 }; /* of a name in a query; none that is longer is a secret's */

static const char convention[] = "X-Amz-Signature,X-Amz-Credential,X-Amz-Security-Token,"
                                 "AWSAccessKeyId,Signature,sig,X-Goog-Signature";
static const char replacement[] = "REDACTED";

/* Whether `name` stands in a list with commas. */
static bool is_listed(struct text name, const char *list)
{
    while (*list != '\0') {
        const size_t len = strcspn(list, ",");
        const struct text one = text_trim((struct text){list, len});

        if (one.len == name.len && name.len > 0 && memcmp(one.at, name.at, name.len) == 0)
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

static bool is_secret(struct text name, const char *more)
{
    char decoded[NAME_MAX_LENGTH];
    struct text plain = {decoded, 0};

    for (size_t i = 0; i < name.len; i++) {
        int byte = -1;

        if (plain.len == sizeof(decoded))
            return false;
        if (name.at[i] == '%' && name.len - i > 2)
            byte = text_hex_byte(name.at + i + 1);
        decoded[plain.len++] = byte >= 0 ? (char)byte : name.at[i];
        i += byte >= 0 ? 2 : 0;
    }
    return is_listed(plain, convention) || (more != NULL && is_listed(plain, more));
}

/* The next name=value of a query, from *at to its '&' or the end; false after the last. */
static bool next_pair(const char **at, const char *end, struct text *name, struct text *pair)
{
    const char *stop, *equals;

    if (*at >= end)
        return false;
    stop = memchr(*at, '&', (size_t)(end - *at));
    if (stop == NULL)
        stop = end;
    *pair = (struct text){*at, (size_t)(stop - *at)};
    equals = memchr(*at, '=', pair->len);
    *name = (struct text){*at, equals != NULL ? (size_t)(equals - *at) : 0};
    *at = stop + 1;
    return true;
}

static void put(char *out, size_t *len, const char *text, size_t n)
{
    if (n > REDACT_QUERY_MAX - *len)
        n = REDACT_QUERY_MAX - *len;
    memcpy(out + *len, text, n);
    *len += n;
}

struct text redact_query(char out[REDACT_QUERY_MAX], struct text query, const char *more)
{
    const char *at = query.at, *const end = query.at + query.len;
    struct text name, pair;
    bool found = false;
    size_t len = 0;

    while (!found && next_pair(&at, end, &name, &pair))
        found = is_secret(name, more);
    if (!found)
        return query;
    at = query.at;
    while (next_pair(&at, end, &name, &pair)) {
        if (is_secret(name, more)) {
            put(out, &len, pair.at, name.len + 1);
            put(out, &len, replacement, sizeof(replacement) - 1);
        } else {
            put(out, &len, pair.at, pair.len);
        }
        if (at <= end)
            put(out, &len, "&", 1);
    }
    return (struct text){out, len};
}
