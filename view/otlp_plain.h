/*
 * OTLP's JSON as plain JSON: what stands in an attribute without the names of its type around it,
 * attributes as one object, and every value written in one way, so that equal ones have equal
 * bytes. Takes every form that OTLP's JSON has (opentelemetry-proto, "JSON Protobuf Encoding";
 * docs/spool.md, section "The forms of OTLP's JSON"). Pure.
 *
 * Every text passed in is a value of a line that json_scan_line accepts, or passed json_walk_valid.
 */
#ifndef VIEW_OTLP_PLAIN_H
#define VIEW_OTLP_PLAIN_H

#include "lib/base/json_writer.h"
#include "lib/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of the last member of that name, in either case; nothing if it is absent or null. */
struct text otlp_plain_get(struct text message, const char *name);

/* A whole number, also one in a string or written as 1e3; 0 for anything else. */
uint64_t otlp_plain_uint(struct text value);

/*
 * An enum's number: as a number, or by its name, which is `prefix` and one of the `count` names.
 * 0 for what is unknown.
 */
size_t otlp_plain_enum(struct text value, const char *prefix, const char *const *names,
                       size_t count);

/* Writes a value of JSON: no blanks, a number in its shortest form, strings with no more escapes
 * than they need. */
void otlp_plain_write(struct json_writer *w, struct text value);

/* Writes a member's name. */
void otlp_plain_key(struct json_writer *w, struct text key);

/* Writes an AnyValue's content; null for none. */
void otlp_plain_any(struct json_writer *w, struct text any);

/* Writes the members of a list of attributes into the object that is open. */
void otlp_plain_attributes(struct json_writer *w, struct text attributes);

/* Writes an id in lower case, as a string. */
void otlp_plain_id(struct json_writer *w, struct text id);

#endif
