/*
 * Goal: what the W3C Trace Context working group's own test suite asks of a service, as a table:
 * for the headers of a request, whether the caller's trace goes on and which tracestate goes with
 * it.
 */
#include "lib/trace/propagation.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define TRACE  "12345678901234567890123456789012"
#define PARENT "1234567890123456"
#define GOOD   "00-" TRACE "-" PARENT "-01"
#define TEN(x) x x x x x x x x x x

struct request_case {
    const char *what;
    const char *traceparent,
        *tracestate; /* NULL: not sent. Repeated ones as a server joins them. */
    bool continues;
    const char *state; /* that is passed on */
};

static const struct request_case parents[] = {
    {"both missing", NULL, NULL, false, ""},
    {"traceparent missing", NULL, "foo=1", false, ""},
    {"traceparent alone", GOOD, NULL, true, ""},
    {"both", GOOD, "foo=1,bar=2", true, "foo=1,bar=2"},
    {"invalid traceparent, tracestate with it", "00-" TRACE "-" PARENT, "foo=1", false, ""},
    {"duplicated", GOOD ", 00-12345678901234567890123456789013-" PARENT "-01", NULL, false, ""},
    {"empty", "", "foo=1", false, ""},
    {"not sampled", "00-" TRACE "-" PARENT "-00", "foo=1", true, "foo=1"},
    {"version 00, trailing dot", GOOD ".", NULL, false, ""},
    {"version 00, trailing field", GOOD "-what-the-future-will-be-like", NULL, false, ""},
    {"version cc", "cc-" TRACE "-" PARENT "-01", NULL, true, ""},
    {"version cc, more fields", "cc-" TRACE "-" PARENT "-01-what-the-future-will-be-like", NULL,
     true, ""},
    {"version cc, other separator", "cc-" TRACE "-" PARENT "-01.what-the-future-will-be-like", NULL,
     false, ""},
    {"version ff", "ff-" TRACE "-" PARENT "-01", NULL, false, ""},
    {"version .0", ".0-" TRACE "-" PARENT "-01", NULL, false, ""},
    {"version 0.", "0.-" TRACE "-" PARENT "-01", NULL, false, ""},
    {"version 000", "000-" TRACE "-" PARENT "-01", NULL, false, ""},
    {"version 0000", "0000-" TRACE "-" PARENT "-01", NULL, false, ""},
    {"version 0", "0-" TRACE "-" PARENT "-01", NULL, false, ""},
    {"trace id of zeros", "00-00000000000000000000000000000000-" PARENT "-01", NULL, false, ""},
    {"trace id with a dot", "00-.2345678901234567890123456789012-" PARENT "-01", NULL, false, ""},
    {"trace id ending in a dot", "00-1234567890123456789012345678901.-" PARENT "-01", NULL, false,
     ""},
    {"trace id in upper case", "00-ABCDEF78901234567890123456789012-" PARENT "-01", NULL, false,
     ""},
    {"trace id too long", "00-" TRACE "3-" PARENT "-01", NULL, false, ""},
    {"trace id too short", "00-1234567890123456789012345678901-" PARENT "-01", NULL, false, ""},
    {"parent id of zeros", "00-" TRACE "-0000000000000000-01", NULL, false, ""},
    {"parent id with a dot", "00-" TRACE "-.234567890123456-01", NULL, false, ""},
    {"parent id ending in a dot", "00-" TRACE "-123456789012345.-01", NULL, false, ""},
    {"parent id too long", "00-" TRACE "-" PARENT "7-01", NULL, false, ""},
    {"parent id too short", "00-" TRACE "-123456789012345-01", NULL, false, ""},
    {"flags .0", "00-" TRACE "-" PARENT "-.0", NULL, false, ""},
    {"flags 0.", "00-" TRACE "-" PARENT "-0.", NULL, false, ""},
    {"flags too long", "00-" TRACE "-" PARENT "-001", NULL, false, ""},
    {"flags too short", "00-" TRACE "-" PARENT "-1", NULL, false, ""},
    {"flags that are not defined", "00-" TRACE "-" PARENT "-ff", NULL, true, ""},
};

static const struct request_case states[] = {
    {"empty", GOOD, "", true, ""},
    {"empty and another", GOOD, "foo=1,", true, "foo=1"},
    {"another and empty", GOOD, ", foo=1", true, "foo=1"},
    {"several headers", GOOD, "foo=1,bar=2, rojo=1,congo=2, baz=3", true,
     "foo=1,bar=2,rojo=1,congo=2,baz=3"},
    {"the same member twice", GOOD, "foo=1,foo=1", true, "foo=1"},
    {"a key twice", GOOD, "foo=1,foo=2", true, "foo=1"},
    {"a key twice, in two headers", GOOD, "foo=1, foo=2", true, "foo=1"},
    {"a key twice, others between", GOOD, "foo=1,bar=2,foo=3", true, "foo=1,bar=2"},
    {"all characters of a key", GOOD,
     "0123456789abcdefghijklmnopqrstuvwxyz=1,a-b_c*d/e=2,fw529a3039@dt=3", true,
     "0123456789abcdefghijklmnopqrstuvwxyz=1,a-b_c*d/e=2,fw529a3039@dt=3"},
    {"all characters of a value", GOOD,
     "a= !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
     "abcdefghijklmnopqrstuvwxyz{|}~",
     true,
     "a= !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
     "abcdefghijklmnopqrstuvwxyz{|}~"},
    {"blanks around members", GOOD, "foo=1 \t , \t bar=2, \t baz=3", true, "foo=1,bar=2,baz=3"},
    {"tabs around the list", GOOD, "\t foo=1\t", true, "foo=1"},
    {"blank in a key", GOOD, "foo =1", true, ""},
    {"upper case key", GOOD, "FOO=1", true, ""},
    {"dot in a key", GOOD, "foo.bar=1", true, ""},
    {"key of @ first", GOOD, "@foo=1,bar=2", true, ""},
    {"no key", GOOD, "=1,bar=2", true, ""},
    {"no value", GOOD, "foo=,bar=3", true, ""},
    {"no equals sign", GOOD, "foo,bar=3", true, ""},
    {"equals sign in a value", GOOD, "foo=bar=baz", true, ""},
    {"key of 256", GOOD, TEN(TEN("z")) TEN(TEN("z")) TEN("zzzzz") "zzzzzz=1", true,
     TEN(TEN("z")) TEN(TEN("z")) TEN("zzzzz") "zzzzzz=1"},
    {"key of 257", GOOD, TEN(TEN("z")) TEN(TEN("z")) TEN("zzzzz") "zzzzzzz=1", true, ""},
    {"tenant of 241, vendor of 14", GOOD,
     TEN(TEN("t")) TEN(TEN("t")) TEN("tttt") "t@vvvvvvvvvvvvvv=1", true,
     TEN(TEN("t")) TEN(TEN("t")) TEN("tttt") "t@vvvvvvvvvvvvvv=1"},
    {"value of 257", GOOD, "k=" TEN(TEN("z")) TEN(TEN("z")) TEN("zzzzz") "zzzzzzz", true, ""},
    {"32 members", GOOD,
     "a01=1,a02=1,a03=1,a04=1,a05=1,a06=1,a07=1,a08=1,a09=1,a10=1,a11=1,a12=1,a13=1,a14=1,a15=1,"
     "a16=1,a17=1,a18=1,a19=1,a20=1,a21=1,a22=1,a23=1,a24=1,a25=1,a26=1,a27=1,a28=1,a29=1,a30=1,"
     "a31=1,a32=1",
     true,
     "a01=1,a02=1,a03=1,a04=1,a05=1,a06=1,a07=1,a08=1,a09=1,a10=1,a11=1,a12=1,a13=1,a14=1,a15=1,"
     "a16=1,a17=1,a18=1,a19=1,a20=1,a21=1,a22=1,a23=1,a24=1,a25=1,a26=1,a27=1,a28=1,a29=1,a30=1,"
     "a31=1,a32=1"},
    {"33 members", GOOD,
     "a01=1,a02=1,a03=1,a04=1,a05=1,a06=1,a07=1,a08=1,a09=1,a10=1,a11=1,a12=1,a13=1,a14=1,a15=1,"
     "a16=1,a17=1,a18=1,a19=1,a20=1,a21=1,a22=1,a23=1,a24=1,a25=1,a26=1,a27=1,a28=1,a29=1,a30=1,"
     "a31=1,a32=1,a33=1",
     true, ""},
};

static void put(void *to, const char *name, const char *value)
{
    char(*headers)[1024] = to;

    (void)snprintf(headers[strcmp(name, "tracestate") == 0], sizeof(headers[0]), "%s", value);
}

/* What comes in, and what a callee is sent then. */
static void check(const struct request_case *c)
{
    const struct propagation_carrier carrier = {.traceparent = c->traceparent,
                                                .tracestate = c->tracestate};
    char sent[2][1024] = {"", ""};
    struct trace_context context;
    const bool found = propagation_extract(PROPAGATION_TRACECONTEXT, &carrier, &context);

    if (found != c->continues)
        fail_msg("%s: the trace %s", c->what, found ? "goes on" : "does not go on");
    if (!found)
        return;
    (void)propagation_inject(PROPAGATION_TRACECONTEXT, &context, NULL, put, sent);
    assert_memory_equal(sent[0], "00-" TRACE, 35);
    if (strcmp(sent[1], c->state) != 0)
        fail_msg("%s: tracestate \"%s\", not \"%s\"", c->what, sent[1], c->state);
}

static void traceparent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++)
        check(&parents[i]);
}

static void tracestate(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        check(&states[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparent),
        cmocka_unit_test(tracestate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
