#include "lib/base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_sequence(const char *text, const char *end)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char lead = at[0];
    const size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - text) < len || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool utf8_valid(const char *text, size_t len)
{
    const char *const end = text + len;
    uint64_t word;
    size_t n;

    while (text < end) {
        if (end - text >= (ptrdiff_t)sizeof(word)) {
            memcpy(&word, text, sizeof(word));
            if ((word & 0x8080808080808080u) == 0) {
                text += sizeof(word);
                continue;
            }
        }
        n = utf8_sequence(text, end);
        if (n == 0)
            return false;
        text += n;
    }
    return true;
}

size_t utf8_encode(char out[UTF8_MAX], unsigned code_point)
{
    const size_t len = code_point < 0x80      ? 1
                       : code_point < 0x800   ? 2
                       : code_point < 0x10000 ? 3
                                              : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = len; i > 1; i--) {
        out[i - 1] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    out[0] = (char)(leads[len] | code_point);
    return len;
}
