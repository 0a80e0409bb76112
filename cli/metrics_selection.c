#include "cli/metrics_selection.h"

#include "lib/metrics/rules.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static char *const *names;
static size_t name_count;

static bool matches(const char *pattern, const char *name)
{
    static const char total[] = "_total";
    const size_t len = strlen(name), end = sizeof(total) - 1;
    char base[METRICS_NAME_MAX + 1];

    if (fnmatch(pattern, name, 0) == 0)
        return true;
    if (len <= end || len >= sizeof(base) || strcmp(name + len - end, total) != 0)
        return false;
    (void)snprintf(base, sizeof(base), "%.*s", (int)(len - end), name);
    return fnmatch(pattern, base, 0) == 0;
}

void metrics_selection_set(char *const *all, size_t count)
{
    names = all;
    name_count = count;
}

bool metrics_selection_has(const char *name)
{
    for (size_t i = 0; i < name_count; i++) {
        if (matches(names[i], name))
            return true;
    }
    return name_count == 0;
}

bool metrics_selection_is_all(void)
{
    return name_count == 0;
}

const char *metrics_selection_unmatched(const struct metrics_reader *reader,
                                        const char *const *more)
{
    size_t count;
    struct metrics_reader_family *const *families = metrics_reader_families(reader, &count);

    for (size_t n = 0; n < name_count; n++) {
        const char *const *other = more;
        size_t f = 0;

        while (f < count && !matches(names[n], families[f]->name))
            f++;
        while (*other != NULL && !matches(names[n], *other))
            other++;
        if (f == count && *other == NULL)
            return names[n];
    }
    return NULL;
}

const char *metrics_selection_kind(enum metrics_kind kind)
{
    switch (kind) {
    case METRICS_COUNTER:
        return "counter";
    case METRICS_GAUGE:
    case METRICS_LIVE_GAUGE:
        return "gauge";
    case METRICS_HISTOGRAM:
        return "histogram";
    }
    return "unknown";
}

double metrics_selection_units(const struct metrics_reader_family *family, double steps)
{
    return steps / metrics_rules_steps_per_unit(family->resolution);
}
