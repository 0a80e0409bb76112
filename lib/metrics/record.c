#include "lib/metrics/record.h"

#include "lib/metrics/file.h"
#include "lib/metrics/rules.h"

#include <string.h>

const char *metrics_record_text(const char **at, const char *end)
{
    const char *text = *at;
    const char *nul = memchr(text, '\0', (size_t)(end - text));

    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return text;
}

bool metrics_record_family(const void *record, size_t length, struct metrics_family_def *def)
{
    const struct metrics_file_family *const family = record;

    *def = (struct metrics_family_def){0};
    if (length < sizeof(*family) || family->label_count > METRICS_LABELS_MAX ||
        family->bound_count > METRICS_BOUNDS_MAX)
        return false;
    const char *const end = (const char *)record + length;
    const char *at = (const char *)(family + 1);
    def->kind = family->kind;
    def->bound_count = family->bound_count;
    def->bounds = (const double *)(const void *)at;
    def->resolution = family->resolution;
    if ((size_t)(end - at) < def->bound_count * sizeof(double) ||
        (def->kind != METRICS_HISTOGRAM && def->bound_count > 0) ||
        (def->kind == METRICS_HISTOGRAM && !(def->resolution > 0)))
        return false;
    at += def->bound_count * sizeof(double);
    def->name = metrics_record_text(&at, end);
    def->help = def->name == NULL ? NULL : metrics_record_text(&at, end);
    def->unit = def->help == NULL ? NULL : metrics_record_text(&at, end);
    if (def->unit == NULL)
        return false;
    for (size_t i = 0; i < family->label_count; i++) {
        def->labels[i] = metrics_record_text(&at, end);
        if (def->labels[i] == NULL)
            return false;
    }
    return metrics_rules_family_valid(def);
}
