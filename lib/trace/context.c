#include "lib/trace/context.h"

#include "lib/base/text.h"

#include <string.h>

/* Offsets of a version 00 traceparent: 00-<32>-<16>-<2>. */
enum {
    AT_TRACE = 3,
    AT_SPAN = 36,
    AT_FLAGS = 53,
    VERSION_00_LEN = 55,
    KEY_MAX = 256,
    VALUE_MAX = 256,
    MEMBER_LONG = 128, /* a longer member goes first when there is not enough room */
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

struct member {
    const char *text;
    size_t len, key_len;
};

struct members {
    struct member list[TRACE_CONTEXT_STATE_MEMBERS_MAX];
    size_t count;
};

static bool has_key(const struct members *members, const char *key, size_t len)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->list[i];

        if (member->key_len == len && memcmp(member->text, key, len) == 0)
            return true;
    }
    return false;
}

/* Reads the list; of a key that is there twice the first member stays. Returns 0, or -1. */
static int read_members(struct members *members, const char *text, size_t len)
{
    const char *const end = text + len;
    size_t seen = 0;

    members->count = 0;
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma != NULL ? comma : end;
        const char *from = text, *equals;
        size_t key_len;

        text = comma != NULL ? comma + 1 : end;
        /*
         * Blanks before a member and tabs after it belong to the list; a value may begin with
         * blanks.
         */
        while (from < stop && text_is_blank(*from))
            from++;
        while (stop > from && text_is_blank(stop[-1]))
            stop--;
        if (from == stop)
            continue;
        equals = memchr(from, '=', (size_t)(stop - from));
        key_len = equals != NULL ? (size_t)(equals - from) : 0;
        if (equals == NULL || !is_key(from, key_len) ||
            !is_value(equals + 1, (size_t)(stop - equals - 1)) ||
            seen++ == TRACE_CONTEXT_STATE_MEMBERS_MAX)
            return -1;
        if (!has_key(members, from, key_len))
            members->list[members->count++] = (struct member){from, (size_t)(stop - from), key_len};
    }
    return 0;
}

static size_t length_of(const struct members *members)
{
    size_t length = members->count > 0 ? members->count - 1 : 0;

    for (size_t i = 0; i < members->count; i++)
        length += members->list[i].len;
    return length;
}

/*
 * Section 3.3.1.5: of a list that is too long to propagate, members of more than 128 characters go
 * first, then those at the end.
 */
static void shorten(struct members *members)
{
    size_t length = length_of(members);

    for (size_t i = members->count; i-- > 0 && length > TRACE_CONTEXT_STATE_MAX;) {
        if (members->list[i].len <= MEMBER_LONG)
            continue;
        length -= members->list[i].len + (members->count > 1);
        memmove(&members->list[i], &members->list[i + 1],
                (--members->count - i) * sizeof(members->list[0]));
    }
    while (length > TRACE_CONTEXT_STATE_MAX)
        length -= members->list[--members->count].len + 1;
}

size_t trace_context_parse_state(char out[TRACE_CONTEXT_STATE_MAX + 1], const char *text,
                                 size_t len)
{
    struct members members;
    size_t written = 0;

    if (read_members(&members, text, len) != 0)
        members.count = 0;
    shorten(&members);
    for (size_t i = 0; i < members.count; i++) {
        if (i > 0)
            out[written++] = ',';
        memcpy(out + written, members.list[i].text, members.list[i].len);
        written += members.list[i].len;
    }
    out[written] = '\0';
    return written;
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
