#include "lib/trace/baggage.h"

#include "lib/base/text.h"

#include <stdbool.h>
#include <string.h>

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* baggage-octet: visible ASCII without the double quote, the comma, ';' and the backslash. */
static bool is_octet(char c)
{
    return c > ' ' && c < 0x7f && strchr("\",;\\", c) == NULL;
}

static const char *skip(const char *at, bool (*of)(char))
{
    while (of(*at))
        at++;
    return at;
}

/* key OWS "=" OWS value, or a key alone if `bare` allows it. Returns its end, or NULL. */
static const char *pair(const char *at, bool bare)
{
    const char *end = skip(at, is_token_char);
    const char *equals = skip(end, text_is_blank);

    if (end == at)
        return NULL;
    if (*equals != '=')
        return bare ? end : NULL;
    return skip(skip(equals + 1, text_is_blank), is_octet);
}

/* A member with its properties. Returns its end, without blanks behind it, or NULL. */
static const char *member(const char *at)
{
    const char *end = pair(at, false);

    while (end != NULL) {
        const char *next = skip(end, text_is_blank);

        if (*next != ';')
            return end;
        end = pair(skip(next + 1, text_is_blank), true);
    }
    return NULL;
}

size_t baggage_length(const char *text)
{
    const char *at = skip(text, text_is_blank);
    size_t length = 0;

    for (unsigned count = 1;; count++) {
        const char *end = member(at);

        if (end == NULL)
            return 0;
        if (count <= BAGGAGE_MEMBERS_MAX && (size_t)(end - text) <= BAGGAGE_SIZE_MAX)
            length = (size_t)(end - text);
        at = skip(end, text_is_blank);
        if (*at == '\0')
            return length;
        if (*at != ',')
            return 0;
        at = skip(at + 1, text_is_blank);
    }
}
