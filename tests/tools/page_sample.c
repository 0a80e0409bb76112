/*
 * usage: page_sample DIR: writes the page of made-up instances to DIR/well.html, empty.html,
 * broken.html and hostile.html, for tests that look at it without an instance.
 */
#include "tests/unit/page_fixture.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct page_fixture *fixture = malloc(sizeof(*fixture));

    if (argc != 2 || fixture == NULL)
        return 2;
    for (int kind = 0; kind < FIXTURES; kind++) {
        struct html html = {.max = 4 << 20};
        char path[4096];
        FILE *to;

        page_fixture_fill(fixture, (enum page_fixture_kind)kind);
        (void)snprintf(path, sizeof(path), "%s/%s.html", argv[1], page_fixture_names[kind]);
        to = fopen(path, "w");
        if (to == NULL || !page_fixture_render(&html, fixture) ||
            fwrite(html.text, 1, html.len, to) != html.len || fclose(to) != 0) {
            perror(path);
            return 1;
        }
        html_free(&html);
    }
    free(fixture);
    return 0;
}
