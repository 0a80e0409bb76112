#include "lib/base/shown_url.h"

#include <stdio.h>
#include <string.h>

/* Where user name and password begin, if there are any. */
static const char *find_authority(const char *url)
{
    const char *const scheme = strstr(url, "://");

    if (scheme != NULL)
        return scheme + 3;
    return url + strspn(url, "/ \t");
}

/* Whether a colon in the authority, of `len` bytes, stands before something else than a port. */
static int has_no_port(const char *authority, size_t len)
{
    const char *const colon = memrchr(authority, ':', len);
    const size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;

    return colon != NULL && memchr(colon, ']', len - (size_t)(colon - authority)) == NULL &&
           (digits == 0 || colon + 1 + digits < authority + len);
}

void shown_url(char *out, size_t size, const char *url)
{
    const char *const authority = find_authority(url);
    const size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *rest;
    size_t shown;

    if (at == NULL && has_no_port(authority, len))
        at = strrchr(authority, '@');
    rest = at != NULL ? at : authority;
    shown = strcspn(rest, "?#");
    (void)snprintf(out, size, "%.*s%s%.*s%s", (int)(authority - url), url,
                   at != NULL ? "REDACTED" : "", (int)shown, rest,
                   rest[shown] != '\0' ? "?REDACTED" : "");
}
