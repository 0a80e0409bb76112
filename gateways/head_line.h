/*
 * The lines of a program's answer before its first empty one (RFC 3875 section 6), for both
 * gateways. Pure; what is returned points into the bytes that were given.
 */
#ifndef GATEWAYS_HEAD_LINE_H
#define GATEWAYS_HEAD_LINE_H

#include "lib/base/text.h"
#include "lib/trace/context.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The line at the front of `left` bytes without its end, LF or CR LF, and in *size all of it; at
 * NULL, *size untouched, if it does not end.
 */
struct text head_line_at(const char *bytes, size_t left, size_t *size);

/*
 * Whether the line holds neither CR nor NUL. RFC 9110 section 5.5 has a message with one in a
 * field's value rejected, since the next reader may take it for the end of the line.
 */
bool head_line_is_clean(struct text line);

/*
 * Cuts a line into a field's name and value (RFC 9110 section 5.1), without the blanks around
 * them. Returns false if it has no colon, or no name.
 */
bool head_line_split(struct text line, struct text *name, struct text *value);

/* Whether the field's name is `word`, whatever the case of its letters. */
bool head_line_is(struct text name, const char *word);

/* The three digits at the front, from `least` to 599 (RFC 9110 section 15), or -1 for other text.
 */
int head_line_status(struct text value, int least);

/*
 * What stands behind the version in a status line ("HTTP/1.1 200 OK", as programs begin that think
 * that they talk to the client); at NULL in another line.
 */
struct text head_line_of_protocol(struct text line);

enum { HEAD_LINE_ADDED_MAX = 256 }; /* bytes that head_line_write_head adds at most */

/* What an answer says of its request. */
struct head_line_ours {
    const char *request_id;            /* of at most REQUEST_ID_MAX bytes */
    const struct trace_context *trace; /* of the server span */
};

/*
 * Writes the head of `size` bytes for the web server: as it came, but for a status line, which
 * becomes Status (RFC 3875 section 6.3.3), and the program's own X-Request-ID and
 * traceresponse (W3C Trace Context, "Traceresponse Header": the form of a traceparent), in whose
 * place `ours` come last. `out` has room for size + HEAD_LINE_ADDED_MAX. Returns the bytes written.
 */
size_t head_line_write_head(char *out, const char *bytes, size_t size,
                            const struct head_line_ours *ours);

#endif
