/*
 * The page's section of traces as the agent writes it, from the spool of an instance:
 *
 *     page_look [--times N] RUN_DIR SPOOL_DIR latest|slowest|errors|find|trace [TEXT]
 *
 * Prints the section; on stderr the status and, in KiB, what the process has in memory after the
 * first and after the last of N looks, and the most that it had. TEXT of a list is what is looked
 * for.
 */
#include "lib/base/text.h"
#include "metrics-agent/page/page_traces.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *const file = fopen("/proc/self/statm", "re");

    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file != NULL)
        (void)fclose(file);
    return resident * 4;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: page_look [--times N] RUN_DIR SPOOL_DIR latest|slowest|errors|find|trace "
            "[TEXT]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const char *const lists[] = {"find", "latest", "slowest", "errors"};
    struct page_query query = {.minutes = 15, .list = PAGE_LIST_NONE};
    const char *what, *text;
    struct rusage rusage;
    unsigned status = 0;
    uint64_t times = 1;
    long first = 0;

    if (argc > 3 && strcmp(argv[1], "--times") == 0) {
        if (text_parse_uint(text_of(argv[2]), &times) != 0 || times == 0)
            return usage();
        argv += 2;
        argc -= 2;
    }
    if (argc != 4 && argc != 5)
        return usage();
    what = argv[3];
    text = argc == 5 ? argv[4] : "";
    for (int i = 0; i < 4; i++) {
        if (strcmp(what, lists[i]) == 0)
            query.list = (enum page_list)i;
    }
    (void)snprintf(strcmp(what, "trace") == 0 ? query.trace : query.find, PAGE_FIND_MAX, "%s",
                   text);
    for (uint64_t i = 0; i < times; i++) {
        struct html html = {.max = (size_t)3 << 20};

        status = page_traces_write(&html, &query, argv[1], argv[2]);
        if (html.full)
            return 3;
        if (i == times - 1)
            (void)fwrite(html.text, 1, html.len, stdout);
        html_free(&html);
        (void)malloc_trim(0);
        if (i == 0)
            first = resident_kib();
    }
    (void)getrusage(RUSAGE_SELF, &rusage);
    fprintf(stderr, "%u %ld %ld %ld\n", status, first, resident_kib(), rusage.ru_maxrss);
    return 0;
}
