#include "lib/base/json_scan.h"

#include "lib/base/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum class {
    CLASS_BAD,
    CLASS_PLAIN, /* blanks, separators, and the letters of numbers, true, false and null */
    CLASS_QUOTE,
    CLASS_OPEN,
    CLASS_CLOSE,
};

static const uint8_t classes[256] = {
    [' '] = CLASS_PLAIN, ['\t'] = CLASS_PLAIN, ['\r'] = CLASS_PLAIN, [','] = CLASS_PLAIN,
    [':'] = CLASS_PLAIN, ['-'] = CLASS_PLAIN,  ['+'] = CLASS_PLAIN,  ['.'] = CLASS_PLAIN,
    ['0'] = CLASS_PLAIN, ['1'] = CLASS_PLAIN,  ['2'] = CLASS_PLAIN,  ['3'] = CLASS_PLAIN,
    ['4'] = CLASS_PLAIN, ['5'] = CLASS_PLAIN,  ['6'] = CLASS_PLAIN,  ['7'] = CLASS_PLAIN,
    ['8'] = CLASS_PLAIN, ['9'] = CLASS_PLAIN,  ['e'] = CLASS_PLAIN,  ['E'] = CLASS_PLAIN,
    ['t'] = CLASS_PLAIN, ['r'] = CLASS_PLAIN,  ['u'] = CLASS_PLAIN,  ['f'] = CLASS_PLAIN,
    ['a'] = CLASS_PLAIN, ['l'] = CLASS_PLAIN,  ['s'] = CLASS_PLAIN,  ['n'] = CLASS_PLAIN,
    ['"'] = CLASS_QUOTE, ['{'] = CLASS_OPEN,   ['['] = CLASS_OPEN,   ['}'] = CLASS_CLOSE,
    [']'] = CLASS_CLOSE,
};

/*
 * Moves *at, just after an opening quote, to just after the closing one. Returns JSON_SCAN_OBJECT
 * on success.
 */
static enum json_scan skip_string(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *p = *at;

    for (;;) {
        p = (const unsigned char *)json_scan_plain((const char *)p, (const char *)end);
        if (p >= end)
            return JSON_SCAN_CUT;
        if (*p == '"') {
            *at = p + 1;
            return JSON_SCAN_OBJECT;
        }
        if (*p == '\\') {
            if (end - p < 2)
                return JSON_SCAN_CUT;
            p += p[1] < 0x20 || p[1] >= 0x80 ? 1 : 2;
        } else if (*p < 0x20) {
            return JSON_SCAN_CONTROL;
        } else if (*p >= 0x80) {
            size_t n = utf8_sequence((const char *)p, (const char *)end);

            if (n == 0)
                return JSON_SCAN_UTF8;
            p += n;
        } else {
            p++;
        }
    }
}

/* The brackets that are open. */
struct nest {
    unsigned depth;
    uint64_t arrays[JSON_SCAN_DEPTH_MAX / 64]; /* a bit for each: whether it is an array's */
};

#ifdef __SSE2__
/* A bit for each of 64 bytes, the first byte's lowest. */
struct marks {
    uint64_t quotes;
    uint64_t brackets;
    uint64_t others;  /* neither those nor a blank, a separator or what a number consists of */
    uint64_t special; /* backslash, control, 0x80 and above */
};

static uint64_t bits(__m128i bytes, unsigned block)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << 16 * block;
}

static inline struct marks mark(const unsigned char *at)
{
    struct marks marks = {0};

#    pragma GCC unroll 4
    for (unsigned block = 0; block < 4; block++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(at + 16 * block));
        const __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        /* This bit tells '{' from '[', and '}' from ']'. */
        const __m128i curly = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        const __m128i brackets = _mm_or_si128(_mm_cmpeq_epi8(curly, _mm_set1_epi8('{')),
                                              _mm_cmpeq_epi8(curly, _mm_set1_epi8('}')));
        /* From '+' to ':' are all that a number has, both separators, and '/'. */
        const __m128i from_plus = _mm_sub_epi8(bytes, _mm_set1_epi8('+'));
        const __m128i plain = _mm_andnot_si128(
            _mm_cmpeq_epi8(bytes, _mm_set1_epi8('/')),
            _mm_or_si128(
                _mm_cmpeq_epi8(_mm_min_epu8(from_plus, _mm_set1_epi8(':' - '+')), from_plus),
                _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '))));
        /* As signed numbers, bytes of 0x80 and above lie below the blank. */
        const __m128i special = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(' ')),
                                             _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));

        marks.quotes |= bits(quotes, block);
        marks.brackets |= bits(brackets, block);
        marks.others |= bits(_mm_or_si128(plain, _mm_or_si128(quotes, brackets)), block);
        marks.special |= bits(special, block);
    }
    marks.others = ~marks.others;
    return marks;
}

/* Of each bit whether the bits up to it, itself included, are odd in number. */
static inline uint64_t parity_up_to(uint64_t bits)
{
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    return bits;
}

/*
 * Moves over the brackets of a block. Returns how many bytes it has up to the one that closes the
 * object, 64 if none does; 0 where one does not fit, or too many are open for one word.
 */
static inline unsigned nest_block(struct nest *nest, const unsigned char *at, uint64_t brackets)
{
    uint64_t arrays = nest->arrays[0];
    unsigned depth = nest->depth;

    for (; brackets != 0; brackets &= brackets - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(brackets);
        const unsigned char c = at[i];
        const uint64_t array = (c >> 5 & 1) ^ 1;

        if ((c & 2) != 0) { /* '{' and '[' have that bit */
            if (depth == 64)
                return 0;
            arrays = arrays << 1 | array;
            depth++;
        } else {
            if (depth == 0 || (arrays & 1) != array)
                return 0;
            arrays >>= 1;
            if (--depth == 0) {
                nest->depth = 0;
                return i + 1;
            }
        }
    }
    nest->arrays[0] = arrays;
    nest->depth = depth;
    return 64;
}

/* Whether all of these bytes may stand between strings. */
static bool all_plain(const unsigned char *at, uint64_t others)
{
    for (; others != 0; others &= others - 1) {
        if (classes[at[__builtin_ctzll(others)]] != CLASS_PLAIN)
            return false;
    }
    return true;
}

/*
 * Moves *at over a block with these marks, of which `len` bytes are left. `inside` has all bits set
 * in a string, else none. Returns whether there is more to move over.
 */
static inline bool skip_block(struct nest *nest, uint64_t *inside, const unsigned char **at,
                              struct marks marks, size_t len)
{
    const uint64_t strings = parity_up_to(marks.quotes) ^ *inside;
    unsigned taken;

    if (marks.special != 0 || !all_plain(*at, marks.others & ~strings))
        return false;
    taken = nest_block(nest, *at, marks.brackets & ~strings);
    if (taken == 0)
        return false;
    *at += taken < len ? taken : len;
    *inside = (uint64_t)((int64_t)strings >> 63);
    return nest->depth > 0;
}

/*
 * Moves from `p` on over blocks of 64 bytes that hold nothing special, and returns where it stops:
 * behind the object's last bracket, at `end`, or at a block that has to be looked at byte by byte.
 * The text began at `start`; `inside` is whether a string does not end before the place.
 */
static const unsigned char *skip_blocks(struct nest *nest, bool *inside, const unsigned char *start,
                                        const unsigned char *p, const unsigned char *end)
{
    uint64_t carry = *inside ? UINT64_MAX : 0;
    bool more = nest->depth < 64;

    while (more && end - p >= 64)
        more = skip_block(nest, &carry, &p, mark(p), 64) && nest->depth < 64;
    /* The last block begins before `p`, so that nothing beyond the end is read. */
    if (more && p < end && end - start >= 64) {
        const unsigned over = 64 - (unsigned)(end - p);
        struct marks marks = mark(end - 64);

        marks.quotes >>= over;
        marks.brackets >>= over;
        marks.others >>= over;
        marks.special >>= over;
        (void)skip_block(nest, &carry, &p, marks, (size_t)(end - p));
    }
    *inside = carry != 0;
    return p;
}
#endif

/*
 * Moves *at over the rest of a string, if `inside` one, and over some 64 bytes. Returns
 * JSON_SCAN_OBJECT behind the bracket that closes the object, JSON_SCAN_CUT before it.
 */
static enum json_scan skip_bytes(struct nest *nest, bool inside, const unsigned char **at,
                                 const unsigned char *end)
{
    const unsigned char *p = *at, *const stop = end - p > 64 ? p + 64 : end;
    enum json_scan string = inside ? skip_string(&p, end) : JSON_SCAN_OBJECT;

    *at = end; /* for a string that is cut */
    if (string != JSON_SCAN_OBJECT)
        return string;
    while (p < stop) {
        switch (classes[*p++]) {
        case CLASS_PLAIN:
            break;
        case CLASS_QUOTE:
            string = skip_string(&p, end);
            if (string != JSON_SCAN_OBJECT)
                return string;
            break;
        case CLASS_OPEN: {
            if (nest->depth == JSON_SCAN_DEPTH_MAX)
                return JSON_SCAN_MALFORMED;
            uint64_t *const word = &nest->arrays[nest->depth++ / 64];

            *word = *word << 1 | (p[-1] == '[');
            break;
        }
        case CLASS_CLOSE: {
            uint64_t *const word = &nest->arrays[--nest->depth / 64];

            if ((*word & 1) != (p[-1] == ']'))
                return JSON_SCAN_MALFORMED;
            *word >>= 1;
            if (nest->depth == 0) {
                *at = p;
                return JSON_SCAN_OBJECT;
            }
            break;
        }
        default:
            if (p[-1] < 0x20)
                return JSON_SCAN_CONTROL;
            return p[-1] >= 0x80 && utf8_sequence((const char *)p - 1, (const char *)end) == 0
                       ? JSON_SCAN_UTF8
                       : JSON_SCAN_MALFORMED;
        }
    }
    *at = p;
    return JSON_SCAN_CUT;
}

/*
 * Moves *at, at an opening bracket, to just after the one that closes it. Returns JSON_SCAN_OBJECT
 * on success.
 */
static enum json_scan skip_brackets(const unsigned char **at, const unsigned char *end)
{
    struct nest nest = {0};
    const unsigned char *p = *at;
    bool inside = false;

    do {
        enum json_scan found = JSON_SCAN_CUT;
#ifdef __SSE2__
        const unsigned char *const from = p;

        p = skip_blocks(&nest, &inside, *at, p, end);
        if (nest.depth == 0 && p > from)
            found = JSON_SCAN_OBJECT;
        else if (p < end)
#endif
            found = skip_bytes(&nest, inside, &p, end);
        if (found == JSON_SCAN_OBJECT)
            *at = p;
        if (found != JSON_SCAN_CUT)
            return found;
        inside = false;
    } while (p < end);
    return JSON_SCAN_CUT;
}

enum json_scan json_scan_line(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    enum json_scan found;

    if (len == 0 || *p != '{')
        return JSON_SCAN_MALFORMED;
    found = skip_brackets(&p, end);
    if (found != JSON_SCAN_OBJECT)
        return found;
    return json_scan_blank((const char *)p, text + len) == text + len ? JSON_SCAN_OBJECT
                                                                      : JSON_SCAN_MALFORMED;
}

const char *json_scan_object(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;

    if (at >= end || *at != '{')
        return NULL;
    return skip_brackets(&p, (const unsigned char *)end) == JSON_SCAN_OBJECT ? (const char *)p
                                                                             : NULL;
}

const char *json_scan_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

const char *json_scan_value(const char *at, const char *end)
{
    /* What ends a number, true, false or null. */
    static const bool ends[256] = {
        [','] = true, [':'] = true, ['{'] = true,  ['}'] = true,  ['['] = true,  [']'] = true,
        ['"'] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, ['\0'] = true};
    const unsigned char *p = (const unsigned char *)at, *stop = (const unsigned char *)end;
    unsigned depth = 0;

    if (p >= stop)
        return NULL;
    do {
        switch (classes[*p]) {
        case CLASS_QUOTE:
            p++;
            if (skip_string(&p, stop) != JSON_SCAN_OBJECT)
                return NULL;
            break;
        case CLASS_OPEN:
            depth++;
            p++;
            break;
        case CLASS_CLOSE:
            if (depth == 0)
                return NULL;
            depth--;
            p++;
            break;
        default:
            if (depth > 0) {
                p++;
                break;
            }
            while (p < stop && !ends[*p])
                p++;
            return (const char *)p > at ? (const char *)p : NULL;
        }
    } while (depth > 0 && p < stop);
    return depth == 0 ? (const char *)p : NULL;
}
