#include "lib/trace/context.h"

#include <string.h>

/* Offsets of a version 00 traceparent: 00-<32>-<16>-<2>. */
enum {
    AT_TRACE = 3,
    AT_SPAN = 36,
    AT_FLAGS = 53,
    VERSION_00_LEN = 55,
    KEY_MAX = 256,
    VALUE_MAX = 256,
};

static int parse_parent(struct trace_context *out, const char *text, size_t len)
{
    uint8_t version, flags;

    if (len < VERSION_00_LEN || text[2] != '-' || text[AT_SPAN - 1] != '-' ||
        text[AT_FLAGS - 1] != '-')
        return -1;
    if (ids_from_hex(&version, text, 1) != 0 || version == 0xff)
        return -1;
    /* Section 4.3: a higher version is read by its first 55 characters, followed by its own. */
    if (len > VERSION_00_LEN && (version == 0 || text[VERSION_00_LEN] != '-'))
        return -1;
    if (ids_from_hex(out->trace_id.bytes, text + AT_TRACE, sizeof(out->trace_id.bytes)) != 0 ||
        ids_from_hex(out->span_id.bytes, text + AT_SPAN, sizeof(out->span_id.bytes)) != 0 ||
        ids_from_hex(&flags, text + AT_FLAGS, 1) != 0)
        return -1;
    if (ids_trace_is_zero(&out->trace_id) || ids_span_is_zero(&out->span_id))
        return -1;
    out->flags = flags & TRACE_CONTEXT_WIRE;
    return 0;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Section 3.3.1.3.1 of level 2: ( lcalpha / DIGIT ) 0*255 ( keychar ), keychar with '@'. */
static bool is_key(const char *text, size_t len)
{
    if (len == 0 || len > KEY_MAX || (!is_lower(text[0]) && !is_digit(text[0])))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_lower(text[i]) && !is_digit(text[i]) && memchr("_-*/@", text[i], 5) == NULL)
            return false;
    return true;
}

/* Section 3.3.1.3.2: printable ASCII without ',' and '=', up to 256, not ending in a blank. */
static bool is_value(const char *text, size_t len)
{
    if (len == 0 || len > VALUE_MAX || text[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == ',' || text[i] == '=')
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct member_key {
    const char *text;
    size_t len;
};

size_t trace_context_parse_state(char out[TRACE_CONTEXT_STATE_MAX + 1], const char *text,
                                 size_t len)
{
    struct member_key keys[TRACE_CONTEXT_STATE_MEMBERS_MAX];
    const char *const end = text + len;
    size_t count = 0, written = 0;
    bool full = false;

    out[0] = '\0';
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma != NULL ? comma : end;
        const char *from = text, *equals;
        size_t member;

        text = comma != NULL ? comma + 1 : end;
        /*
         * Blanks before a member and tabs after it belong to the list; a value may begin with
         * blanks.
         */
        while (from < stop && is_blank(*from))
            from++;
        while (stop > from && is_blank(stop[-1]))
            stop--;
        if (from == stop)
            continue;
        member = (size_t)(stop - from);
        equals = memchr(from, '=', member);
        if (equals == NULL || !is_key(from, (size_t)(equals - from)) ||
            !is_value(equals + 1, (size_t)(stop - equals - 1)) ||
            count == TRACE_CONTEXT_STATE_MEMBERS_MAX)
            goto drop;
        keys[count] = (struct member_key){from, (size_t)(equals - from)};
        for (size_t i = 0; i < count; i++)
            if (keys[i].len == keys[count].len && memcmp(keys[i].text, from, keys[i].len) == 0)
                goto drop;
        count++;
        /* Section 3.3.1.5: what is too long to propagate is cut at a member, from the end. */
        full = full || written + (written > 0) + member > TRACE_CONTEXT_STATE_MAX;
        if (full)
            continue;
        if (written > 0)
            out[written++] = ',';
        memcpy(out + written, from, member);
        written += member;
    }
    out[written] = '\0';
    return written;
drop:
    out[0] = '\0';
    return 0;
}

int trace_context_parse(struct trace_context *out, const char *traceparent, size_t parent_len,
                        const char *tracestate, size_t state_len)
{
    out->state[0] = '\0';
    if (traceparent == NULL || parse_parent(out, traceparent, parent_len) != 0)
        return -1;
    if (tracestate != NULL)
        (void)trace_context_parse_state(out->state, tracestate, state_len);
    return 0;
}

void trace_context_format(char out[TRACE_CONTEXT_PARENT_SIZE], const struct trace_context *context)
{
    const uint8_t flags = context->flags & TRACE_CONTEXT_WIRE;

    memcpy(out, "00-", 3);
    ids_to_hex(out + AT_TRACE, context->trace_id.bytes, sizeof(context->trace_id.bytes));
    out[AT_SPAN - 1] = '-';
    ids_to_hex(out + AT_SPAN, context->span_id.bytes, sizeof(context->span_id.bytes));
    out[AT_FLAGS - 1] = '-';
    ids_to_hex(out + AT_FLAGS, &flags, 1);
    out[VERSION_00_LEN] = '\0';
}
