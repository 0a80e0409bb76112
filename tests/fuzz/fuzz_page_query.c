/*
 * Any query of the page's: refused with a reason, or texts that fit and end, and one of the ranges
 * and lists that there are. What was read is read again from its own encoding. And any Host.
 */
#include "metrics-agent/page/html.h"
#include "metrics-agent/page/page_query.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("minutes=60&by=slowest&find=%2Fanalyze+500&part=traces"),
    FUZZ_SEED("trace=4bf92f3577b34da6a3ce929d0e0e4736&after=12&&x=%zz"),
    FUZZ_SEED("find=%3Cscript%3E%00&by=errors&minutes=5&minutes=15"),
    FUZZ_SEED("[::ffff:127.0.0.1]:9464"),
    FUZZ_SEED("localhost:9464"),
    {NULL, 0},
};

static void read_again(const struct page_query *query)
{
    struct html html = {.max = 16384};
    struct page_query again;
    const char *why;

    html_format(&html, "minutes=%u&after=%llu&part=%s&find=", query->minutes,
                (unsigned long long)query->after, query->part ? "traces" : "");
    html_query(&html, query->find);
    html_raw(&html, "&trace=");
    html_query(&html, query->trace);
    assert(!html.full);
    assert(page_query_parse(&again, html.text, &why) == 0);
    again.list = query->list;
    assert(again.minutes == query->minutes && again.part == query->part &&
           again.after == query->after && page_query_same_traces(&again, query));
    html_free(&html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1);
    struct page_query query;
    const char *why = NULL;

    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (page_query_parse(&query, text, &why) == 0) {
        assert(query.minutes == 5 || query.minutes == 15 || query.minutes == 60);
        assert(query.list >= PAGE_LIST_NONE && query.list <= PAGE_LIST_ERRORS);
        assert(memchr(query.find, '\0', sizeof(query.find)) != NULL);
        assert(memchr(query.trace, '\0', sizeof(query.trace)) != NULL);
        read_again(&query);
    } else {
        assert(why != NULL && why[0] != '\0');
    }
    /* A host that passes has no path, no list and no user in it. */
    if (page_query_host(text, "127.0.0.1:9464"))
        assert(strpbrk(text, "/,@ ") == NULL);
    free(text);
    return 0;
}
