/*
 * Goal: looking for traces takes only few stretches of a spool apart, and finds exactly what taking
 * all of it apart would find, in whatever form the spans are written.
 */
#include "tests/unit/unit.h"

#include "lib/base/clock.h"
#include "view/quick_find.h"
#include "view/span_times.h"
#include "view/view_find.h"
#include "view/view_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T0 UINT64_C(1790000000000000000)

enum { SPANS = 6000, FORMS = 6, FILES = 3 };

/* What was written: span number i is trace number i + 1. */
static struct {
    uint64_t start_ns, end_ns;
    unsigned status;
    bool failed;
    const char *path;
} spans[SPANS];

static char dir[] = "/tmp/microtrace_unit.XXXXXX";

static uint64_t random_of(uint64_t most)
{
    static uint64_t state = 88172645463325252u; /* xorshift64 */

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % most;
}

/* As our writer has it, and as others may. */
static void write_span(FILE *to, int i)
{
    static const char *const forms[FORMS] = {
        "\"startTimeUnixNano\":\"%llu\",\"endTimeUnixNano\":\"%llu\"",
        "\"startTimeUnixNano\":%llu,\"endTimeUnixNano\":%llu",
        "\"start_time_unix_nano\":\"%llu\",\"end_time_unix_nano\":\"%llu\"",
        "\"startTimeUnixNano\": \"%llu\", \"endTimeUnixNano\": \"%llu\"",
        "\"startTimeUnixNano\":\"%llu\",\"\\u0065ndTimeUnixNano\":\"%llu\"",
        "\"startTimeUnixNano\":\"%llu\",\"kind\":2,\"endTimeUnixNano\":\"%llu\"",
    };
    static const char *const statuses[] = {"{\"intValue\":\"%u\"}", "{\"intValue\":%u}",
                                           "{ \"intValue\": \"%u\" }"};
    const unsigned form = random_of(8) < 5 ? 0 : (unsigned)random_of(FORMS);

    (void)fprintf(to,
                  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"%032x\","
                  "\"spanId\":\"%016x\",\"name\":\"end of send\",",
                  i + 1, i + 1);
    (void)fprintf(to, forms[form], (unsigned long long)spans[i].start_ns,
                  (unsigned long long)spans[i].end_ns);
    (void)fprintf(to,
                  ",\"attributes\":[{\"key\":\"url.path\",\"value\":{\"stringValue\":\"%s\"}},"
                  "{\"key\":\"http.response.status_code\",\"value\":",
                  spans[i].path);
    (void)fprintf(to, statuses[form == 0 ? 0 : random_of(3)], spans[i].status);
    (void)fprintf(to, "}],\"status\":{%s}}]}]}]}\n", spans[i].failed ? "\"code\":2" : "");
}

static int make_spool(void **state)
{
    static const char *const paths[] = {"/cart", "/cart/items", "\\/cart", "/b\\u00e4r", "/other"};

    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    for (int file = 0; file < FILES; file++) {
        char name[256];
        FILE *to;

        (void)snprintf(name, sizeof(name),
                       file == 0 ? "%s/x%d.traces.jsonl" : "%s/traces.%010d.jsonl", dir, file);
        to = fopen(name, "w");
        if (to == NULL)
            return -1;
        for (int i = file; i < SPANS; i += FILES) {
            spans[i].start_ns = T0 + random_of(UINT64_C(3600) * CLOCK_NS_PER_S);
            spans[i].end_ns = spans[i].start_ns + random_of(1 << (10 + random_of(20))) + 1;
            spans[i].status = random_of(50) == 0 ? 503 : random_of(9) == 0 ? 404 : 200;
            spans[i].failed = spans[i].status == 503;
            spans[i].path = paths[random_of(5)];
            write_span(to, i);
        }
        if (fclose(to) != 0)
            return -1;
    }
    return 0;
}

static int remove_spool(void **state)
{
    char name[256];

    (void)state;
    for (int file = 0; file < FILES; file++) {
        (void)snprintf(name, sizeof(name),
                       file == 0 ? "%s/x%d.traces.jsonl" : "%s/traces.%010d.jsonl", dir, file);
        (void)unlink(name);
    }
    return rmdir(dir);
}

/* What view_find has to rank by, 0 for what does not fit. */
static uint64_t key_of(const struct view_find_query *query, int i)
{
    const char *const word = query->match != NULL ? query->match->word : "";
    const char *const path = strcmp(spans[i].path, "\\/cart") == 0      ? "/cart"
                             : strcmp(spans[i].path, "/b\\u00e4r") == 0 ? "/b\u00e4r"
                                                                        : spans[i].path;
    bool fits =
        word[0] == '\0' || strstr(path, word) != NULL || strstr("end of send", word) != NULL;

    if (strcmp(word, "404") == 0)
        fits = spans[i].status == 404;
    if (strcmp(word, "5xx") == 0 || strcmp(word, "error") == 0)
        fits = spans[i].status == 503;
    if (!fits || spans[i].end_ns < query->since_ns ||
        (query->by == VIEW_FIND_ERRORS && !spans[i].failed))
        return 0;
    return query->by == VIEW_FIND_SLOWEST ? spans[i].end_ns - spans[i].start_ns : spans[i].end_ns;
}

static int descending(const void *a, const void *b)
{
    const uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return one < other ? 1 : one > other ? -1 : 0;
}

static void check(const struct view_find_query *query)
{
    static struct view_find_result result;
    static uint64_t keys[SPANS];
    struct view_spool spool;
    size_t fit = 0;

    for (int i = 0; i < SPANS; i++) {
        keys[i] = key_of(query, i);
        fit += keys[i] > 0;
    }
    qsort(keys, SPANS, sizeof(keys[0]), descending);
    assert_int_equal(view_spool_open(&spool, dir, dir), 0);
    view_find(&spool, query, &result);
    view_spool_close(&spool);
    assert_int_equal(spool.error, 0);
    assert_int_equal(result.ids.count, fit < query->count ? fit : query->count);
    qsort(result.keys, result.ids.count, sizeof(result.keys[0]), descending);
    for (size_t i = 0; i < result.ids.count; i++)
        assert_int_equal(result.keys[i], keys[i]);
    for (size_t i = 0; i < result.ids.count; i++) {
        char id[IDS_TRACE_HEX + 1] = "";

        memcpy(id, result.ids.ids[i], IDS_TRACE_HEX);
        assert_true(key_of(query, (int)strtoul(id, NULL, 16) - 1) > 0);
    }
}

static void what_is_found_is_what_there_is(void **state)
{
    static const char *const words[] = {"",      "/cart",  "/b\u00e4r", "404",   "5xx",
                                        "error", "end of", "nowhere",   "/other"};
    static const enum view_find_by kinds[] = {VIEW_FIND_SLOWEST, VIEW_FIND_ERRORS,
                                              VIEW_FIND_LATEST};
    static const size_t counts[] = {1, 7, 50, 100};

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct view_match match;

        view_match_parse(&match, words[i]);
        for (size_t k = 0; k < 3 * 4 * 2; k++) {
            const struct view_find_query query = {
                .by = kinds[k % 3],
                .count = counts[k / 3 % 4],
                .match = words[i][0] != '\0' ? &match : NULL,
                .since_ns = k < 12 ? 0 : T0 + UINT64_C(3500) * CLOCK_NS_PER_S};

            check(&query);
        }
    }
}

static void most_bytes_are_told_from_what_is_wanted(void **state)
{
    static const char line[] = "{\"startTimeUnixNano\":\"1790000000000000000\","
                               "\"endTimeUnixNano\":\"1790000000000000500\",\"x\":\"end\"}";
    const struct text text = {line, sizeof(line) - 1};

    (void)state;
    assert_false(span_times_longer(text, 500));
    assert_true(span_times_longer(text, 499));
    assert_false(span_times_later(text, T0 + 500));
    assert_true(span_times_later(text, T0 + 499));
    /* Cut anywhere it may be one: what is not told is wanted, and nothing behind it is read. */
    for (size_t len = 0; len < sizeof(line); len++) {
        char *const copy = malloc(len + 1);

        memcpy(copy, line, len);
        (void)span_times_longer((struct text){copy, len}, 500);
        (void)span_times_later((struct text){copy, len}, 500);
        free(copy);
    }
}

static void a_word_is_found_at_every_place(void **state)
{
    static const char *const words[] = {"a", "ab", "aab", "http.response.status_code", "aaaaaaab"};

    (void)state;
    for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
        const size_t len = strlen(words[w]);

        for (size_t size = 0; size < 90; size++) {
            for (size_t at = 0; at + len <= size; at++) {
                char *const text = malloc(size + 1);

                memset(text, len > 2 && at % 2 == 0 ? 'a' : '.', size);
                memcpy(text + at, words[w], len);
                assert_ptr_equal(quick_find(text, text + size, words[w], len),
                                 memmem(text, size, words[w], len));
                assert_null(quick_find(text, text + size, "zz", 2));
                free(text);
            }
        }
    }
}

static void how_far_back_is_read_at_the_end(void **state)
{
    static const struct {
        const char *text, *word;
        uint64_t minutes;
        unsigned status;
    } cases[] = {
        {"", "", 0, 0},
        {"  /cart  ", "/cart", 0, 0},
        {"last 15m", "", 15, 0},
        {"/cart last 2 hours", "/cart", 120, 0},
        {"500 last 3d", "500", 3 * 24 * 60, 500},
        {"4xx", "4xx", 0, 4},
        {"6xx", "6xx", 0, 0},
        {"600", "600", 0, 0},
        {"last", "last", 0, 0},
        {"last 0m", "last 0m", 0, 0},
        {"the last step", "the last step", 0, 0},
        {"last 5m and more", "last 5m and more", 0, 0},
        {"blast 5m", "blast 5m", 0, 0},
        {"at last last 5 minutes", "at last", 5, 0},
        {"last -5m", "last -5m", 0, 0},
        {"last 99999999999999999999m", "last 99999999999999999999m", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct view_match match;

        view_match_parse(&match, cases[i].text);
        assert_string_equal(match.word, cases[i].word);
        assert_int_equal(match.within_ns, cases[i].minutes * 60 * CLOCK_NS_PER_S);
        assert_int_equal(match.status, cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_found_is_what_there_is, make_spool, remove_spool),
        cmocka_unit_test(most_bytes_are_told_from_what_is_wanted),
        cmocka_unit_test(a_word_is_found_at_every_place),
        cmocka_unit_test(how_far_back_is_read_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
