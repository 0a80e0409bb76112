#include "lib/metrics/metrics.h"

#include "lib/base/clock.h"
#include "lib/metrics/cache.h"
#include "lib/metrics/catalog.h"
#include "lib/metrics/file.h"
#include "lib/metrics/registry.h"
#include "lib/metrics/rules.h"
#include "lib/metrics/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    CHECK_INTERVAL_NS = 1000000000,
    CREATE_RACES = 8, /* times that a file may vanish between making and mapping it */
};

struct metrics_family {
    struct metrics *metrics;
    const struct metrics_family_def *def;
    struct metrics_family *next;
    uint64_t offset; /* of its record; 0: refused */
    size_t label_count;
    double steps_per_unit;
    struct metrics_cache cache;
};

struct metrics {
    struct metrics *next; /* of all that are open */
    struct metrics_map map;
    struct metrics_registry registry;
    struct metrics_family *families;
    int lock_fd;
    unsigned slot; /* whose live cells are used; where the slot is not ours, they are not shared */
    bool has_slot;
    unsigned stripe;
    bool forked; /* this is the child of the process that opened it */
    bool current;
    uint64_t checked_ns;
    char instance_id[IDS_UUID_TEXT + 1];
    char problem[METRICS_ERROR_MAX];
    const char *run_dir;
    char path[]; /* of the file, and behind its NUL the directory */
};

/* A forked child has to find everything that is open: hence a list, and one lock over it all. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metrics *all;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* Updates made without a file and not yet counted in one. */
static _Atomic uint64_t lost_updates;

/* What refused series point to. Nobody reads it. */
static _Atomic uint64_t sink[METRICS_BOUNDS_MAX + 2];

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/*
 * The child goes on counting in the file, but the slot stays the parent's alone: the lock must end
 * with the parent, and handles that the child inherited must not write the parent's live cells.
 */
static void after_fork_child(void)
{
    atomic_store(&lost_updates, 0); /* the parent's to tell */
    for (struct metrics *m = all; m != NULL; m = m->next) {
        if (m->lock_fd >= 0)
            close(m->lock_fd);
        m->lock_fd = -1;
        m->has_slot = false;
        m->forked = true;
        metrics_registry_forget_spare(&m->registry);
        if (m->map.inode != 0 && !metrics_file_lost(&m->map)) {
            void *slots =
                mmap(metrics_file_slots(&m->map), METRICS_FILE_SLOTS * METRICS_FILE_SLOT_SIZE,
                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            assert(slots != MAP_FAILED);
            (void)slots;
        }
    }
    pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static uint32_t max_series_setting(void)
{
    const char *text = getenv("MICROTRACE_METRICS_MAX_SERIES");
    char *end;

    if (text == NULL || *text < '0' || *text > '9')
        return METRICS_FILE_MAX_SERIES;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value == 0 || value > METRICS_FILE_MAX_SERIES_LIMIT)
        return METRICS_FILE_MAX_SERIES;
    return (uint32_t)value;
}

/* Maps the file, making it where there is none. What it returns goes with errno. */
static enum metrics_file_state attach_file(const struct metrics *m, struct metrics_map *map)
{
    enum metrics_file_state state = METRICS_FILE_MISSING;

    for (int i = 0; i < CREATE_RACES; i++) {
        state = metrics_file_map(map, m->path, true);
        if (state != METRICS_FILE_MISSING)
            return state;
        int dir_fd = open(m->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
            return METRICS_FILE_UNUSABLE;
        int made = metrics_file_create(dir_fd, max_series_setting());
        int saved = errno;
        close(dir_fd);
        errno = saved;
        if (made < 0)
            return METRICS_FILE_UNUSABLE;
    }
    return state;
}

static void attach(struct metrics *m)
{
    enum metrics_file_state state = attach_file(m, &m->map);

    if (state != METRICS_FILE_OK) {
        snprintf(m->problem, sizeof(m->problem), "%.160s: %s", m->path,
                 metrics_file_state_text(state));
        return;
    }
    int slot = metrics_slot_claim(&m->map, m->path, &m->lock_fd, &m->stripe);
    m->has_slot = slot >= 0;
    m->slot = slot >= 0 ? (unsigned)slot : 0;
}

static void count_refused(struct metrics *m, enum metrics_refused why, uint64_t n)
{
    atomic_fetch_add_explicit(&metrics_file_header(&m->map)->refused[why], n, memory_order_relaxed);
}

struct metrics *metrics_open(const char *run_dir)
{
    size_t path_size = strlen(run_dir) + sizeof("/" METRICS_FILE_NAME);
    struct metrics *m = calloc(1, sizeof(*m) + path_size + strlen(run_dir) + 1);

    if (m == NULL)
        return NULL;
    snprintf(m->path, path_size, "%s/" METRICS_FILE_NAME, run_dir);
    m->run_dir = strcpy(m->path + path_size, run_dir);
    m->lock_fd = -1;
    m->current = true;
    m->checked_ns = clock_monotonic_ns();
    pthread_once(&fork_once, watch_forks);
    attach(m);
    if (m->problem[0] != '\0' && metrics_file_map_private(&m->map, max_series_setting()) < 0) {
        free(m);
        return NULL;
    }
    memcpy(m->instance_id, metrics_file_header(&m->map)->instance_id, IDS_UUID_TEXT);
    metrics_registry_init(&m->registry, &m->map);
    if (m->problem[0] == '\0')
        count_refused(m, METRICS_REFUSED_NO_FILE, atomic_exchange(&lost_updates, 0));
    pthread_mutex_lock(&lock);
    m->next = all;
    all = m;
    pthread_mutex_unlock(&lock);
    return m;
}

const char *metrics_problem(const struct metrics *m)
{
    if (m->problem[0] != '\0')
        return m->problem;
    return metrics_file_lost(&m->map) ? METRICS_FILE_NAME " was truncated while in use" : NULL;
}

/* Without a file: whether there is one to be had now. */
static bool file_to_be_had(const struct metrics *m)
{
    struct metrics_map map = {.guard = -1};
    bool found = attach_file(m, &map) == METRICS_FILE_OK;

    metrics_file_unmap(&map);
    return found;
}

bool metrics_current(struct metrics *m)
{
    struct timespec now;

    if (m->forked)
        return false;
    /* A tick's accuracy does, and costs a third of the exact clock. */
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    if (ns < m->checked_ns + CHECK_INTERVAL_NS)
        return m->current;
    m->checked_ns = ns;
    if (m->problem[0] != '\0')
        m->current = !file_to_be_had(m);
    else
        m->current = metrics_file_unchanged(&m->map, m->path);
    return m->current;
}

/*
 * What was counted and observed in private memory: additions to counters, and observations.
 * Counters that are set are not lost, and not in this stripe.
 */
static uint64_t private_updates(const struct metrics *m)
{
    struct metrics_catalog catalog = {0};
    uint64_t sum = 0;

    if (metrics_catalog_read(&catalog, &m->map) == 0) {
        for (size_t f = 0; f < catalog.family_count; f++) {
            const struct metrics_reader_family *family = catalog.families[f];
            size_t cells = family->kind == METRICS_COUNTER     ? 1
                           : family->kind == METRICS_HISTOGRAM ? family->bound_count + 1
                                                               : 0;
            for (size_t s = 0; cells > 0 && s < family->series_count; s++) {
                const _Atomic uint64_t *cell =
                    metrics_file_cells(&m->map, m->stripe, family->series[s]->cell_offset);
                for (size_t c = 0; c < cells; c++)
                    sum += atomic_load_explicit(&cell[c], memory_order_relaxed);
            }
        }
    }
    metrics_catalog_clear(&catalog);
    return sum;
}

void metrics_close(struct metrics *m)
{
    if (m == NULL)
        return;
    /* A forked child's memory began as a copy of its parent's, which counts for itself. */
    uint64_t lost = m->problem[0] != '\0' && !m->forked ? private_updates(m) : 0;
    pthread_mutex_lock(&lock);
    for (struct metrics **p = &all; *p != NULL; p = &(*p)->next) {
        if (*p == m) {
            *p = m->next;
            break;
        }
    }
    /* The caller may have opened anew already; else whoever opens next counts them. */
    struct metrics *heir = all;
    while (heir != NULL && (heir->problem[0] != '\0' || strcmp(heir->path, m->path) != 0))
        heir = heir->next;
    if (heir != NULL)
        count_refused(heir, METRICS_REFUSED_NO_FILE, lost);
    else
        atomic_fetch_add(&lost_updates, lost);
    pthread_mutex_unlock(&lock);
    while (m->families != NULL) {
        struct metrics_family *family = m->families;
        m->families = family->next;
        metrics_cache_free(&family->cache);
        free(family);
    }
    if (m->lock_fd >= 0)
        close(m->lock_fd);
    metrics_file_unmap(&m->map);
    free(m);
}

const char *metrics_instance_id(const struct metrics *m)
{
    return m->instance_id;
}

struct metrics_family *metrics_declare(struct metrics *m, const struct metrics_family_def *def)
{
    enum metrics_refused why;

    pthread_mutex_lock(&lock);
    struct metrics_family *family = m->families;
    while (family != NULL && family->def != def)
        family = family->next;
    if (family == NULL && (family = calloc(1, sizeof(*family))) != NULL) {
        family->metrics = m;
        family->def = def;
        family->offset = metrics_registry_family(&m->registry, def, &why);
        if (family->offset == 0)
            count_refused(m, why, 1);
        family->label_count = metrics_rules_label_count(def);
        if (def->kind == METRICS_HISTOGRAM)
            family->steps_per_unit = metrics_rules_steps_per_unit(metrics_rules_resolution(def));
        family->next = m->families;
        m->families = family;
    }
    pthread_mutex_unlock(&lock);
    return family;
}

static bool values_utf8(const struct metrics_family *family, const char *const *values)
{
    for (size_t i = 0; i < family->label_count; i++) {
        if (!metrics_file_utf8(values[i], strlen(values[i])))
            return false;
    }
    return true;
}

/* Returns 0, or -1 and *why. */
static int find_or_add(struct metrics_family *family, enum metrics_kind kind,
                       const char *const *values, struct metrics_registry_series *at,
                       enum metrics_refused *why)
{
    struct metrics_cache_key key;

    *why = METRICS_REFUSED_FAMILY_REFUSED;
    if (family->offset == 0)
        return -1;
    *why = METRICS_REFUSED_WRONG_KIND;
    if (family->def->kind != kind)
        return -1;
    *why = METRICS_REFUSED_VALUE_TOO_LONG;
    if (metrics_cache_key(&key, values, family->label_count) < 0)
        return -1;
    const struct metrics_registry_series *known = metrics_cache_find(&family->cache, &key);
    if (known != NULL) {
        *at = *known;
        return 0;
    }
    *why = METRICS_REFUSED_VALUE_NOT_UTF8;
    if (!values_utf8(family, values) ||
        metrics_registry_series(&family->metrics->registry, family->offset, family->def, key.bytes,
                                key.len, at, why) < 0)
        return -1;
    metrics_cache_add(&family->cache, &key, at);
    return 0;
}

/* False where the series is refused. */
static bool find(struct metrics_family *family, enum metrics_kind kind, const char *const *values,
                 struct metrics_registry_series *at)
{
    enum metrics_refused why;

    if (family == NULL)
        return false;
    pthread_mutex_lock(&lock);
    bool found = find_or_add(family, kind, values, at, &why) == 0;
    pthread_mutex_unlock(&lock);
    if (!found)
        count_refused(family->metrics, why, 1);
    return found;
}

struct metrics_counter metrics_counter(struct metrics_family *family, const char *const *values)
{
    struct metrics_registry_series at;

    if (!find(family, METRICS_COUNTER, values, &at))
        return (struct metrics_counter){.cell = sink};
    const struct metrics *m = family->metrics;
    return (struct metrics_counter){
        .cell = metrics_file_cells(&m->map, m->stripe, at.cell_offset),
        .first_stripe = metrics_file_cells(&m->map, 0, at.cell_offset),
        .stripe_size = m->map.at.stripe_size,
        .stripe_count = m->map.at.stripes,
    };
}

struct metrics_gauge metrics_gauge(struct metrics_family *family, const char *const *values)
{
    struct metrics_registry_series at;

    if (!find(family, METRICS_GAUGE, values, &at))
        return (struct metrics_gauge){.cell = sink};
    /* A value that is set has one place; only what is summed can be striped. */
    return (struct metrics_gauge){.cell =
                                      metrics_file_cells(&family->metrics->map, 0, at.cell_offset)};
}

struct metrics_live_gauge metrics_live_gauge(struct metrics_family *family,
                                             const char *const *values)
{
    struct metrics_registry_series at;

    if (!find(family, METRICS_LIVE_GAUGE, values, &at))
        return (struct metrics_live_gauge){.cell = sink};
    struct metrics *m = family->metrics;
    if (m->map.inode != 0 && !m->has_slot && !m->forked) {
        count_refused(m, METRICS_REFUSED_NO_SLOT, 1);
        return (struct metrics_live_gauge){.cell = sink};
    }
    return (struct metrics_live_gauge){
        .cell = &metrics_file_slots(&m->map)[m->slot].live[at.live_index]};
}

struct metrics_histogram metrics_histogram(struct metrics_family *family, const char *const *values)
{
    struct metrics_registry_series at;

    if (!find(family, METRICS_HISTOGRAM, values, &at))
        return (struct metrics_histogram){.cells = sink};
    const struct metrics *m = family->metrics;
    return (struct metrics_histogram){
        .cells = metrics_file_cells(&m->map, m->stripe, at.cell_offset),
        .bounds = family->def->bounds,
        .bound_count = (uint32_t)family->def->bound_count,
        .steps_per_unit = family->steps_per_unit,
        .exemplars = at.exemplar_offset == METRICS_FILE_NONE
                         ? NULL
                         : metrics_file_exemplars(&m->map, at.exemplar_offset),
    };
}

_Atomic uint64_t *metrics_shared_word(struct metrics *m, unsigned index)
{
    return index < METRICS_SHARED_WORDS ? &metrics_file_header(&m->map)->shared[index] : NULL;
}
