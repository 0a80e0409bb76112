#include "cli/waterfall_text.h"

#include <string.h>

static unsigned place(double ns, uint64_t range_ns, unsigned cells)
{
    const double at = range_ns > 0 ? ns / (double)range_ns * cells : 0;

    return at <= 0 ? 0 : at >= cells ? cells : (unsigned)(at + 0.5);
}

void waterfall_text_bar(char out[WATERFALL_BAR_MAX], unsigned columns, int64_t offset_ns,
                        uint64_t duration_ns, uint64_t range_ns, bool utf8)
{
    static const char left[] = "\u2578", right[] = "\u257a", both[] = "\u2501";
    const unsigned halves = utf8 ? 2 : 1, cells = columns * halves;
    unsigned begin = place((double)offset_ns, range_ns, cells);
    unsigned end = place((double)offset_ns + (double)duration_ns, range_ns, cells);
    char *at = out;

    if (begin >= cells)
        begin = cells - 1;
    if (end <= begin)
        end = begin + 1;
    for (unsigned cell = 0; cell < end; cell += halves) {
        const bool first = cell >= begin, second = cell + 1 >= begin && cell + 1 < end;

        if (!utf8)
            *at++ = first ? '=' : ' ';
        else if (!first && !second)
            *at++ = ' ';
        else
            at = stpcpy(at, first && second ? both : first ? left : right);
    }
    *at = '\0';
}
