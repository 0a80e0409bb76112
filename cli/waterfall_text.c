#include "cli/waterfall_text.h"

#include "view/view_text.h"

#include <string.h>

void waterfall_text_bar(char out[WATERFALL_BAR_MAX], unsigned columns, int64_t offset_ns,
                        uint64_t duration_ns, uint64_t range_ns, bool utf8)
{
    static const char left[] = "\u2578", right[] = "\u257a", both[] = "\u2501";
    const unsigned halves = utf8 ? 2 : 1, cells = columns * halves;
    const struct view_text_bar bar = view_text_bar(offset_ns, duration_ns, range_ns, cells, 1);
    char *at = out;

    for (unsigned cell = 0; cell < bar.end; cell += halves) {
        const bool first = cell >= bar.begin, second = cell + 1 >= bar.begin && cell + 1 < bar.end;

        if (!utf8)
            *at++ = first ? '=' : ' ';
        else if (!first && !second)
            *at++ = ' ';
        else
            at = stpcpy(at, first && second ? both : first ? left : right);
    }
    *at = '\0';
}
