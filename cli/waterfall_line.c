#include "cli/waterfall_line.h"

#include "cli/columns.h"

#include <stdbool.h>
#include <string.h>

enum { CUT = 3 /* columns of the mark */ };

void waterfall_line_column(struct waterfall_start *start, const char *first, const char *others)
{
    const size_t used = strlen(start->text);

    if (start->others != NULL)
        (void)snprintf(start->text + used, sizeof(start->text) - used, "%s", start->others);
    start->first = first;
    start->others = others;
    start->columns += WATERFALL_LINE_STEP;
}

void waterfall_line_add(struct waterfall_line *line, const char *text)
{
    const size_t len = strnlen(text, sizeof(line->text) - 1 - line->len);

    memcpy(line->text + line->len, text, len);
    line->len += len;
    line->text[line->len] = '\0';
}

void waterfall_line_add_pair(struct waterfall_line *line, const struct view_pair *pair)
{
    const bool quote = pair->value[0] == '\0' || strchr(pair->value, ' ') != NULL;

    waterfall_line_add(line, line->len > 0 ? " " : "");
    waterfall_line_add(line, pair->name);
    waterfall_line_add(line, quote ? "=\"" : "=");
    waterfall_line_add(line, pair->value);
    waterfall_line_add(line, quote ? "\"" : "");
}

const char *waterfall_line_colour(const struct waterfall_style *style, const char *code)
{
    return style->colours ? code : "";
}

void waterfall_line_print(FILE *to, const struct waterfall_style *style,
                          const struct waterfall_start *start, const char *lead,
                          unsigned lead_columns, const char *code, const char *text)
{
    const char *const plain = waterfall_line_colour(style, WATERFALL_PLAIN);
    size_t len = strlen(text);

    for (unsigned line = 0; line == 0 || len > 0; line++) {
        const unsigned used = start->columns + (line == 0 ? lead_columns : WATERFALL_LINE_STEP);
        const unsigned room = used + WATERFALL_LINE_ROOM_MIN < style->width
                                  ? style->width - used
                                  : WATERFALL_LINE_ROOM_MIN;
        const bool last = line + 1 == style->lines && columns_fit(text, len, room) < len;
        const size_t fit = columns_break(text, len, last ? room - CUT : room);
        const char *const column = line == 0 ? start->first : start->others;

        if (start->columns > 0)
            (void)fprintf(to, "%s%s%s%s", waterfall_line_colour(style, WATERFALL_DIM), start->text,
                          column, plain);
        if (line == 0)
            (void)fputs(lead, to);
        else
            (void)fprintf(to, "%*s", WATERFALL_LINE_STEP, "");
        (void)fprintf(to, "%s%.*s%s%s\n", waterfall_line_colour(style, code), (int)fit, text,
                      last ? "..." : "", plain);
        if (last)
            break;
        text += fit;
        len -= fit;
        while (len > 0 && *text == ' ') {
            text++;
            len--;
        }
    }
}
