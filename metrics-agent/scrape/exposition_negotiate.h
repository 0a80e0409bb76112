/*
 * Which text format to answer a scrape with.
 */
#ifndef METRICS_AGENT_SCRAPE_EXPOSITION_NEGOTIATE_H
#define METRICS_AGENT_SCRAPE_EXPOSITION_NEGOTIATE_H

#include "lib/metrics/exposition.h"

/* What to answer a request with. */
struct exposition_choice {
    enum exposition_format format;
    const char *content_type; /* a literal */
};

/*
 * Chooses by the Accept header (RFC 9110, section 12.5.1), NULL for none. OpenMetrics only where it
 * is named and preferred; no match and wildcards give 0.0.4. A client that says how it wants
 * names escaped is told `escaping=underscores`: our names need none.
 */
struct exposition_choice exposition_negotiate(const char *accept);

#endif
