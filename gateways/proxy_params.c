#include "gateways/proxy_params.h"

#include "gateways/fastcgi_params.h"
#include "gateways/fastcgi_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 2048 }; /* what most requests need */

int proxy_params_add(struct proxy_params *params, const void *bytes, size_t size)
{
    size_t room = params->room > 0 ? params->room : ROOM;
    uint8_t *larger;

    while (room - params->size < size)
        room *= 2;
    if (room != params->room) {
        larger = realloc(params->bytes, room);
        if (larger == NULL)
            return -1;
        params->bytes = larger;
        params->room = room;
    }
    memcpy(params->bytes + params->size, bytes, size);
    params->size += size;
    return 0;
}

/* Returns how many pairs there are, or -1 if they are none; and the bytes of their strings. */
static long count_pairs(const struct proxy_params *params, size_t *text_size)
{
    struct fastcgi_pair pair;
    long count = 0;

    *text_size = 0;
    for (size_t at = 0; at < params->size; at += pair.size) {
        if (fastcgi_pair_read(&pair, params->bytes + at, params->size - at) != 0)
            return -1;
        *text_size += pair.name_size + pair.value_size + 2;
        count++;
    }
    return count;
}

const char **proxy_params_read(struct proxy_params *params)
{
    struct fastcgi_pair pair;
    const char **strings;
    size_t text_size, n = 0;
    const long count = count_pairs(params, &text_size);
    char *to;

    if (count < 0) {
        errno = EPROTO;
        return NULL;
    }
    strings = malloc(((size_t)count + 1) * sizeof(*strings));
    params->text = to = malloc(text_size + 1);
    if (strings == NULL || to == NULL) {
        free(strings);
        errno = ENOMEM;
        return NULL;
    }
    for (size_t at = 0; at < params->size; at += pair.size) {
        (void)fastcgi_pair_read(&pair, params->bytes + at, params->size - at);
        strings[n++] = to;
        to = mempcpy(to, pair.name, pair.name_size);
        *to++ = '=';
        to = mempcpy(to, pair.value, pair.value_size);
        *to++ = '\0';
    }
    strings[n] = NULL;
    return strings;
}

const char *proxy_params_get(const char *const *strings, const char *name)
{
    const size_t size = strlen(name);

    for (; *strings != NULL; strings++) {
        if (strncmp(*strings, name, size) == 0 && (*strings)[size] == '=')
            return *strings + size + 1;
    }
    return NULL;
}

/* Where records are written: `header` is that of the one that is open. */
struct writer {
    uint8_t *start, *to, *header;
    uint16_t id;
};

static void open_record(struct writer *w, enum fastcgi_type type)
{
    w->header = w->to;
    fastcgi_header_write(w->header, type, w->id, 0, 0);
    w->to += FASTCGI_HEADER_SIZE;
}

static size_t record_size(const struct writer *w)
{
    return (size_t)(w->to - w->header) - FASTCGI_HEADER_SIZE;
}

static void close_record(struct writer *w)
{
    fastcgi_header_write(w->header, (enum fastcgi_type)w->header[1], w->id,
                         (uint16_t)record_size(w), 0);
}

/* Into as many records as it takes. */
static void write_bytes(struct writer *w, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;

    while (size > 0) {
        const size_t room = FASTCGI_CONTENT_MAX - record_size(w);
        const size_t part = size < room ? size : room;

        w->to = mempcpy(w->to, from, part);
        from += part;
        size -= part;
        if (size > 0) {
            close_record(w);
            open_record(w, FASTCGI_PARAMS);
        }
    }
}

/* Pairs end with a record where they fit into one: begins another for `size` bytes if need be. */
static void make_room(struct writer *w, size_t size)
{
    if (record_size(w) == 0 || size <= FASTCGI_CONTENT_MAX - record_size(w))
        return;
    close_record(w);
    open_record(w, FASTCGI_PARAMS);
}

static void write_pair(struct writer *w, const char *name, size_t name_size, const char *value,
                       size_t value_size)
{
    uint8_t lengths[FASTCGI_LENGTHS_MAX];
    const size_t size = fastcgi_pair_write_lengths(lengths, name_size, value_size);

    make_room(w, size + name_size + value_size);
    write_bytes(w, lengths, size);
    write_bytes(w, name, name_size);
    write_bytes(w, value, value_size);
}

/* Which of the parameters that came are not to go on. */
struct replaced {
    const struct proxy_params_set *set;
    size_t sizes[PROXY_PARAMS_SET_MAX]; /* of its names */
};

static bool is_replaced(const struct replaced *replaced, const struct fastcgi_pair *pair)
{
    for (unsigned i = 0; i < replaced->set->count; i++) {
        if (replaced->sizes[i] == pair->name_size &&
            memcmp(replaced->set->names[i], pair->name, pair->name_size) == 0)
            return true;
    }
    return false;
}

/* The others as they came, neighbours together. */
static void write_kept(struct writer *w, const struct proxy_params *params,
                       const struct proxy_params_set *set)
{
    struct replaced replaced = {.set = set};
    const uint8_t *run = params->bytes;
    struct fastcgi_pair pair;
    size_t run_size = 0;

    for (unsigned i = 0; i < set->count; i++)
        replaced.sizes[i] = strlen(set->names[i]);
    for (size_t at = 0; at < params->size; at += pair.size) {
        if (fastcgi_pair_read(&pair, params->bytes + at, params->size - at) != 0)
            break;
        if (is_replaced(&replaced, &pair)) {
            write_bytes(w, run, run_size);
            run = params->bytes + at + pair.size;
            run_size = 0;
            continue;
        }
        if (pair.size > FASTCGI_CONTENT_MAX - record_size(w) - run_size) {
            write_bytes(w, run, run_size);
            make_room(w, pair.size);
            run = params->bytes + at;
            run_size = 0;
        }
        if (pair.size > FASTCGI_CONTENT_MAX) {
            write_bytes(w, run, pair.size);
            run += pair.size;
        } else {
            run_size += pair.size;
        }
    }
    write_bytes(w, run, run_size);
}

/*
 * No more than that: a record that is closed for a pair that does not fit holds, together with what
 * follows it, more than half of a full one.
 */
static size_t size_at_most(const struct proxy_params *params, const struct proxy_params_set *set)
{
    size_t size = params->size;

    for (unsigned i = 0; i < set->count; i++) {
        if (set->values[i] != NULL)
            size += FASTCGI_LENGTHS_MAX + strlen(set->names[i]) + strlen(set->values[i]);
    }
    return size + FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE +
           FASTCGI_HEADER_SIZE * (size / (FASTCGI_CONTENT_MAX / 2) + 4);
}

uint8_t *proxy_params_write(const struct proxy_params *params, const struct proxy_params_set *set,
                            uint16_t id, uint16_t role, uint8_t flags, size_t *size)
{
    const uint8_t body[FASTCGI_BODY_SIZE] = {(uint8_t)(role >> 8), (uint8_t)role, flags};
    struct writer w = {.id = id};

    w.start = w.to = malloc(size_at_most(params, set) + PROXY_PARAMS_ROOM);
    if (w.start == NULL)
        return NULL;
    open_record(&w, FASTCGI_BEGIN_REQUEST);
    w.to = mempcpy(w.to, body, sizeof(body));
    close_record(&w);
    open_record(&w, FASTCGI_PARAMS);
    write_kept(&w, params, set);
    for (unsigned i = 0; i < set->count; i++) {
        if (set->values[i] != NULL)
            write_pair(&w, set->names[i], strlen(set->names[i]), set->values[i],
                       strlen(set->values[i]));
    }
    /* The empty one that ends them; the last one with pairs is not empty. */
    if (record_size(&w) > 0) {
        close_record(&w);
        open_record(&w, FASTCGI_PARAMS);
    }
    *size = (size_t)(w.to - w.start);
    return w.start;
}

void proxy_params_free(struct proxy_params *params)
{
    free(params->bytes);
    free(params->text);
    *params = (struct proxy_params){.bytes = NULL};
}
