#include "lib/keeping.h"

#include "lib/base/clock.h"
#include "lib/families.h"

static struct metrics_counter *kept_counter(struct metrics_family *family, enum keep_reason reason)
{
    return metrics_counter(family, (const char *[]){keep_reason_names[reason]});
}

void keeping_init(struct keeping *k, const struct keep *rules, struct metrics *metrics)
{
    struct metrics_family *const kept =
        metrics_declare(metrics, &families_table[FAMILY_TRACES_KEPT]);

    k->rules = rules;
    for (int reason = 0; reason < KEEP_REASONS; reason++)
        k->kept[reason] = NULL;
    for (size_t i = 0; i < rules->count; i++)
        k->kept[rules->rules[i].reason] = kept_counter(kept, rules->rules[i].reason);
    if (rules->count == 0)
        k->kept[KEEP_ALL] = kept_counter(kept, KEEP_ALL);
    else
        k->kept[KEEP_LARGE] = kept_counter(kept, KEEP_LARGE);
    k->discarded =
        metrics_counter(metrics_declare(metrics, &families_table[FAMILY_TRACES_DISCARDED]), NULL);
    k->exemplar_count = 0;
    held_init(&k->held);
}

void keeping_begin(const struct keeping *k, struct span *root)
{
    root->fate = keep_from_start(k->rules, root) ? SPAN_FATE_KEPT : SPAN_FATE_OPEN;
}

/* Leaves the exemplars of the trace, or forgets them. */
static void settle_exemplars(struct keeping *k, const struct span *root)
{
    size_t waiting = 0;

    for (size_t i = 0; i < k->exemplar_count; i++) {
        const struct keeping_exemplar *const e = &k->exemplars[i];

        if (e->root != root)
            k->exemplars[waiting++] = *e;
        else if (root->fate == SPAN_FATE_KEPT)
            metrics_exemplar(e->histogram, e->value, &root->context.trace_id, &e->span_id,
                             e->unix_ns);
    }
    k->exemplar_count = waiting;
}

/* The fate of a trace that was open. */
static void settle(struct keeping *k, struct span *root, enum span_fate fate, keeping_take *take,
                   void *context)
{
    root->fate = fate;
    settle_exemplars(k, root);
    held_release(&k->held, root, fate == SPAN_FATE_KEPT ? take : NULL, context);
}

static void decide(struct keeping *k, struct span *root, keeping_take *take, void *context)
{
    enum keep_reason reason = keep_decide(k->rules, root);

    /* What was let through for its size can't be taken back. */
    if (reason == KEEP_NONE && root->fate == SPAN_FATE_KEPT)
        reason = KEEP_LARGE;
    if (root->fate == SPAN_FATE_OPEN)
        settle(k, root, reason == KEEP_NONE ? SPAN_FATE_DISCARDED : SPAN_FATE_KEPT, take, context);
    metrics_add(reason == KEEP_NONE ? k->discarded : k->kept[reason], 1);
    if (reason != KEEP_NONE && reason != KEEP_ALL)
        span_set(root, attribute_string("microtrace.keep.reason", keep_reason_names[reason]));
}

void keeping_end(struct keeping *k, struct span *span, keeping_take *take, void *context)
{
    struct span *const root = span->root;

    if (span == root)
        decide(k, root, take, context);
    else if (span->status == SPAN_STATUS_ERROR)
        root->failed = true;
    if (root->fate == SPAN_FATE_OPEN && held_add(&k->held, span) != 0)
        settle(k, root, SPAN_FATE_KEPT, take, context);
    if (root->fate == SPAN_FATE_KEPT)
        take(context, span);
}

void keeping_observe(struct keeping *k, struct metrics_histogram *histogram, double value,
                     const struct span *span)
{
    const uint64_t unix_ns = span->end_ns != 0 ? span->end_ns : clock_unix_ns();
    const struct span *const root = span->root;

    if (span->recording && root->fate == SPAN_FATE_KEPT) {
        metrics_observe_exemplar(histogram, value, &span->context.trace_id, &span->context.span_id,
                                 unix_ns);
        return;
    }
    metrics_observe(histogram, value);
    if (!span->recording || root->fate == SPAN_FATE_DISCARDED ||
        k->exemplar_count == KEEPING_EXEMPLARS_MAX)
        return;
    k->exemplars[k->exemplar_count++] =
        (struct keeping_exemplar){root, histogram, value, span->context.span_id, unix_ns};
}

void keeping_clear(struct keeping *k, keeping_take *take, void *context)
{
    k->exemplar_count = 0;
    held_release(&k->held, NULL, take, context);
}
