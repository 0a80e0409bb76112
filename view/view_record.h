/*
 * What a record of the spool says, for eyes: the fields of a span or log record, and texts that are
 * safe to show. Takes every form that OTLP's JSON has, and log lines of our own form. Pure.
 */
#ifndef VIEW_VIEW_RECORD_H
#define VIEW_VIEW_RECORD_H

#include "lib/base/ids.h"
#include "lib/base/text.h"
#include "view/arena.h"
#include "view/record_walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VIEW_RECORD_TEXT_MAX = 4096 /* bytes of a text at most, without the mark of a cut */ };

enum view_status { VIEW_STATUS_UNSET, VIEW_STATUS_OK, VIEW_STATUS_ERROR };

/* A span's members, as they stand in the record. */
struct view_record_span {
    struct text trace, id, parent; /* without quotes */
    struct text name, message, attributes, events;
    uint64_t start_ns, end_ns;
    unsigned kind; /* SpanKind: 0 unspecified, 1 internal, 2 server, 3 client, ... */
    enum view_status status;
};

struct view_record_span view_record_span(struct text span);

/* A log record's, the same. */
struct view_record_log {
    struct text trace, span; /* without quotes */
    struct text level, name, body, request, attributes;
    unsigned severity; /* SeverityNumber, 0 if it is not known */
    uint64_t time_ns;
};

struct view_record_log view_record_log(const struct record_parts *parts);

/* The value of an attribute in a list of them; nothing if it is not there, or is no string. */
struct text view_record_attribute(struct text attributes, const char *key);

/* A name and a value that are safe to show. */
struct view_pair {
    const char *name, *value;
};

/*
 * The texts below are NUL-terminated UTF-8 of the arena's, without anything that commands a
 * terminal or reorders what is around it (lib/base/printable.h): escapes of JSON that stand for
 * such stay escapes. Longer ones than `max` bytes are cut, and end with "...(N bytes)". NULL if the
 * arena has no room.
 */

/* Of JSON: a string's content, or any other value as it is written; "" for none. */
const char *view_record_text(struct arena *arena, struct text json, size_t max);

/* Of the content of an AnyValue. */
const char *view_record_any(struct arena *arena, struct text any, size_t max);

/*
 * Of the first `most` members of a list of attributes, or of the members of an object that is
 * `plain` but for those that a log line has fields for. Returns the list, and its length in *count;
 * *all is how many there are.
 */
const struct view_pair *view_record_pairs(struct arena *arena, struct text attributes, bool plain,
                                          size_t most, size_t max, size_t *count, size_t *all);

#endif
