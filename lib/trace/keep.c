#include "lib/trace/keep.h"

#include "lib/base/clock.h"
#include "lib/base/config_unit.h"
#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 32 /* bytes of a ratio */ };

const char *const keep_reason_names[KEEP_REASONS] = {
    [KEEP_NONE] = "none",   [KEEP_ALL] = "all",       [KEEP_ERROR] = "error", [KEEP_SLOW] = "slow",
    [KEEP_RATIO] = "ratio", [KEEP_REMOTE] = "remote", [KEEP_LARGE] = "large",
};

static int parse_time(uint64_t *ns, struct text value)
{
    uint64_t us;

    if (config_unit_parse(CONFIG_UNIT_MS, value.at, value.len, &us) != 0 ||
        __builtin_mul_overflow(us, 1000, ns))
        return -1;
    return 0;
}

static int parse_ratio(uint64_t *threshold, struct text value)
{
    char number[NUMBER_MAX], *end;
    double ratio;

    if (value.len == 0 || value.len >= sizeof(number))
        return -1;
    memcpy(number, value.at, value.len);
    number[value.len] = '\0';
    /* strtod also reads blanks, hexadecimal and "nan"; a setting is a plain number. */
    if (number[strspn(number, "0123456789.eE+-")] != '\0')
        return -1;
    ratio = strtod(number, &end);
    if (*end != '\0' || !(ratio >= 0 && ratio <= 1))
        return -1;
    *threshold = sampler_threshold(ratio);
    return 0;
}

static int parse_rule(struct keep_rule *rule, struct text text)
{
    const char *const colon = memchr(text.at, ':', text.len);
    const struct text name = {text.at, colon != NULL ? (size_t)(colon - text.at) : text.len};
    const struct text value =
        colon != NULL ? (struct text){colon + 1, text.len - name.len - 1} : (struct text){NULL, 0};

    for (rule->reason = KEEP_ERROR; rule->reason <= KEEP_REMOTE; rule->reason++) {
        if (text_is(name, keep_reason_names[rule->reason]))
            break;
    }
    rule->limit = 0;
    switch (rule->reason) {
    case KEEP_SLOW:
        return value.at != NULL ? parse_time(&rule->limit, value) : -1;
    case KEEP_RATIO:
        return value.at != NULL ? parse_ratio(&rule->limit, value) : -1;
    case KEEP_ERROR:
    case KEEP_REMOTE:
        return value.at == NULL ? 0 : -1;
    default:
        return -1;
    }
}

int keep_parse(struct keep *keep, const char *text)
{
    struct keep read = {.count = 0};

    if (text_is(text_trim(text_of(text)), keep_reason_names[KEEP_ALL])) {
        *keep = read;
        return 0;
    }
    for (;; text++) {
        const size_t len = strcspn(text, ",");
        struct keep_rule *const rule = &read.rules[read.count];

        if (read.count == KEEP_RULES_MAX ||
            parse_rule(rule, text_trim((struct text){text, len})) != 0)
            return -1;
        for (size_t i = 0; i < read.count; i++) {
            if (read.rules[i].reason == rule->reason)
                return -1;
        }
        read.count++;
        text += len;
        if (*text == '\0')
            break;
    }
    *keep = read;
    return 0;
}

static bool fits(const struct keep_rule *rule, const struct span *root)
{
    switch (rule->reason) {
    case KEEP_ERROR:
        return root->failed || root->status == SPAN_STATUS_ERROR;
    case KEEP_SLOW:
        return root->end_ns - root->start_ns >= rule->limit;
    case KEEP_RATIO:
        return sampler_below(rule->limit, &root->context.trace_id);
    case KEEP_REMOTE:
        return root->caller_sampled;
    default:
        return false;
    }
}

bool keep_from_start(const struct keep *keep, const struct span *root)
{
    for (size_t i = 0; i < keep->count; i++) {
        const struct keep_rule *const rule = &keep->rules[i];

        if ((rule->reason == KEEP_RATIO || rule->reason == KEEP_REMOTE) && fits(rule, root))
            return true;
    }
    return keep->count == 0;
}

enum keep_reason keep_decide(const struct keep *keep, const struct span *root)
{
    for (size_t i = 0; i < keep->count; i++) {
        if (fits(&keep->rules[i], root))
            return keep->rules[i].reason;
    }
    return keep->count == 0 ? KEEP_ALL : KEEP_NONE;
}
