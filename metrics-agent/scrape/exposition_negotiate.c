#include "metrics-agent/scrape/exposition_negotiate.h"

#include <string.h>
#include <strings.h>

/* A piece of the header; it need not end in a NUL. */
struct piece {
    const char *text;
    size_t len;
};

/* One media range of the header, as far as it concerns us. */
struct range {
    struct piece type;
    struct piece version; /* text NULL if there is none */
    bool escaping;
    int quality; /* thousandths */
};

struct offer {
    int quality; /* -1: not named */
    bool escaping;
};

static struct piece trim(struct piece p)
{
    while (p.len > 0 && (p.text[0] == ' ' || p.text[0] == '\t')) {
        p.text++;
        p.len--;
    }
    while (p.len > 0 && (p.text[p.len - 1] == ' ' || p.text[p.len - 1] == '\t'))
        p.len--;
    return p;
}

/* Cuts what stands before the next `separator` off *rest; quoted separators do not count. */
static bool cut(struct piece *rest, char separator, struct piece *part)
{
    bool quoted = false;
    size_t i = 0;

    if (rest->text == NULL)
        return false;
    while (i < rest->len && (quoted || rest->text[i] != separator)) {
        if (rest->text[i] == '"')
            quoted = !quoted;
        else if (quoted && rest->text[i] == '\\' && i + 1 < rest->len)
            i++;
        i++;
    }
    *part = trim((struct piece){rest->text, i});
    if (i == rest->len)
        rest->text = NULL;
    else
        *rest = (struct piece){rest->text + i + 1, rest->len - i - 1};
    return true;
}

static bool is(struct piece p, const char *text)
{
    return p.len == strlen(text) && strncasecmp(p.text, text, p.len) == 0;
}

/* RFC 9110, section 12.4.2: up to three digits after the point. Anything else counts as 0. */
static int parse_quality(struct piece p)
{
    int quality = 0, unit = 1000;

    for (size_t i = 0; i < p.len; i++) {
        if (i == 1) {
            if (p.text[i] != '.')
                return 0;
            continue;
        }
        if (p.text[i] < '0' || p.text[i] > '9' || i > 4)
            return 0;
        quality += (p.text[i] - '0') * unit;
        unit /= 10;
    }
    return p.len > 0 && quality <= 1000 ? quality : 0;
}

static struct range parse_range(struct piece text)
{
    struct range range = {.quality = 1000};
    struct piece part, name;

    cut(&text, ';', &range.type);
    while (cut(&text, ';', &part)) {
        struct piece value = part;
        if (!cut(&value, '=', &name) || value.text == NULL)
            continue;
        value = trim(value);
        if (value.len >= 2 && value.text[0] == '"' && value.text[value.len - 1] == '"')
            value = (struct piece){value.text + 1, value.len - 2};
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
    struct piece rest = {accept, accept == NULL ? 0 : strlen(accept)}, text;

    while (cut(&rest, ',', &text)) {
        struct range range = parse_range(text);
        bool versioned = range.version.text != NULL;
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
