#include "metrics-agent/scrape/exposition_negotiate.h"

#include "lib/base/text.h"

#include <string.h>
#include <strings.h>

/* One media range of the header, as far as it concerns us. */
struct range {
    struct text type;
    struct text version; /* nothing if there is none */
    bool escaping;
    int quality; /* thousandths */
};

struct offer {
    int quality; /* -1: not named */
    bool escaping;
};

/* Cuts what stands before the next `separator` off *rest; quoted separators do not count. */
static bool cut(struct text *rest, char separator, struct text *part)
{
    bool quoted = false;
    size_t i = 0;

    if (rest->at == NULL)
        return false;
    while (i < rest->len && (quoted || rest->at[i] != separator)) {
        if (rest->at[i] == '"')
            quoted = !quoted;
        else if (quoted && rest->at[i] == '\\' && i + 1 < rest->len)
            i++;
        i++;
    }
    *part = text_trim((struct text){rest->at, i});
    if (i == rest->len)
        rest->at = NULL;
    else
        *rest = (struct text){rest->at + i + 1, rest->len - i - 1};
    return true;
}

static bool is(struct text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

/* RFC 9110, section 12.4.2: up to three digits after the point. Anything else counts as 0. */
static int parse_quality(struct text p)
{
    int quality = 0, unit = 1000;

    for (size_t i = 0; i < p.len; i++) {
        if (i == 1) {
            if (p.at[i] != '.')
                return 0;
            continue;
        }
        if (p.at[i] < '0' || p.at[i] > '9' || i > 4)
            return 0;
        quality += (p.at[i] - '0') * unit;
        unit /= 10;
    }
    return p.len > 0 && quality <= 1000 ? quality : 0;
}

static struct range parse_range(struct text text)
{
    struct range range = {.quality = 1000};
    struct text part, name;

    cut(&text, ';', &range.type);
    while (cut(&text, ';', &part)) {
        struct text value = part;
        if (!cut(&value, '=', &name) || value.at == NULL)
            continue;
        value = text_trim(value);
        if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
            value = (struct text){value.at + 1, value.len - 2};
        if (is(name, "q"))
            range.quality = parse_quality(value);
        else if (is(name, "version"))
            range.version = value;
        else if (is(name, "escaping"))
            range.escaping = true;
    }
    return range;
}

static void take(struct offer *offer, const struct range *range)
{
    if (range->quality > offer->quality) {
        offer->quality = range->quality;
        offer->escaping = range->escaping;
    }
}

static struct exposition_choice choose(enum exposition_format format, bool escaping)
{
    static const char *const types[2][2] = {
        [EXPOSITION_PROMETHEUS] = {"text/plain; version=0.0.4; charset=utf-8",
                                   "text/plain; version=0.0.4; charset=utf-8; "
                                   "escaping=underscores"},
        [EXPOSITION_OPENMETRICS] = {"application/openmetrics-text; version=1.0.0; charset=utf-8",
                                    "application/openmetrics-text; version=1.0.0; charset=utf-8; "
                                    "escaping=underscores"},
    };

    return (struct exposition_choice){.format = format, .content_type = types[format][escaping]};
}

struct exposition_choice exposition_negotiate(const char *accept)
{
    struct offer open_metrics = {.quality = -1}, plain = {.quality = -1}, any = {.quality = -1};
    bool open_metrics_first = false;
    struct text rest = text_of(accept), text;

    while (cut(&rest, ',', &text)) {
        struct range range = parse_range(text);
        bool versioned = range.version.at != NULL;
        if (is(range.type, "application/openmetrics-text") &&
            (!versioned || is(range.version, "1.0.0"))) {
            open_metrics_first |= plain.quality < 0;
            take(&open_metrics, &range);
        } else if (is(range.type, "text/plain") && (!versioned || is(range.version, "0.0.4"))) {
            take(&plain, &range);
        } else if (is(range.type, "text/*") || is(range.type, "*/*")) {
            take(&any, &range);
        }
    }
    /* A named type's own quality holds, a wildcard's only without one. */
    if (plain.quality < 0)
        plain = any;
    if (open_metrics.quality > 0 && (open_metrics.quality > plain.quality ||
                                     (open_metrics.quality == plain.quality && open_metrics_first)))
        return choose(EXPOSITION_OPENMETRICS, open_metrics.escaping);
    return choose(EXPOSITION_PROMETHEUS, plain.quality > 0 && plain.escaping);
}
