/*
 * How a trace is told of in words: durations, bars, and what stands below a span's row. The same on
 * a terminal and on the agent's page. Pure.
 */
#ifndef VIEW_VIEW_TEXT_H
#define VIEW_VIEW_TEXT_H

#include "view/view_spool.h"
#include "view/view_trace.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VIEW_TEXT_DURATION_MAX = 24,
    VIEW_TEXT_MAX = 1024, /* of a sentence; names in it are at most VIEW_TRACE_NAME_MAX */
};

/* Three digits and a unit: "1.52 ms", "152 us" ("µs" if `utf8`), "2m 32s", "5h 07m", "12 days". */
void view_text_duration(char out[VIEW_TEXT_DURATION_MAX], uint64_t ns, bool utf8);

/* The same with a sign: "+1.52 ms". */
void view_text_offset(char out[VIEW_TEXT_DURATION_MAX], int64_t ns, bool utf8);

/*
 * Where a bar begins and ends, in `cells` for `range_ns`: within them, and `least` of them wide.
 * `least` is at most `cells`.
 */
struct view_text_bar {
    unsigned begin, end;
};
struct view_text_bar view_text_bar(int64_t offset_ns, uint64_t duration_ns, uint64_t range_ns,
                                   unsigned cells, unsigned least);

/* "app1's clock is another; drawn 1h 00m earlier"; "" unless the span is moved, and its parent is
 * not moved by as much. */
void view_text_shift(char out[VIEW_TEXT_MAX], const struct view_span *span, bool utf8);

/* "child of ID, which is not in this spool"; "" unless it is an orphan. */
void view_text_orphan(char out[VIEW_TEXT_MAX], const struct view_span *span);

/* Of the siblings that are not shown: "38 more like this, with 3 below them: 1 ms to 2 ms each, 60
 * ms in all (INSERT)". */
void view_text_folded(char out[VIEW_TEXT_MAX], const struct view_span *span, bool utf8);

/* "152 ms, 7 spans of shop, mailer, 1 failed, request demo-123". */
void view_text_summary(char out[VIEW_TEXT_MAX * 4], const struct view_trace *trace, bool utf8);

/* Where nothing was found: " in DIR: 12 files, 64.0 MiB, those in memory included, the oldest last
 * written at 2026-09-21T14:13:20.000Z". */
enum { VIEW_TEXT_LOOKED_MAX = PATH_MAX + 256 };
void view_text_looked(char out[VIEW_TEXT_LOOKED_MAX], const struct view_spool *spool,
                      const char *dir);

/* Of the attributes that tell what happened the place in which this one is shown; -1 for others. */
int view_text_telling(const char *name);
enum { VIEW_TEXT_TELLING = 18 /* how many there are */ };

#endif
