/*
 * Answers that are the same for all who ask until the next sample: each is made once, packed once,
 * and sent from the same memory, so that many open pages cost little more than one. For one thread.
 */
#ifndef METRICS_AGENT_SCRAPE_HTTP_CACHE_H
#define METRICS_AGENT_SCRAPE_HTTP_CACHE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_cache_kind { HTTP_CACHE_DOCUMENT, HTTP_CACHE_LIVE, HTTP_CACHE_SEARCH, HTTP_CACHE_KINDS };

enum { HTTP_CACHE_RANGES = 3 };

/* A text that several responses share. */
struct http_cache_text;

/* Starts zeroed. */
struct http_cache {
    uint64_t sequence; /* of the sample that the texts are of */
    struct http_cache_text *texts[HTTP_CACHE_KINDS][HTTP_CACHE_RANGES][2]; /* plain, packed */
};

/* Where a text is, or NULL; forgets those of another sample first. `minutes` is 5, 15 or 60. */
struct http_cache_text **http_cache_at(struct http_cache *cache, uint64_t sequence,
                                       enum http_cache_kind kind, unsigned minutes, bool packed);

/* Takes the malloc'd text. NULL, and the text is freed, if memory runs out. */
struct http_cache_text *http_cache_text_new(char *text, size_t len);

/* Its bytes, for packing them. */
const char *http_cache_bytes(const struct http_cache_text *text, size_t *len);

/* A response that sends it. NULL if memory runs out. */
struct MHD_Response *http_cache_response(struct http_cache_text *text);

/* Forgets all; what is being sent lives until that is done. */
void http_cache_clear(struct http_cache *cache);

#endif
