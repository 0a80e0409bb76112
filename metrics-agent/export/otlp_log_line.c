#include "metrics-agent/export/otlp_log_line.h"

#include "lib/base/clock.h"
#include "lib/base/ids.h"
#include "lib/base/json_scan.h"
#include "metrics-agent/export/otlp_log_value.h"

/* Of eight bytes, whether all are hexadecimal digits: each test has its result in the top bits. */
static bool are_digits(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t bytes, low, digits, letters;

    memcpy(&bytes, at, sizeof(bytes));
    low = bytes | ones * 0x20;
    digits = (bytes + ones * (0x80 - '0')) & ~(bytes + ones * (0x7f - '9'));
    letters = (low + ones * (0x80 - 'a')) & ~(low + ones * (0x7f - 'f'));
    /* Without a byte of 0x80 and above no sum carries into the next byte. */
    return (bytes & tops) == 0 && ((digits | letters) & tops) == tops;
}

/* An id, or none: another text stays an attribute, as it would be refused in an id's place. */
static bool is_id(struct text value, size_t digits)
{
    if (value.len != 0 && value.len != digits)
        return false;
    for (size_t i = 0; i < value.len; i += 8) {
        if (!are_digits(value.at + i))
            return false;
    }
    return true;
}

bool otlp_log_line_field(struct otlp_log_fields *fields, struct text key, struct text value)
{
    if (text_is(key, "message")) {
        fields->message = value;
        return true;
    }
    if (!otlp_log_value_is_string(value))
        return false;
    value = otlp_log_value_unquoted(value);
    if (text_is(key, "asctime"))
        return clock_parse_iso8601(value.at, value.len, &fields->unix_ns) == 0 &&
               fields->unix_ns != 0; /* which means that it is not known */
    if (text_is(key, "levelname"))
        fields->level = value;
    else if (text_is(key, "trace_id") && is_id(value, IDS_TRACE_HEX))
        fields->trace = value;
    else if (text_is(key, "span_id") && is_id(value, IDS_SPAN_HEX))
        fields->span = value;
    else
        return text_is(key, "name") || (text_is(key, "request_id") && value.len == 0);
    return true;
}

/* Steps over a literal text. */
static inline __attribute__((always_inline)) bool take_text(const char **at, const char *end,
                                                            const char *text)
{
    const size_t len = strlen(text);

    if ((size_t)(end - *at) < len || memcmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

/* Steps over the content of a string up to its quote; false if it may need a closer look. */
static bool take_content(const char **at, const char *end, struct text *content)
{
    const char *const stop = json_scan_plain(*at, end);

    *content = (struct text){*at, (size_t)(stop - *at)};
    *at = stop;
    return stop < end && *stop == '"';
}

/* The members that each line of our own writers begins with, in their order (lib/trace/log.h). */
struct head {
    uint64_t unix_ns;
    struct text level, name, message, request_id, trace, span;
};

/* Steps over a content of `len` bytes, if the string has that many: what is in it is not looked at.
 */
static bool take_fixed(const char **at, const char *end, size_t len, struct text *content)
{
    *content = (struct text){*at, len};
    if ((size_t)(end - *at) <= len || (*at)[len] != '"')
        return false;
    *at += len;
    return true;
}

/* Steps over an id that is there or empty. */
static bool take_id(const char **at, const char *end, size_t digits, struct text *id)
{
    return (take_fixed(at, end, digits, id) || take_fixed(at, end, 0, id)) && is_id(*id, digits);
}

/*
 * Reads the head up to the logger's name. Returns false if the line has another, which is to be
 * read member by member.
 */
static bool take_speaker(const char **at, const char *end, struct head *head)
{
    struct text asctime;

    return take_text(at, end, "{\"asctime\":\"") &&
           take_fixed(at, end, CLOCK_ISO8601_SIZE - 1, &asctime) &&
           clock_parse_iso8601(asctime.at, asctime.len, &head->unix_ns) == 0 &&
           head->unix_ns != 0 /* see otlp_log_line_field */ &&
           take_text(at, end, "\",\"levelname\":\"") && take_content(at, end, &head->level) &&
           take_text(at, end, "\",\"name\":\"") && take_content(at, end, &head->name);
}

/* Reads all of the head. Returns where it ends, or NULL for another. */
static const char *take_head(struct text line, struct head *head)
{
    const char *at = line.at, *const end = at + line.len;

    return take_speaker(&at, end, head) && take_text(&at, end, "\",\"message\":\"") &&
                   take_content(&at, end, &head->message) &&
                   take_text(&at, end, "\",\"request_id\":\"") &&
                   take_content(&at, end, &head->request_id) &&
                   take_text(&at, end, "\",\"trace_id\":\"") &&
                   take_id(&at, end, IDS_TRACE_HEX, &head->trace) &&
                   take_text(&at, end, "\",\"span_id\":\"") &&
                   take_id(&at, end, IDS_SPAN_HEX, &head->span)
               ? at + 1
               : NULL;
}

const char *otlp_log_line_head(struct text line, struct otlp_log_fields *fields,
                               struct text *request_id)
{
    struct head head;
    const char *const at = take_head(line, &head);

    if (at == NULL)
        return NULL;
    *fields = (struct otlp_log_fields){
        .level = head.level,
        .message = {head.message.at - 1, head.message.len + 2},
        .trace = head.trace,
        .span = head.span,
        .unix_ns = head.unix_ns,
    };
    *request_id = (struct text){head.request_id.at - 1, head.request_id.len + 2};
    return at;
}

bool otlp_log_line_speaker(struct text line, struct text *name)
{
    const char *at = line.at;
    struct head head;

    if (!take_speaker(&at, line.at + line.len, &head))
        return false;
    *name = head.name;
    return true;
}
