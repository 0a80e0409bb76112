#include "metrics-agent/export/otlp_traces.h"

#include <stdbool.h>
#include <string.h>

static const char opening[] = "{\"resourceSpans\":[";
static const char spans_key[] = "\"spans\":[";
static const char closing[] = "]}]}]}"; /* spans, scopeSpans element, scopeSpans, element, all */

enum {
    OPENING = sizeof opening - 1,
    SPANS_KEY = sizeof spans_key - 1,
    CLOSING = sizeof closing - 1,
    CLOSING_OUTER = 2, /* of `closing`: what ends the whole line */
    CLOSING_INNER = CLOSING - CLOSING_OUTER,
};

struct body {
    char *buf;
    size_t cap, len;
    bool overflow;
};

static void put(struct body *body, const char *text, size_t len)
{
    if (len > body->cap - body->len) {
        body->overflow = true;
        return;
    }
    memcpy(body->buf + body->len, text, len);
    body->len += len;
}

/* Bytes of the line up to and with the [ of its only span list; 0 if it has another shape. */
static size_t head_length(const struct otlp_line *line, const char *head, size_t head_len)
{
    const char *key;

    if (line->length < OPENING + SPANS_KEY + CLOSING ||
        memcmp(line->text + line->length - CLOSING, closing, CLOSING) != 0)
        return 0;
    if (head_len == 0 || line->length < head_len + CLOSING ||
        memcmp(line->text, head, head_len) != 0) {
        key = memmem(line->text + OPENING, line->length - OPENING, spans_key, SPANS_KEY);
        if (key == NULL)
            return 0;
        head_len = (size_t)(key - line->text) + SPANS_KEY;
    }
    /* With a second list the end of the line is not the end of the first. */
    if (memmem(line->text + head_len, line->length - head_len, spans_key, SPANS_KEY) != NULL)
        return 0;
    return head_len;
}

size_t otlp_traces_encode(char *out, size_t cap, const struct otlp_line *lines, size_t count)
{
    struct body body = {.buf = out, .cap = cap};
    const char *head = NULL;
    size_t head_len = 0, i;

    put(&body, opening, OPENING);
    for (i = 0; i < count; i++) {
        const struct otlp_line *line = &lines[i];
        size_t own = head_length(line, head, head_len);
        bool shared = own != 0 && own == head_len && memcmp(line->text, head, own) == 0;

        if (shared) {
            put(&body, ",", 1);
            put(&body, line->text + own, line->length - own - CLOSING);
            continue;
        }
        if (head_len > 0)
            put(&body, closing, CLOSING_INNER);
        if (i > 0)
            put(&body, ",", 1);
        head = line->text;
        head_len = own;
        put(&body, line->text + OPENING,
            line->length - OPENING - (own > 0 ? (size_t)CLOSING : (size_t)CLOSING_OUTER));
    }
    if (head_len > 0)
        put(&body, closing, CLOSING_INNER);
    put(&body, closing + CLOSING_INNER, CLOSING_OUTER);
    return body.overflow ? 0 : body.len;
}
