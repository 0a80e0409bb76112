#include "lib/metrics/rules.h"

#include "lib/base/utf8.h"
#include "lib/metrics/file.h"

#include <math.h>
#include <string.h>

size_t metrics_rules_label_count(const struct metrics_family_def *def)
{
    size_t n = 0;

    while (n < METRICS_LABELS_MAX && def->labels[n] != NULL)
        n++;
    return n;
}

double metrics_rules_resolution(const struct metrics_family_def *def)
{
    static const double steps[] = {1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1};
    const size_t last = sizeof(steps) / sizeof(steps[0]) - 1;
    double largest = 0;
    size_t i = 0;

    if (def->kind != METRICS_HISTOGRAM && def->kind != METRICS_COUNTER)
        return 0;
    if (def->resolution != 0 || def->kind == METRICS_COUNTER)
        return def->resolution;
    if (def->bound_count > 0)
        largest = fmax(fabs(def->bounds[0]), fabs(def->bounds[def->bound_count - 1]));
    for (uint64_t limit = 100; i < last && largest >= (double)limit; limit *= 10)
        i++;
    return steps[i];
}

double metrics_rules_steps_per_unit(double resolution)
{
    double steps = resolution > 0 ? 1 / resolution : 1;

    /* 1 / 1e-9 is not quite 1e9: an integer was meant. */
    return fabs(steps - nearbyint(steps)) <= 1e-12 * steps ? nearbyint(steps) : steps;
}

bool metrics_rules_name_valid(const char *name, bool colon)
{
    if (name == NULL || strlen(name) > METRICS_NAME_MAX || name[0] == '\0')
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' ||
                      (colon && *p == ':');
        if (!letter && (p == name || *p < '0' || *p > '9'))
            return false;
    }
    return true;
}

static bool ends_with(const char *text, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len >= n && memcmp(text + len - n, suffix, n) == 0;
}

static bool labels_valid(const struct metrics_family_def *def)
{
    size_t count = metrics_rules_label_count(def);

    if (def->labels[count] != NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *label = def->labels[i];
        if (!metrics_rules_name_valid(label, false) || strncmp(label, "__", 2) == 0 ||
            (def->kind == METRICS_HISTOGRAM && strcmp(label, "le") == 0))
            return false;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(label, def->labels[k]) == 0)
                return false;
        }
    }
    return true;
}

static bool resolution_valid(const struct metrics_family_def *def)
{
    const double step = metrics_rules_resolution(def);

    return isfinite(step) && step >= 0 && (step == 0 || isfinite(1 / step));
}

static bool bounds_valid(const struct metrics_family_def *def)
{
    if (def->kind != METRICS_HISTOGRAM)
        return true;
    if (def->bound_count > METRICS_BOUNDS_MAX || (def->bound_count > 0 && def->bounds == NULL))
        return false;
    for (size_t i = 0; i < def->bound_count; i++) {
        if (!isfinite(def->bounds[i]) || (i > 0 && def->bounds[i] <= def->bounds[i - 1]))
            return false;
    }
    return true;
}

bool metrics_rules_family_valid(const struct metrics_family_def *def)
{
    if (def->kind < METRICS_COUNTER || def->kind > METRICS_HISTOGRAM ||
        !metrics_rules_name_valid(def->name, true) || def->help == NULL ||
        strlen(def->help) > METRICS_HELP_MAX || !utf8_valid(def->help, strlen(def->help)))
        return false;
    size_t len = strlen(def->name);
    if (ends_with(def->name, len, "_total") != (def->kind == METRICS_COUNTER) || len == 6)
        return false;
    if (def->kind == METRICS_COUNTER)
        len -= strlen("_total");
    if (def->unit != NULL && def->unit[0] != '\0') {
        size_t unit = strlen(def->unit);
        if (!metrics_rules_name_valid(def->unit, true) || !ends_with(def->name, len, def->unit) ||
            len <= unit || def->name[len - unit - 1] != '_')
            return false;
    }
    return labels_valid(def) && bounds_valid(def) && resolution_valid(def);
}
