#include "http/routes.h"

#include "lib/base/utf8.h"

#include <stdbool.h>

static bool is_name(struct text name)
{
    return name.len > 0 && name.len <= ROUTES_PATTERN_MAX && utf8_valid(name.at, name.len);
}

/* A star stands at the end alone, and a brace opens and closes a whole segment. */
static bool is_pattern(struct text pattern)
{
    if (!is_name(pattern) || pattern.at[0] != '/')
        return false;
    for (size_t i = 1; i < pattern.len; i++) {
        if (pattern.at[i] == '}' || (pattern.at[i] == '*' && i + 1 < pattern.len))
            return false;
        if (pattern.at[i] != '{')
            continue;
        if (pattern.at[i - 1] != '/')
            return false;
        while (i < pattern.len && pattern.at[i] != '}' && pattern.at[i] != '/')
            i++;
        if (i == pattern.len || pattern.at[i] != '}' ||
            (i + 1 < pattern.len && pattern.at[i + 1] != '/'))
            return false;
    }
    return true;
}

static int add(struct routes *routes, struct text entry)
{
    struct routes_entry *const into = &routes->entries[routes->count];
    const char *const equals = memchr(entry.at, '=', entry.len);
    struct text name;

    if (routes->count == ROUTES_MAX)
        return -1;
    into->pattern = name = entry;
    if (equals != NULL) {
        into->pattern = text_trim((struct text){entry.at, (size_t)(equals - entry.at)});
        name = text_trim((struct text){equals + 1, entry.len - (size_t)(equals + 1 - entry.at)});
    }
    if (!is_pattern(into->pattern) || !is_name(name))
        return -1;
    memcpy(into->name, name.at, name.len);
    into->name[name.len] = '\0';
    routes->count++;
    return 0;
}

int routes_parse(struct routes *routes, const char *list)
{
    routes->count = 0;
    while (list != NULL && *list != '\0') {
        const size_t len = strcspn(list, ",");
        const struct text entry = text_trim((struct text){list, len});

        if (entry.len > 0 && add(routes, entry) != 0)
            return -1;
        list += len + (list[len] == ',');
    }
    return 0;
}

/* Both sides advance together; neither is looked at twice. */
static bool fits(struct text pattern, struct text path)
{
    size_t i = 0, at = 0;

    while (i < pattern.len) {
        if (pattern.at[i] == '*')
            return true;
        if (pattern.at[i] == '{') {
            const size_t begin = at;

            while (pattern.at[i] != '}')
                i++;
            i++;
            while (at < path.len && path.at[at] != '/')
                at++;
            if (at == begin)
                return false;
        } else if (at == path.len || path.at[at++] != pattern.at[i++]) {
            return false;
        }
    }
    return at == path.len;
}

int routes_find(const struct routes *routes, struct text path)
{
    for (size_t i = 0; i < routes->count; i++) {
        if (fits(routes->entries[i].pattern, path))
            return (int)i;
    }
    return ROUTES_NONE;
}
