/*
 * Goal: the six built-in samplers decide as the OpenTelemetry specification says, the ratio one by
 * the trace id alone, and a bad setting falls back as it says.
 */
#include "lib/trace/sampler.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct trace_context sampled_parent = {.flags = TRACE_CONTEXT_SAMPLED};
static const struct trace_context unsampled_parent = {.flags = 0};

static void the_table_of_samplers_holds(void **state)
{
    static const struct {
        const char *name, *arg;
        bool root, under_sampled, under_unsampled;
    } cases[] = {
        {NULL, NULL, true, true, false},
        {"", NULL, true, true, false},
        {"parentbased_always_on", NULL, true, true, false},
        {"parentbased_always_off", NULL, false, true, false},
        {"parentbased_traceidratio", "0", false, true, false},
        {"parentbased_traceidratio", "1", true, true, false},
        {"always_on", NULL, true, true, true},
        {"always_off", NULL, false, false, false},
        {"traceidratio", "0.0", false, false, false},
        {"traceidratio", NULL, true, true, true},
        {"ALWAYS_OFF", NULL, false, false, false},
        {"ParentBased_TraceIdRatio", "0", false, true, false},
    };
    const struct trace_id trace = ids_new_trace();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sampler s;

        assert_null(sampler_init(&s, cases[i].name, cases[i].arg));
        assert_int_equal(sampler_decide(&s, &trace, NULL), cases[i].root);
        assert_int_equal(sampler_decide(&s, &trace, &sampled_parent), cases[i].under_sampled);
        assert_int_equal(sampler_decide(&s, &trace, &unsampled_parent), cases[i].under_unsampled);
    }
}

static void bad_settings_warn_and_fall_back(void **state)
{
    static const char *const args[] = {"1.5", "-0.1", "x", "0.5x", "nan"};
    const struct trace_id trace = ids_new_trace();
    struct sampler s;

    (void)state;
    assert_non_null(sampler_init(&s, "sometimes", NULL));
    assert_true(s.parent_based && sampler_decide(&s, &trace, NULL));
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
        assert_non_null(sampler_init(&s, "traceidratio", args[i]));
        assert_true(sampler_decide(&s, &trace, NULL));
    }
}

static void a_ratio_is_kept_and_is_the_same_for_all_who_ask(void **state)
{
    enum { TRACES = 20000 };
    struct sampler quarter, half;
    unsigned kept = 0;

    (void)state;
    assert_null(sampler_init(&quarter, "traceidratio", "0.25"));
    assert_null(sampler_init(&half, "traceidratio", "0.5"));
    for (unsigned i = 0; i < TRACES; i++) {
        const struct trace_id trace = ids_new_trace();
        const bool in = sampler_decide(&quarter, &trace, NULL);

        kept += in;
        /* What a smaller ratio keeps, a larger one keeps too. */
        assert_true(!in || sampler_decide(&half, &trace, NULL));
    }
    /* Six standard deviations of a binomial of 20,000 by 1/4. */
    assert_in_range(kept, 5000 - 368, 5000 + 368);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_samplers_holds),
        cmocka_unit_test(bad_settings_warn_and_fall_back),
        cmocka_unit_test(a_ratio_is_kept_and_is_the_same_for_all_who_ask),
    };

    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
