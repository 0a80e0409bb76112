#include "lib/base/config.h"

#include "lib/base/config_file.h"
#include "lib/base/log_level.h"
#include "lib/base/message.h"
#include "lib/base/text.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    SHOWN_MAX = 80,    /* bytes of a bad value that a message repeats */
    EXPECTED_MAX = 256 /* bytes that say what is accepted */
};

/* A whole number of the row's unit. */
static int parse_uint(enum config_unit unit, const char *text, size_t len, uint64_t *value)
{
    uint64_t amount;

    if (config_unit_parse(unit, text, len, &amount) != 0 || amount % config_unit_parts(unit) != 0)
        return -1;
    *value = amount / config_unit_parts(unit);
    return 0;
}

static int parse_double(enum config_unit unit, const char *text, double *value)
{
    uint64_t amount;
    char *end;

    if (unit != CONFIG_UNIT_NONE && config_unit_parse(unit, text, strlen(text), &amount) == 0) {
        *value = (double)amount / (double)config_unit_parts(unit);
        return 0;
    }
    /* strtod also reads blanks, hexadecimal, "inf" and "nan"; a setting is a plain number. */
    if (text[strspn(text, "0123456789.eE+-")] != '\0')
        return -1;
    errno = 0;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && isfinite(*value) ? 0 : -1;
}

static int parse_range(enum config_unit unit, const char *text, struct config_range *range)
{
    const size_t low = strcspn(text, "-");
    const char *const high = text + low + 1;
    char both[64];

    if (text[low] == '\0') {
        if (parse_uint(unit, text, low, &range->low) != 0)
            return -1;
        range->high = range->low;
        return 0;
    }
    /* In 1-2s both are seconds. */
    if (strspn(text, "0123456789.") == low) {
        const int n = snprintf(both, sizeof(both), "%.*s%s", (int)low, text,
                               high + strspn(high, "0123456789."));

        if (n < 0 || (size_t)n >= sizeof(both) ||
            parse_uint(unit, both, (size_t)n, &range->low) != 0)
            return -1;
    } else if (parse_uint(unit, text, low, &range->low) != 0) {
        return -1;
    }
    return parse_uint(unit, high, strlen(high), &range->high) == 0 && range->low <= range->high
               ? 0
               : -1;
}

static int check_host_port(const char *text)
{
    struct text host, port;

    return text_split_host_port(text_of(text), &host, &port) == 0 && port.at != NULL ? 0 : -1;
}

static bool within(const struct config_setting *row, double value)
{
    return value >= row->min && value <= row->max;
}

/* Reads one value into its member. Returns 0, or -1 if the row does not accept it. */
static int assign(const struct config_setting *row, const char *text, void *into)
{
    void *const member = (char *)into + row->offset;

    switch (row->type) {
    case CONFIG_UINT: {
        uint64_t value;

        if (parse_uint(row->unit, text, strlen(text), &value) != 0 || !within(row, (double)value))
            return -1;
        *(uint64_t *)member = value;
        return 0;
    }
    case CONFIG_DOUBLE: {
        double value;

        if (parse_double(row->unit, text, &value) != 0 || !within(row, value))
            return -1;
        *(double *)member = value;
        return 0;
    }
    case CONFIG_BOOL:
        if (strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0)
            return -1;
        *(bool *)member = strcasecmp(text, "true") == 0;
        return 0;
    case CONFIG_TRUE:
        *(bool *)member = strcmp(text, "true") == 0;
        return 0;
    case CONFIG_STRING:
        *(const char **)member = text;
        return 0;
    case CONFIG_LEVEL: {
        enum log_level level;

        if (log_level_parse(text, &level) != 0)
            return -1;
        *(int *)member = (int)level;
        return 0;
    }
    case CONFIG_RANGE: {
        struct config_range range;

        if (parse_range(row->unit, text, &range) != 0 || !within(row, (double)range.low) ||
            !within(row, (double)range.high))
            return -1;
        *(struct config_range *)member = range;
        return 0;
    }
    case CONFIG_CHOICE:
        for (int i = 0; row->choices[i] != NULL; i++) {
            const char *const choice = row->choices[i];

            if ((row->otel ? strcasecmp(text, choice) : strcmp(text, choice)) == 0) {
                *(int *)member = i;
                return 0;
            }
        }
        return -1;
    case CONFIG_HOST_PORT:
        if (check_host_port(text) != 0)
            return -1;
        *(const char **)member = text;
        return 0;
    case CONFIG_OTHER:
        return row->parse(member, text);
    }
    return -1;
}

/* What a row accepts, for its error message and for --help. */
static void describe(const struct config_setting *row, char out[EXPECTED_MAX])
{
    static const struct {
        const char *name, *examples;
    } units[CONFIG_UNITS] = {
        [CONFIG_UNIT_NONE] = {"", ""},
        [CONFIG_UNIT_BYTES] = {" of bytes", ", or a size such as 16KiB or 512M"},
        [CONFIG_UNIT_MS] = {" of milliseconds", ", or a time such as 100ms or 10s"},
        [CONFIG_UNIT_S] = {" of seconds", ", or a time such as 100ms or 10m"},
    };
    const char *const unit = units[row->unit].name, *const examples = units[row->unit].examples;
    size_t len = 0;

    switch (row->type) {
    case CONFIG_UINT:
        (void)snprintf(out, EXPECTED_MAX, "a whole number%s from %.0f to %.0f%s", unit, row->min,
                       row->max, examples);
        return;
    case CONFIG_DOUBLE:
        (void)snprintf(out, EXPECTED_MAX, "a number%s from %.10g to %.10g%s", unit, row->min,
                       row->max, examples);
        return;
    case CONFIG_BOOL:
        (void)snprintf(out, EXPECTED_MAX, "true or false");
        return;
    case CONFIG_TRUE:
        (void)snprintf(out, EXPECTED_MAX, "true, and anything else is false");
        return;
    case CONFIG_STRING:
        (void)snprintf(out, EXPECTED_MAX, "a text");
        return;
    case CONFIG_LEVEL:
        (void)snprintf(out, EXPECTED_MAX, "DEBUG, INFO, WARNING, ERROR or CRITICAL");
        return;
    case CONFIG_RANGE:
        (void)snprintf(out, EXPECTED_MAX,
                       "LOW-HIGH or one whole number%s, from %.0f to %.0f, LOW not above HIGH%s",
                       unit, row->min, row->max, examples);
        return;
    case CONFIG_CHOICE:
        out[0] = '\0';
        for (size_t i = 0; row->choices[i] != NULL && len < EXPECTED_MAX; i++)
            len += (size_t)snprintf(out + len, EXPECTED_MAX - len, "%s%s", i > 0 ? " or " : "",
                                    row->choices[i]);
        return;
    case CONFIG_HOST_PORT:
        (void)snprintf(out, EXPECTED_MAX, "HOST:PORT or [HOST]:PORT");
        return;
    case CONFIG_OTHER:
        (void)snprintf(out, EXPECTED_MAX, "%s", row->takes);
        return;
    }
}

static void set_default(const struct config_setting *row, void *into)
{
    if (row->fallback == NULL) {
        assert(row->type == CONFIG_STRING || row->type == CONFIG_HOST_PORT ||
               row->type == CONFIG_OTHER);
        if (row->type != CONFIG_OTHER)
            *(const char **)((char *)into + row->offset) = NULL;
    } else if (assign(row, row->fallback, into) != 0) {
        assert(!"a row's own default is accepted by the row");
    }
}

int config_read(const struct config_setting *row, const char *value, void *into,
                char error[CONFIG_ERROR_MAX])
{
    char expected[EXPECTED_MAX];

    if (value == NULL) {
        set_default(row, into);
        return 0;
    }
    if (assign(row, value, into) == 0)
        return 0;
    describe(row, expected);
    (void)snprintf(error, CONFIG_ERROR_MAX, "%s: \"%.*s\" can't be used; it takes %s%s%s",
                   row->name, SHOWN_MAX, value, expected, row->advice != NULL ? row->advice : "",
                   row->otel ? "; treated as unset" : "");
    return -1;
}

const char *config_get(const char *name)
{
    const char *const value = getenv(name);

    return value != NULL ? value : config_file_find(name, NULL);
}

/* Adds where a value stands that is not in the environment. */
static void add_place(char *text, size_t size, const char *name)
{
    const size_t length = strlen(text);
    unsigned line;

    if (getenv(name) == NULL && config_file_find(name, &line) != NULL)
        (void)snprintf(text + length, size - length, " (%.200s, line %u)", config_file_in_use(),
                       line);
}

int config_load(const struct config_setting *rows, size_t count, void *into,
                void (*warn)(const char *message), char error[CONFIG_ERROR_MAX])
{
    for (size_t i = 0; i < count; i++) {
        const struct config_setting *const row = &rows[i];
        const char *const value = config_get(row->name);

        set_default(row, into);
        if (value == NULL || value[0] == '\0' || config_read(row, value, into, error) == 0)
            continue;
        add_place(error, CONFIG_ERROR_MAX, row->name);
        if (!row->otel)
            return -1;
        if (warn != NULL)
            warn(error);
    }
    return 0;
}

void config_warn(const char *problem)
{
    const size_t length = problem != NULL ? strcspn(problem, " ") : 0;
    char name[64], place[256] = "";
    const char *value;

    if (problem == NULL)
        return;
    (void)snprintf(name, sizeof(name), "%.*s", (int)length, problem);
    value = config_get(name);
    add_place(place, sizeof(place), name);
    message_print("%s: \"%.*s\"%s%s", name, SHOWN_MAX, value != NULL ? value : "", problem + length,
                  place);
}

void config_describe(const struct config_setting *row, char *out, size_t size)
{
    const bool has_default = row->fallback != NULL && row->fallback[0] != '\0';
    const bool is_option = strncmp(row->name, "--", 2) == 0;
    char expected[EXPECTED_MAX], preset[EXPECTED_MAX] = "";

    describe(row, expected);
    /* What an option that is not given means is in its help, or it is simply not asked for. */
    if (has_default || !is_option)
        (void)snprintf(preset, sizeof(preset), " Default: %s.",
                       has_default ? row->fallback : "none");
    (void)snprintf(out, size, "%s%s%s%s%s", row->help, row->type == CONFIG_STRING ? "" : " Takes ",
                   row->type == CONFIG_STRING ? "" : expected,
                   row->type == CONFIG_STRING ? "" : ".", preset);
}
