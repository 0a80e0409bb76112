#include "lib/base/clock.h"
#include "view/history_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where slots keep what tells of a process; -1 where nothing does. */
struct places {
    int busy, in_progress;
    const char *programs[METRICS_FILE_LIVE_GAUGES]; /* by live gauge, NULL for other ones */
};

static int place_of(const struct metrics_reader *reader, const char *name, const char *value)
{
    const struct metrics_reader_family *const family =
        metrics_reader_find_family(reader, name, strlen(name));

    if (family == NULL || family->kind != METRICS_LIVE_GAUGE ||
        family->label_count != (value != NULL))
        return -1;
    for (size_t i = 0; i < family->series_count; i++) {
        if (value == NULL || strcmp(family->series[i]->values[0], value) == 0)
            return metrics_reader_live_index(reader, family->series[i]);
    }
    return -1;
}

static void find_places(const struct metrics_reader *reader, struct places *places)
{
    static const char name[] = "microtrace_program_workers";
    const struct metrics_reader_family *const programs =
        metrics_reader_find_family(reader, name, sizeof name - 1);

    *places = (struct places){.busy = place_of(reader, "microtrace_workers", "busy"),
                              .in_progress = place_of(reader, "requests_in_progress", NULL)};
    if (programs == NULL || programs->kind != METRICS_LIVE_GAUGE || programs->label_count != 2)
        return;
    for (size_t i = 0; i < programs->series_count; i++) {
        const int at = metrics_reader_live_index(reader, programs->series[i]);

        if (at >= 0)
            places->programs[at] = programs->series[i]->values[0];
    }
}

static struct overview_process process_of(const struct metrics_reader_slot *slot,
                                          const struct places *places, bool died)
{
    struct overview_process process = {
        .pid = slot->pid <= UINT32_MAX ? (uint32_t)slot->pid : 0,
        .died = died,
        .since_ns = slot->start_unix_ns,
    };

    process.busy = !died && ((places->busy >= 0 && slot->live[places->busy] > 0) ||
                             (places->in_progress >= 0 && slot->live[places->in_progress] > 0));
    for (int i = 0; i < METRICS_FILE_LIVE_GAUGES; i++) {
        if (places->programs[i] != NULL && slot->live[i] > 0) {
            history_rows_name(process.name, places->programs[i]);
            process.worker = true;
        }
    }
    return process;
}

/* In the place of the one that is longest dead. */
static void mourn(struct history *h, const struct overview_process *process, uint64_t monotonic_ns)
{
    struct history_dead *oldest = &h->dead[0];

    for (int i = 1; i < HISTORY_DEAD_MAX; i++) {
        if (h->dead[i].died_ns < oldest->died_ns)
            oldest = &h->dead[i];
    }
    *oldest = (struct history_dead){.process = *process, .died_ns = monotonic_ns};
}

/* Who died first, then who works, then who is there for longest. */
static int by_interest(const void *a, const void *b)
{
    const struct overview_process *const pa = a, *const pb = b;

    if (pa->died != pb->died)
        return pa->died ? -1 : 1;
    if (pa->busy != pb->busy)
        return pa->busy ? -1 : 1;
    if (pa->since_ns != pb->since_ns)
        return pa->since_ns < pb->since_ns ? -1 : 1;
    return pa->pid < pb->pid ? -1 : pa->pid > pb->pid;
}

void history_processes(struct history *h, const struct metrics_reader *reader,
                       uint64_t monotonic_ns, bool first)
{
    enum metrics_slot_state states[METRICS_FILE_SLOTS];
    struct overview_process all[METRICS_FILE_SLOTS + HISTORY_DEAD_MAX];
    struct metrics_words words;
    struct places places;
    size_t count = 0;

    h->process_count = h->processes_all = 0;
    if (!metrics_reader_words(reader, &words))
        return;
    /* The words before the locks, so that nobody is counted twice. */
    h->now.counts[HISTORY_DIED] = atomic_load_explicit(
        metrics_words_at(&words, METRICS_SLOT_DIED_WORD), memory_order_acquire);
    if (metrics_reader_slots(reader, states) < 0)
        return;
    find_places(reader, &places);
    for (unsigned i = 0; i < METRICS_FILE_SLOTS; i++) {
        struct metrics_reader_slot slot;
        struct overview_process process;

        if (states[i] == METRICS_SLOT_FREE)
            continue;
        metrics_reader_slot(reader, i, &slot);
        process = process_of(&slot, &places, states[i] == METRICS_SLOT_DEAD);
        if (states[i] == METRICS_SLOT_LIVING) {
            all[count++] = process;
            continue;
        }
        h->now.counts[HISTORY_DIED]++;
        if (!first && h->dead_starts[i] != slot.start_unix_ns)
            mourn(h, &process, monotonic_ns);
        h->dead_starts[i] = slot.start_unix_ns;
    }
    h->processes_all = count;
    for (int i = 0; i < HISTORY_DEAD_MAX; i++) {
        const struct history_dead *const dead = &h->dead[i];

        if (dead->died_ns != 0 &&
            monotonic_ns - dead->died_ns < (uint64_t)HISTORY_DEAD_S * CLOCK_NS_PER_S)
            all[count++] = dead->process;
    }
    qsort(all, count, sizeof all[0], by_interest);
    h->process_count = count < OVERVIEW_PROCESSES_MAX ? count : OVERVIEW_PROCESSES_MAX;
    memcpy(h->processes, all, h->process_count * sizeof all[0]);
}
