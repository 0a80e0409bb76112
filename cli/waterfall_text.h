/*
 * Bars as a waterfall's columns have them. Pure.
 */
#ifndef CLI_WATERFALL_TEXT_H
#define CLI_WATERFALL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WATERFALL_BAR_MAX = 3 * 512 /* bytes of a bar and its NUL */ };

/*
 * A bar over `columns` (at most 500), which stand for `range_ns`: blanks before it, then half
 * columns where `utf8`, at least one of them, or whole ones.
 */
void waterfall_text_bar(char out[WATERFALL_BAR_MAX], unsigned columns, int64_t offset_ns,
                        uint64_t duration_ns, uint64_t range_ns, bool utf8);

#endif
