#include "lib/base/ids.h"

#include "lib/base/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum {
    POOL_SIZE = 512,
};

/* Random bytes not yet handed out, of each thread: a process has one generator, the kernel's. */
static _Thread_local struct {
    uint8_t bytes[POOL_SIZE];
    size_t left;
} pool;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* In a forked child: discards bytes that the parent would hand out too. */
static void forget(void)
{
    pool.left = 0;
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, forget) != 0)
        abort();
}

static void fill(uint8_t *out, size_t len)
{
    while (len > 0) {
        const ssize_t got = getrandom(out, len, 0);

        if (got > 0) {
            out += got;
            len -= (size_t)got;
        } else if (errno != EINTR) {
            /*
             * Every kernel that runs this has getrandom; ids that repeat would be worse than
             * ending.
             */
            abort();
        }
    }
}

static void take(uint8_t *out, size_t len)
{
    if (pool.left < len) {
        (void)pthread_once(&fork_once, watch_forks);
        fill(pool.bytes, sizeof(pool.bytes));
        pool.left = sizeof(pool.bytes);
    }
    pool.left -= len;
    memcpy(out, pool.bytes + pool.left, len);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;

    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

struct trace_id ids_new_trace(void)
{
    struct trace_id id;

    do
        take(id.bytes, sizeof(id.bytes));
    while (ids_trace_is_zero(&id));
    return id;
}

struct span_id ids_new_span(void)
{
    struct span_id id;

    do
        take(id.bytes, sizeof(id.bytes));
    while (ids_span_is_zero(&id));
    return id;
}

void ids_new_uuid4(char out[IDS_UUID_TEXT + 1])
{
    static const uint8_t group[] = {4, 2, 2, 2, 6};
    uint8_t bytes[16];
    const uint8_t *from = bytes;

    take(bytes, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(group); i++) {
        out = ids_to_hex(out, from, group[i]);
        from += group[i];
        *out++ = i + 1 < sizeof(group) ? '-' : '\0';
    }
}

uint64_t ids_random64(void)
{
    uint64_t value;

    take((uint8_t *)&value, sizeof(value));
    return value;
}

bool ids_trace_is_zero(const struct trace_id *id)
{
    return is_zero(id->bytes, sizeof(id->bytes));
}

bool ids_span_is_zero(const struct span_id *id)
{
    return is_zero(id->bytes, sizeof(id->bytes));
}

#ifdef __SSE2__

/* Eight bytes at once. */
static void put_sixteen(char *out, const uint8_t *bytes)
{
    const __m128i nibbles = _mm_set1_epi8(0x0f), in = _mm_loadl_epi64((const __m128i *)bytes);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(in, 4), nibbles);
    const __m128i digits = _mm_unpacklo_epi8(high, _mm_and_si128(in, nibbles));
    const __m128i letters =
        _mm_and_si128(_mm_cmpgt_epi8(digits, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));

    _mm_storeu_si128((__m128i *)out,
                     _mm_add_epi8(digits, _mm_add_epi8(letters, _mm_set1_epi8('0'))));
}

#endif

char *ids_to_hex(char *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

#ifdef __SSE2__
    for (; len >= 8; len -= 8, bytes += 8, out += 16)
        put_sixteen(out, bytes);
#endif
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 0x0f];
    }
    return out;
}

/* text_hex_digit's digits, but not the upper-case ones. */
static int lower_digit(char c)
{
    return c >= 'A' && c <= 'F' ? -1 : text_hex_digit(c);
}

int ids_from_hex(uint8_t *bytes, const char *hex, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const int high = lower_digit(hex[2 * i]), low = lower_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}
