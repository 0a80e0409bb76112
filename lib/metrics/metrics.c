#include "lib/metrics/metrics.h"

#include "lib/base/clock.h"
#include "lib/metrics/attachment.h"
#include "lib/metrics/guard.h"
#include "lib/metrics/pool.h"
#include "lib/metrics/registry.h"
#include "lib/metrics/rules.h"
#include "lib/metrics/series.h"
#include "lib/metrics/words.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CHECK_INTERVAL_NS = 1000000000,
    UNPLACED_MAX = 256, /* series without a place that are kept, to be tried again */
};

struct metrics {
    struct metrics *next; /* of all that are open */
    struct metrics_attachment at;
    struct metrics_registry registry;
    struct metrics_attachment retired[METRICS_RETIRED_MAX]; /* a ring */
    unsigned retirements;
    struct metrics_pool pool;
    struct metrics_family *families;
    size_t unplaced; /* series and families that are not in the file */
    struct metrics_words words;
    uint32_t max_series; /* of a file that is made here */
    _Atomic uint64_t checked_ns;
    atomic_bool refreshing;
    const char *refusal; /* the reason of the last one */
    char instance_id[IDS_UUID_TEXT + 1];
    const char *run_dir;
    char path[]; /* of the file, and behind its NUL the directory */
};

/*
 * One lock over everything but updates. It is global because a forked child has to find all that is
 * open, in a state in which it can go on.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metrics *all;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* Updates made without a file and not yet counted in one. */
static _Atomic uint64_t lost_updates;

/* The words of metrics that are NULL. */
static _Atomic uint64_t no_words[METRICS_SHARED_WORDS];
static const struct metrics_words nowhere = {no_words};

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
    metrics_guard_before_fork();
}

static void after_fork_parent(void)
{
    metrics_guard_after_fork();
    pthread_mutex_unlock(&lock);
}

static void after_fork_child(void)
{
    metrics_guard_after_fork();
    atomic_store(&lost_updates, 0); /* the parent's to tell */
    for (struct metrics *m = all; m != NULL; m = m->next) {
        metrics_attachment_fork(&m->at);
        metrics_registry_forget_spare(&m->registry);
        atomic_store(&m->checked_ns, 0);
        atomic_store(&m->refreshing, false);
    }
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* A tick's accuracy is enough, at a third of the exact clock's cost. */
static uint64_t coarse_ns(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return clock_timespec_ns(&now);
}

static bool is_private(const struct metrics *m)
{
    return m->at.problem[0] != '\0';
}

static void count_refused(struct metrics *m, enum metrics_refused why, uint64_t n)
{
    atomic_fetch_add_explicit(&metrics_file_header(&m->at.map)->refused[why], n,
                              memory_order_relaxed);
    if (why != METRICS_REFUSED_NO_FILE)
        m->refusal = metrics_file_refused_names[why];
}

/* Takes over an attachment: what it leads to is there from here on. */
static void adopt(struct metrics *m, const struct metrics_attachment *attachment)
{
    struct metrics_file_header *header = metrics_file_header(&attachment->map);

    m->at = *attachment;
    metrics_registry_init(&m->registry, &m->at.map);
    memcpy(m->instance_id, header->instance_id, IDS_UUID_TEXT);
    atomic_store_explicit(&m->words.first, header->shared, memory_order_release);
    if (!is_private(m))
        count_refused(m, METRICS_REFUSED_NO_FILE, atomic_exchange(&lost_updates, 0));
}

struct metrics *metrics_open(const char *run_dir, uint32_t max_series)
{
    size_t path_size = strlen(run_dir) + sizeof("/" METRICS_FILE_NAME);
    struct metrics *m = calloc(1, sizeof(*m) + path_size + strlen(run_dir) + 1);
    struct metrics_attachment attachment;

    if (m == NULL || metrics_pool_init(&m->pool) < 0) {
        free(m);
        return NULL;
    }
    snprintf(m->path, path_size, "%s/" METRICS_FILE_NAME, run_dir);
    m->run_dir = strcpy(m->path + path_size, run_dir);
    m->max_series = max_series == 0                     ? METRICS_SERIES_DEFAULT
                    : max_series > METRICS_SERIES_LIMIT ? METRICS_SERIES_LIMIT
                                                        : max_series;
    atomic_init(&m->checked_ns, coarse_ns());
    pthread_once(&fork_once, watch_forks);
    if (metrics_attachment_file(&attachment, m->path, m->run_dir, m->max_series) < 0 &&
        metrics_attachment_private(&attachment, m->max_series) < 0) {
        metrics_pool_free(&m->pool);
        free(m);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    adopt(m, &attachment);
    m->next = all;
    all = m;
    pthread_mutex_unlock(&lock);
    return m;
}

const char *metrics_problem(const struct metrics *m)
{
    if (m == NULL)
        return "out of memory";
    if (is_private(m))
        return m->at.problem;
    return metrics_file_lost(&m->at.map) ? METRICS_FILE_NAME " was truncated while in use" : NULL;
}

const char *metrics_instance_id(const struct metrics *m)
{
    return m == NULL ? "" : m->instance_id;
}

const struct metrics_words *metrics_words(const struct metrics *m)
{
    return m == NULL ? &nowhere : &m->words;
}

static void declare(struct metrics *m, struct metrics_family *family)
{
    enum metrics_refused why;

    family->offset = metrics_registry_family(&m->registry, family->def, &why);
    if (family->offset != 0)
        return;
    m->unplaced++;
    count_refused(m, why, 1);
}

/* Everything that was declared and looked up, in the file that is attached to now. */
static void place_all(struct metrics *m)
{
    enum metrics_refused why;

    m->unplaced = 0;
    for (struct metrics_family *family = m->families; family != NULL; family = family->next) {
        declare(m, family);
        for (size_t i = 0; i < family->size; i++) {
            for (struct metrics_series *s = family->buckets[i]; s != NULL; s = s->next) {
                if (metrics_series_place(s, &m->registry, &m->at, &why) < 0) {
                    m->unplaced++;
                    count_refused(m, why, 1);
                }
            }
        }
    }
}

/* Tries again what has no place. Only success is counted: the refusal was, when it was new. */
static void place_missing(struct metrics *m)
{
    enum metrics_refused why;

    if (m->unplaced == 0)
        return;
    m->unplaced = 0;
    metrics_attachment_claim(&m->at, m->path);
    for (struct metrics_family *family = m->families; family != NULL; family = family->next) {
        if (family->offset == 0)
            family->offset = metrics_registry_family(&m->registry, family->def, &why);
        m->unplaced += family->offset == 0;
        for (size_t i = 0; i < family->size; i++) {
            for (struct metrics_series *s = family->buckets[i]; s != NULL; s = s->next)
                m->unplaced +=
                    !s->placed && metrics_series_place(s, &m->registry, &m->at, &why) < 0;
        }
    }
}

/*
 * What was counted and observed in private memory. A forked child's began as a copy of its
 * parent's, which counts for itself.
 */
static uint64_t private_updates(const struct metrics *m)
{
    uint64_t sum = 0;

    if (!is_private(m) || m->at.forked)
        return 0;
    for (struct metrics_family *family = m->families; family != NULL; family = family->next) {
        for (size_t i = 0; i < family->size; i++) {
            for (struct metrics_series *s = family->buckets[i]; s != NULL; s = s->next)
                sum += metrics_series_updates(s, &m->at);
        }
    }
    return sum;
}

/* Moves to another attachment. The handles may be in use: the old memory stays for a while. */
static void move_to(struct metrics *m, const struct metrics_attachment *attachment)
{
    struct metrics_attachment *old = &m->retired[m->retirements++ % METRICS_RETIRED_MAX];

    metrics_attachment_close(old);
    *old = m->at;
    atomic_fetch_add(&lost_updates, private_updates(m));
    adopt(m, attachment);
    place_all(m);
    metrics_attachment_retire(old);
}

/* Looks at the file. Returns whether it attached again. */
static bool look(struct metrics *m)
{
    struct metrics_attachment attachment;
    bool moved = true;

    if (!m->at.forked && !is_private(m) && metrics_file_unchanged(&m->at.map, m->path)) {
        pthread_mutex_lock(&lock);
        place_missing(m);
        pthread_mutex_unlock(&lock);
        return false;
    }
    bool found = metrics_attachment_file(&attachment, m->path, m->run_dir, m->max_series) == 0;
    pthread_mutex_lock(&lock);
    if (!found && is_private(m) && !m->at.forked) {
        memcpy(m->at.problem, attachment.problem, sizeof(m->at.problem));
        place_missing(m);
        moved = false;
    } else if (!found && metrics_attachment_private(&attachment, m->max_series) < 0) {
        /* The old file, gone or not, is the only memory there is. */
        moved = false;
    }
    if (moved)
        move_to(m, &attachment);
    pthread_mutex_unlock(&lock);
    return moved;
}

bool metrics_refresh(struct metrics *m)
{
    if (m == NULL)
        return false;
    uint64_t now = coarse_ns();
    if (now < atomic_load_explicit(&m->checked_ns, memory_order_relaxed) + CHECK_INTERVAL_NS ||
        atomic_exchange(&m->refreshing, true))
        return false;
    bool moved = look(m);
    atomic_store(&m->checked_ns, now);
    atomic_store(&m->refreshing, false);
    return moved;
}

uint64_t metrics_died(const struct metrics *m)
{
    uint64_t died;

    if (m == NULL)
        return 0;
    pthread_mutex_lock(&lock);
    died = metrics_attachment_died(&m->at);
    pthread_mutex_unlock(&lock);
    return died;
}

void metrics_close(struct metrics *m)
{
    if (m == NULL)
        return;
    pthread_mutex_lock(&lock);
    for (struct metrics **p = &all; *p != NULL; p = &(*p)->next) {
        if (*p == m) {
            *p = m->next;
            break;
        }
    }
    /* Another one that has the file tells of them now, or whoever opens it next. */
    struct metrics *heir = all;
    while (heir != NULL && (is_private(heir) || strcmp(heir->path, m->path) != 0))
        heir = heir->next;
    if (heir != NULL)
        count_refused(heir, METRICS_REFUSED_NO_FILE, private_updates(m));
    else
        atomic_fetch_add(&lost_updates, private_updates(m));
    pthread_mutex_unlock(&lock);
    for (struct metrics_family *family = m->families; family != NULL; family = family->next)
        metrics_series_free_family(family);
    metrics_pool_free(&m->pool);
    for (size_t i = 0; i < METRICS_RETIRED_MAX; i++)
        metrics_attachment_close(&m->retired[i]);
    metrics_attachment_close(&m->at);
    free(m);
}

struct metrics_family *metrics_declare(struct metrics *m, const struct metrics_family_def *def)
{
    if (m == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    struct metrics_family *family = m->families;
    while (family != NULL && family->def != def)
        family = family->next;
    if (family == NULL && (family = metrics_series_new_family(&m->pool, m, def)) != NULL) {
        declare(m, family);
        family->next = m->families;
        m->families = family;
    }
    pthread_mutex_unlock(&lock);
    return family;
}

bool metrics_known(struct metrics *m, const char *name, struct metrics_known *known)
{
    pthread_mutex_lock(&lock);
    bool found = metrics_registry_known(&m->registry, name, known);
    pthread_mutex_unlock(&lock);
    return found;
}

const char *metrics_refusal(const struct metrics *m)
{
    return m->refusal;
}

/* Registers a series before there is one: no more that have no place are kept. */
static bool has_room(struct metrics_family *family, const struct metrics_series_key *key,
                     enum metrics_refused *why)
{
    struct metrics_registry_series at;

    *why = METRICS_REFUSED_FAMILY_REFUSED;
    return family->offset != 0 &&
           metrics_registry_series(&family->metrics->registry, family->offset, family->def,
                                   key->bytes, key->len, &at, why) == 0;
}

/* Returns the series, placed or not, or NULL; *why is set if it is not placed. */
static struct metrics_series *find_or_add(struct metrics_family *family, enum metrics_kind kind,
                                          const char *const *values, enum metrics_refused *why)
{
    struct metrics *m = family->metrics;
    struct metrics_series_key key;

    *why = METRICS_REFUSED_FAMILY_REFUSED;
    if (family->offset == 0 && !metrics_rules_family_valid(family->def))
        return NULL;
    *why = METRICS_REFUSED_WRONG_KIND;
    if (family->def->kind != kind)
        return NULL;
    *why = METRICS_REFUSED_VALUE_TOO_LONG;
    if (metrics_series_key(&key, values, family->label_count) < 0)
        return NULL;
    struct metrics_series *series = metrics_series_find(family, &key);
    if (series != NULL && series->placed)
        return series;
    if (series == NULL) {
        *why = METRICS_REFUSED_VALUE_NOT_UTF8;
        if (!metrics_series_values_utf8(values, family->label_count))
            return NULL;
        if (m->unplaced >= UNPLACED_MAX && !has_room(family, &key, why))
            return NULL;
        *why = METRICS_REFUSED_NO_ROOM;
        if ((series = metrics_series_new(&m->pool, family, &key)) == NULL)
            return NULL;
        m->unplaced++;
    }
    if (metrics_series_place(series, &m->registry, &m->at, why) == 0)
        m->unplaced--;
    return series;
}

static struct metrics_series *find(struct metrics_family *family, enum metrics_kind kind,
                                   const char *const *values)
{
    enum metrics_refused why;

    if (family == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    struct metrics_series *series = find_or_add(family, kind, values, &why);
    if (series == NULL || !series->placed)
        count_refused(family->metrics, why, 1);
    pthread_mutex_unlock(&lock);
    return series;
}

/* A handle is the first member of its series, so that NULL stays NULL. */
struct metrics_counter *metrics_counter(struct metrics_family *family, const char *const *values)
{
    return (struct metrics_counter *)find(family, METRICS_COUNTER, values);
}

struct metrics_gauge *metrics_gauge(struct metrics_family *family, const char *const *values)
{
    return (struct metrics_gauge *)find(family, METRICS_GAUGE, values);
}

struct metrics_live_gauge *metrics_live_gauge(struct metrics_family *family,
                                              const char *const *values)
{
    return (struct metrics_live_gauge *)find(family, METRICS_LIVE_GAUGE, values);
}

struct metrics_histogram *metrics_histogram(struct metrics_family *family,
                                            const char *const *values)
{
    return (struct metrics_histogram *)find(family, METRICS_HISTOGRAM, values);
}

/* The sum over all stripes; false if the series has no place. */
static bool sum_of(const struct metrics_series *series, uint64_t *sum)
{
    const struct metrics_map *map = &series->family->metrics->at.map;

    if (!series->placed || metrics_file_lost(map))
        return false;
    *sum = metrics_file_sum(map, series->at.cell_offset);
    /* Cut off while we read: then these were zeros of nobody's. */
    return !metrics_file_lost(map);
}

bool metrics_counter_read(struct metrics_counter *counter, uint64_t *value)
{
    uint64_t sum;

    if (counter == NULL)
        return false;
    pthread_mutex_lock(&lock);
    bool known = sum_of((const struct metrics_series *)counter, &sum);
    pthread_mutex_unlock(&lock);
    if (known)
        *value = sum;
    return known;
}

/*
 * Other stripes may hold what an earlier owner, in another slot, had set. One addition of the
 * difference, modulo 2^64, lets no reader see a wrong sum. It goes to the last stripe: what is in a
 * process's own one was added, and can be lost.
 */
void metrics_counter_set(struct metrics_counter *counter, uint64_t value)
{
    const struct metrics_series *series = (const struct metrics_series *)counter;
    uint64_t sum;

    if (counter == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (sum_of(series, &sum)) {
        const struct metrics_map *map = &series->family->metrics->at.map;
        atomic_fetch_add_explicit(
            metrics_file_cells(map, map->at.stripes - 1, series->at.cell_offset), value - sum,
            memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
}
