/*
 * HTML in a buffer that grows up to a limit. Text that came from elsewhere is escaped, and what a
 * terminal or a reader's eyes would obey is shown as \uXXXX (lib/base/printable.h).
 */
#ifndef METRICS_AGENT_PAGE_HTML_H
#define METRICS_AGENT_PAGE_HTML_H

#include <stdbool.h>
#include <stddef.h>

/* Starts zeroed but for `max`. */
struct html {
    size_t max; /* bytes, with the NUL */
    char *text; /* malloc'd, NUL-terminated; NULL while empty */
    size_t len, room;
    bool full; /* something found no room: the rest is not written either */
};

/* Markup of our own, as it is. */
void html_raw(struct html *html, const char *markup);

/*
 * Markup of our own with figures in it. What is put in must not come from elsewhere: only numbers
 * and our own words.
 */
void html_format(struct html *html, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text from elsewhere, safe as an element's content and in a quoted attribute. */
void html_text(struct html *html, const char *text);

/* The text as a value in a query of a URL that stands in a quoted attribute (RFC 3986, 2.3). */
void html_query(struct html *html, const char *text);

/* Takes back all behind the first `len` bytes. */
void html_cut(struct html *html, size_t len);

void html_free(struct html *html);

#endif
