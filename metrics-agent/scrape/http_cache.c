#include "metrics-agent/scrape/http_cache.h"

#include <stdlib.h>
#include <string.h>

struct http_cache_text {
    unsigned users; /* the cache, and responses */
    size_t len;
    char *bytes;
};

static void drop(void *context)
{
    struct http_cache_text *const text = context;

    if (text == NULL || --text->users > 0)
        return;
    free(text->bytes);
    free(text);
}

struct http_cache_text **http_cache_at(struct http_cache *cache, uint64_t sequence,
                                       enum http_cache_kind kind, unsigned minutes, bool packed)
{
    if (cache->sequence != sequence)
        http_cache_clear(cache);
    cache->sequence = sequence;
    return &cache->texts[kind][minutes == 5 ? 0 : minutes == 15 ? 1 : 2][packed];
}

struct http_cache_text *http_cache_text_new(char *bytes, size_t len)
{
    struct http_cache_text *const text = malloc(sizeof(*text));

    if (text == NULL) {
        free(bytes);
        return NULL;
    }
    *text = (struct http_cache_text){.users = 1, .len = len, .bytes = bytes};
    return text;
}

const char *http_cache_bytes(const struct http_cache_text *text, size_t *len)
{
    *len = text->len;
    return text->bytes;
}

struct MHD_Response *http_cache_response(struct http_cache_text *text)
{
    struct MHD_Response *const response =
        MHD_create_response_from_buffer_with_free_callback_cls(text->len, text->bytes, drop, text);

    if (response != NULL)
        text->users++;
    return response;
}

void http_cache_clear(struct http_cache *cache)
{
    for (int kind = 0; kind < HTTP_CACHE_KINDS; kind++) {
        for (int range = 0; range < HTTP_CACHE_RANGES; range++) {
            for (int packed = 0; packed < 2; packed++)
                drop(cache->texts[kind][range][packed]);
        }
    }
    memset(cache, 0, sizeof(*cache));
}
