#include "lib/base/json_plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum { BLOCK = 16 };

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Whether eight bytes are all plain: each test sets the top bit of a byte that fails. */
static bool are_plain(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    const uint64_t quote = bytes ^ ones * '"', backslash = bytes ^ ones * '\\';
    const uint64_t del = bytes ^ ones * 0x7f;

    /* A borrow can only mark a byte behind one that is marked already. */
    return (((bytes - ones * 0x20) | (quote - ones) | (backslash - ones) | (del - ones) | bytes) &
            tops) == 0;
}

const char *json_plain_skip(const char *at, const char *end)
{
    uint64_t bytes;

    while (end - at >= (ptrdiff_t)sizeof(bytes)) {
        memcpy(&bytes, at, sizeof(bytes));
        if (!are_plain(bytes))
            break;
        at += sizeof(bytes);
    }
    while (at < end && is_plain((unsigned char)*at))
        at++;
    return at;
}

/* Copies eight bytes and says whether they are plain. */
static bool copy_eight(char *to, const char *from)
{
    uint64_t bytes;

    memcpy(&bytes, from, sizeof(bytes));
    memcpy(to, &bytes, sizeof(bytes));
    return are_plain(bytes);
}

static bool copy_block(char *to, const char *from)
{
#ifdef __SSE2__
    const __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    const __m128i taken = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))),
                                       _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    /* As signed numbers, the bytes of UTF-8 lie below the blank. */
    const __m128i plain = _mm_andnot_si128(taken, _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x1f)));

    _mm_storeu_si128((__m128i *)to, bytes);
    return _mm_movemask_epi8(plain) == 0xffff;
#else
    return copy_eight(to, from) && copy_eight(to + BLOCK / 2, from + BLOCK / 2);
#endif
}

/* Up to seven bytes: by two pieces that may overlap, or one by one. */
static bool copy_few(char *to, const char *from, size_t len)
{
    uint32_t first, last;
    bool plain = true;

    if (len >= sizeof(first)) {
        memcpy(&first, from, sizeof(first));
        memcpy(&last, from + len - sizeof(last), sizeof(last));
        memcpy(to, &first, sizeof(first));
        memcpy(to + len - sizeof(last), &last, sizeof(last));
        return are_plain((uint64_t)first << 32 | last);
    }
    for (size_t i = 0; i < len; i++) {
        to[i] = from[i];
        plain &= is_plain((unsigned char)from[i]);
    }
    return plain;
}

size_t json_plain_copy(char *to, const char *text, size_t len)
{
    bool plain;
    size_t at = 0;

    if (len < 8) {
        plain = copy_few(to, text, len);
    } else if (len < BLOCK) {
        plain = copy_eight(to, text) && copy_eight(to + len - 8, text + len - 8);
    } else {
        while (len - at > BLOCK && copy_block(to + at, text + at))
            at += BLOCK;
        /* The last block overlaps the one before it. */
        plain = len - at <= BLOCK && copy_block(to + len - BLOCK, text + len - BLOCK);
    }
    return plain ? len : (size_t)(json_plain_skip(text + at, text + len) - text);
}
