/*
 * What somebody types who looks for traces: a request id, a part of a path or of a span's name, an
 * HTTP status (500, 4xx), "error"; and how far back ("last 15m"). Pure.
 */
#ifndef VIEW_VIEW_MATCH_H
#define VIEW_VIEW_MATCH_H

#include "lib/base/text.h"
#include "view/view_record.h"

#include <stdbool.h>
#include <stdint.h>

enum { VIEW_MATCH_MAX = 256 /* bytes, with the NUL */ };

struct view_match {
    char word[VIEW_MATCH_MAX]; /* "" for any span */
    bool plain;                /* it stands byte by byte in JSON, unless that has escapes */
    bool failed;               /* "error": spans of that status, too */
    unsigned status;    /* 500: spans with that HTTP status alone; 5 for 5xx; 0 for neither */
    uint64_t within_ns; /* of the time before now; 0 for any */
};

/* Takes the text apart. `last N`, with m, h or d behind the number, is how far back, at its end. */
void view_match_parse(struct view_match *match, const char *text);

/* Whether the JSON text may have a span that fits, or a record of the request of that id. */
bool view_match_may_be_in(const struct view_match *match, struct text json);

/* Whether the word is the span's status; or else its request id, or part of its name, url.path,
 * url.full or http.route. */
bool view_match_span(const struct view_match *match, const struct view_record_span *span);

/* An HTTP status of the list of attributes, by the conventions of today or before; 0 for none. */
unsigned view_match_http_status(struct text attributes);

#endif
