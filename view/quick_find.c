#include "view/quick_find.h"

#include <string.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

const char *quick_find(const char *at, const char *end, const char *word, size_t len)
{
#ifdef __SSE2__
    /* Three of its bytes at once leave few places to look at. */
    const size_t middle = len / 2, last = len - 1;
    const __m128i a = _mm_set1_epi8(word[0]), b = _mm_set1_epi8(word[middle]);
    const __m128i c = _mm_set1_epi8(word[last]);

    for (; (size_t)(end - at) >= 16 + last; at += 16) {
        const __m128i first = _mm_loadu_si128((const __m128i *)at);
        const __m128i second = _mm_loadu_si128((const __m128i *)(at + middle));
        const __m128i third = _mm_loadu_si128((const __m128i *)(at + last));
        unsigned hits = (unsigned)_mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(first, a),
                          _mm_and_si128(_mm_cmpeq_epi8(second, b), _mm_cmpeq_epi8(third, c))));

        for (; hits != 0; hits &= hits - 1) {
            const char *const hit = at + __builtin_ctz(hits);

            if (memcmp(hit, word, len) == 0)
                return hit;
        }
    }
#endif
    return memmem(at, (size_t)(end - at), word, len);
}
