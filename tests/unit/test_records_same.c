/*
 * Goal: whatever a span or a log line holds, its bytes are those of the plain writer, in any room:
 * what fits there fits here, what does not overflows, and nothing beyond text or room is touched.
 */
#include "lib/base/ids.h"
#include "lib/trace/log.h"
#include "lib/trace/resource.h"
#include "lib/trace/span.h"
#include "tests/unit/guarded.h"
#include "tests/unit/plain_records.h"

#include <math.h>
#include <string.h>

enum {
    ROUNDS = 20000,
    ROOM = 2 << 20,
    TEXTS = 64,       /* texts of one record, each at the end of its own memory */
    TEXT_MAX = 12288, /* more than ATTRIBUTE_STRING_MAX */
    TRIES = 2,        /* sizes of room for each record */
};

static struct {
    char *ends[TEXTS];
    size_t count;
} texts;

static char *ours_end, *plain_text;
static struct resource resource;
static struct scope scope;

static uint64_t seed = 88172645463325252u;

static uint64_t next(void)
{
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1du >> 11;
}

static size_t below(size_t limit)
{
    return (size_t)(next() % limit);
}

#define PICK(list) ((list)[below(sizeof(list) / sizeof((list)[0]))])

/* --- Texts ------------------------------------------------------------------------------------ */

/* What a writer has to look at: escapes, UTF-8 of each length, what is none, what a terminal obeys.
 */
static size_t put_special(char *out)
{
    static const char *const special[] = {
        "\"", "\\", "\b", "\f", "\n", "\r", "\t", "\x01", "\x1f", "\x7f", "/", "'", "~", " ",
        "\xc2\x80", "\xc2\x85", "\xc2\x9f", "\xc2\xa0", "\xc3\xa9", "\xd8\x9c", "\xdf\xbf",
        "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaa",
        "\xe2\x80\xae", "\xe2\x80\xaf", "\xe2\x81\xa6", "\xe2\x81\xa9", "\xe2\x81\xaa",
        "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x9f\x98\x80",
        "\xf4\x8f\xbf\xbf",
        /* no UTF-8: stray, cut short, overlong, a surrogate, beyond the last character */
        "\x80", "\xbf", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf8", "\xfe", "\xff"};
    const char *const text = PICK(special);

    memcpy(out, text, strlen(text));
    return strlen(text);
}

static size_t random_length(void)
{
    switch (below(20)) {
    case 0:
        return below(TEXT_MAX - 8);
    case 1:
    case 2:
        return below(300);
    default:
        return below(40);
    }
}

/* `len` bytes of one kind: plain, any, many specials, or a single one. */
static void fill(char *text, size_t len)
{
    const size_t kind = below(6);
    char piece[8];

    for (size_t at = 0; at < len; at++)
        text[at] = kind == 0 ? (char)next() : (char)(0x20 + below(0x5f));
    if (kind == 1) {
        for (size_t at = 0; at + sizeof(piece) <= len;)
            at += below(2) == 0 ? put_special(text + at) : 1;
    } else if (kind == 2 && len > 0) {
        const size_t at = below(len), size = put_special(piece);

        memcpy(text + at, piece, size < len - at ? size : len - at);
    } else if (kind > 2) {
        for (size_t at = 0; at < len; at++)
            text[at] = (char)('a' + below(26));
    }
}

/* A text without NUL, which ends where nothing may be read. */
static const char *random_text(size_t *len)
{
    char *const end = texts.ends[texts.count++];

    assert_true(texts.count <= TEXTS);
    *len = random_length();
    fill(end - *len, *len);
    return end - *len;
}

static const char *random_string(void)
{
    char *const end = texts.ends[texts.count++];
    const size_t len = random_length();

    assert_true(texts.count <= TEXTS);
    fill(end - 1 - len, len);
    for (char *at = end - 1 - len; at < end - 1; at++)
        *at = *at == '\0' ? '0' : *at;
    end[-1] = '\0';
    return end - 1 - len;
}

static const char *random_name(void)
{
    static const char *const names[] = {"",
                                        "n",
                                        "sum",
                                        "name",
                                        "message",
                                        "asctime",
                                        "levelname",
                                        "request_id",
                                        "trace_id",
                                        "span_id",
                                        "resource",
                                        "http.request.method",
                                        "url.path",
                                        "server.port",
                                        "status_code",
                                        "network.protocol.version",
                                        "microtrace.downstream.fallback",
                                        "elapsed_ms"};

    return below(10) == 0 ? random_string() : PICK(names);
}

/* --- Values ----------------------------------------------------------------------------------- */

static double random_double(void)
{
    static const double special[] = {0.0,    -0.0, NAN,  INFINITY, -INFINITY,
                                     5e-324, 1e-5, 1e-4, 0.1,      1e9,
                                     1e15,   1e16, 1e22, 0x1p53,   1.7976931348623157e308};
    const double whole = (double)(int64_t)(next() >> below(53)), sign = below(4) == 0 ? -1 : 1;
    uint64_t bits = next() << 32 ^ next();
    double value;

    switch (below(7)) {
    case 0:
        memcpy(&value, &bits, sizeof(value));
        return value;
    case 1:
        return PICK(special);
    case 2:
        return sign * whole;
    case 3:
        return sign * whole / 1e6;
    case 4:
        return sign * whole / 1e9;
    case 5:
        return sign * (double)below(100000) / 1000;
    default:
        return sign * ((double)below(1000) / 10 + (double)below(1000) / 100);
    }
}

static struct attribute random_attribute(void)
{
    static const char *const values[] = {"null", "[]", "{\"a\":[1,\"\xc3\xa9\\n\"]}", "\"x\"",
                                         "1.50"};
    const char *const key = random_name(), *text;
    size_t len;

    switch (below(9)) {
    case 0:
        return attribute_int(key, (int64_t)(next() << 32 ^ next()) >> below(64));
    case 1:
        return attribute_double(key, random_double());
    case 2:
        return attribute_bool(key, below(2) == 0);
    case 3:
        text = random_text(&len);
        return attribute_bytes(key, text, len);
    case 4:
        text = PICK(values);
        return attribute_json(key, text, strlen(text));
    case 5:
        return attribute_string(key, below(2) == 0 ? NULL : random_string());
    default:
        text = random_text(&len);
        return attribute_string_n(key, text, len);
    }
}

static void random_bytes(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)next();
}

static struct trace_context random_context(void)
{
    static const char *const states[] = {"", "a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"};
    struct trace_context context = {.flags = (uint8_t)below(4)};

    random_bytes(context.trace_id.bytes, sizeof(context.trace_id.bytes));
    random_bytes(context.span_id.bytes, sizeof(context.span_id.bytes));
    strcpy(context.state, PICK(states));
    return context;
}

static struct span random_span(void)
{
    static const char element[] = "{\"key\":\"k\",\"value\":{}},{\"key\":\"l\",\"value\":{}}";
    static const char event[] = "{\"timeUnixNano\":\"1\",\"name\":\"e\"}";
    struct span span = {.recording = true};

    span.context = random_context();
    if (below(2) == 0)
        random_bytes(span.parent.bytes, sizeof(span.parent.bytes));
    span.parent_is_remote = below(2) == 0;
    span.kind = (enum span_kind)(1 + below(5));
    span.status = (enum span_status)below(3);
    span.name = below(2) == 0 ? "POST /analyze" : random_string();
    span.status_message = below(8) == 0 ? random_string() : NULL;
    span.start_ns = next() << 11 ^ next();
    span.end_ns = below(8) == 0 ? 1 + below(1000) : span.start_ns | 1;
    for (size_t i = below(8) == 0 ? SPAN_ATTRIBUTES_MAX + 2 : below(12); i > 0; i--)
        span_set(&span, random_attribute());
    if (below(8) == 0)
        span.written_attributes = (struct span_list){element, sizeof(element) - 1, 0};
    if (below(8) == 0)
        span.events = (struct span_list){event, sizeof(event) - 1, (unsigned)below(2)};
    return span;
}

/* --- Comparing -------------------------------------------------------------------------------- */

struct record {
    struct span span;
    bool is_log;
    uint64_t now_ns;
    enum log_level level;
    const char *name, *message;
    struct log_context context;
    struct attribute fields[8];
    size_t field_count;
    const struct resource *resource;
};

static void write_ours(const struct record *record, struct json_writer *w)
{
    if (record->is_log)
        log_write(w, record->now_ns, record->level, record->name, record->message, &record->context,
                  record->fields, record->field_count, record->resource);
    else
        span_write(&record->span, &resource, &scope, w);
}

static void write_plain(const struct record *record, struct plain_json *w)
{
    if (record->is_log)
        plain_log(w, record->now_ns, record->level, record->name, record->message, &record->context,
                  record->fields, record->field_count, record->resource);
    else
        plain_span(&record->span, &resource, &scope, w);
}

/*
 * In a room of `cap` bytes, of which `used` are taken by what was written before: all of the plain
 * writer's `len` bytes if they fit, else a beginning of them.
 */
static void compare(const struct record *record, size_t len, size_t cap, size_t used)
{
    char *const ours = ours_end - cap;
    struct json_writer w;

    memset(ours - 1, '#', 1 + used);
    json_writer_init(&w, ours, cap);
    w.len = used;
    write_ours(record, &w);
    assert_int_equal(w.overflow, len > cap - used);
    if (!w.overflow)
        assert_int_equal(w.len - used, len);
    assert_true(w.len >= used && w.len - used <= len && w.len <= cap);
    assert_memory_equal(ours + used, plain_text, w.len - used);
    for (size_t i = 0; i <= used; i++)
        assert_int_equal(ours[i - 1], '#');
}

static void compare_in_any_room(const struct record *record)
{
    struct plain_json p;

    plain_json_init(&p, plain_text, ROOM);
    write_plain(record, &p);
    assert_false(p.overflow);
    compare(record, p.len, ROOM / 2, 0);
    compare(record, p.len, p.len, 0);
    compare(record, p.len, p.len - 1, 0);
    for (int i = 0; i < TRIES; i++) {
        const size_t used = below(70);

        compare(record, p.len, used + p.len + below(300), used);
        compare(record, p.len, used + below(p.len), used);
        compare(record, p.len, used + below(200), used);
    }
}

static void spans_are_those_of_the_plain_writer(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct record record = {.is_log = false};

        texts.count = 0;
        record.span = random_span();
        compare_in_any_room(&record);
    }
}

static void log_lines_are_those_of_the_plain_writer(void **state)
{
    struct trace_context trace;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct record record = {.is_log = true};

        texts.count = 0;
        trace = random_context();
        record.now_ns = next() << 11 >> below(64);
        record.level = (enum log_level)below(LOG_LEVEL_CRITICAL + 1);
        record.name = below(2) == 0 ? "microtrace.api" : random_string();
        record.message = below(2) == 0 ? "analyze_request" : random_string();
        record.context = (struct log_context){below(4) == 0 ? NULL : random_string(),
                                              below(4) == 0 ? NULL : &trace};
        record.field_count = below(1 + sizeof(record.fields) / sizeof(record.fields[0]));
        for (size_t k = 0; k < record.field_count; k++)
            record.fields[k] = random_attribute();
        record.resource = below(4) == 0 ? NULL : &resource;
        compare_in_any_room(&record);
    }
}

static int set_up(void **state)
{
    static const struct resource_service service = {"shop", "1.0", NULL};

    (void)state;
    for (size_t i = 0; i < TEXTS; i++)
        texts.ends[i] = guarded_end(TEXT_MAX);
    ours_end = guarded_end(ROOM);
    plain_text = guarded_end(ROOM) - ROOM;
    scope_init(&scope, "shop", "1.0", "https://x/1.0.0");
    (void)resource_init(&resource, &service, NULL, "region=eu \"1\"", "id");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_those_of_the_plain_writer),
        cmocka_unit_test(log_lines_are_those_of_the_plain_writer),
    };

    return cmocka_run_group_tests_name("records, compared", tests, set_up, NULL);
}
