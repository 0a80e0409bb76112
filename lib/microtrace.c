#include "lib/base/config.h"
#include "lib/base/config_file.h"
#include "lib/base/config_names.h"
#include "lib/base/message.h"
#include "lib/microtrace_private.h"
#include "lib/trace/propagation.h"

#include <microtrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A forked child has to find all that are open. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mt *open_instances;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&list_lock);
    for (struct mt *mt = open_instances; mt != NULL; mt = mt->next)
        pthread_mutex_lock(&mt->lock);
}

static void after_fork_parent(void)
{
    for (struct mt *mt = open_instances; mt != NULL; mt = mt->next)
        pthread_mutex_unlock(&mt->lock);
    pthread_mutex_unlock(&list_lock);
}

static void after_fork_child(void)
{
    for (struct mt *mt = open_instances; mt != NULL; mt = mt->next)
        telemetry_forked(mt->telemetry);
    after_fork_parent();
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* --- Settings --- */

static const char **string_of(struct mt *mt, const struct config_setting *row)
{
    return row->type == CONFIG_STRING ? (const char **)((char *)&mt->settings + row->offset) : NULL;
}

static void settings_free(struct mt *mt)
{
    for (size_t i = 0; i < telemetry_settings_count; i++) {
        const char **const text = string_of(mt, &telemetry_settings_rows[i]);

        if (text != NULL)
            free((char *)*text);
    }
}

/*
 * A value that can't be used is no reason for somebody else's program to end: its default holds.
 * Strings are copied, since the program may change its environment.
 */
static int settings_load(struct mt *mt)
{
    int result = 0;

    config_file_load(message_say);
    for (size_t i = 0; i < telemetry_settings_count; i++) {
        const struct config_setting *const row = &telemetry_settings_rows[i];
        const char **const text = string_of(mt, row);
        char error[CONFIG_ERROR_MAX];

        if (config_load(row, 1, &mt->settings, message_say, error) != 0) {
            message_say(error);
            (void)config_read(row, NULL, &mt->settings, error);
        }
        if (text != NULL && *text != NULL && (*text = strdup(*text)) == NULL)
            result = -1;
    }
    return result;
}

/* --- The instance --- */

struct mt *mt_open(const char *name, const char *version)
{
    struct mt *const mt = calloc(1, sizeof(*mt));

    if (mt == NULL)
        return NULL;
    if (name == NULL || name[0] == '\0')
        name = "unknown_service"; /* OpenTelemetry resource conventions, "Service" */
    if (settings_load(mt) != 0 || (mt->name = strdup(name)) == NULL ||
        (version != NULL && (mt->version = strdup(version)) == NULL) ||
        (mt->service = (struct resource_service){mt->name, mt->version, NULL},
         mt->telemetry = telemetry_open(&mt->settings, &mt->service)) == NULL) {
        settings_free(mt);
        free(mt->name);
        free(mt->version);
        free(mt);
        return NULL;
    }
    config_warn(propagation_parse(&mt->propagators, config_get("OTEL_PROPAGATORS")));
    /* A CGI program would say it with each request. */
    if (getenv("GATEWAY_INTERFACE") == NULL)
        config_names_check(message_say);
    (void)pthread_mutex_init(&mt->lock, NULL);
    (void)pthread_once(&fork_once, watch_forks);
    pthread_mutex_lock(&list_lock);
    mt->next = open_instances;
    open_instances = mt;
    pthread_mutex_unlock(&list_lock);
    return mt;
}

void mt_close(struct mt *mt)
{
    struct mt **at = &open_instances;

    if (mt == NULL)
        return;
    pthread_mutex_lock(&list_lock);
    while (*at != mt)
        at = &(*at)->next;
    *at = mt->next;
    pthread_mutex_unlock(&list_lock);
    telemetry_close(mt->telemetry);
    microtrace_metrics_free(mt);
    (void)pthread_mutex_destroy(&mt->lock);
    settings_free(mt);
    free(mt->name);
    free(mt->version);
    free(mt);
}

void mt_set_scope(struct mt *mt, const char *name, const char *version)
{
    if (mt == NULL || name == NULL || name[0] == '\0')
        return;
    pthread_mutex_lock(&mt->lock);
    telemetry_set_scope(mt->telemetry, name, version);
    pthread_mutex_unlock(&mt->lock);
}

int mt_flush(struct mt *mt)
{
    int result;

    if (mt == NULL)
        return 0;
    pthread_mutex_lock(&mt->lock);
    telemetry_refresh(mt->telemetry);
    result = telemetry_flush(mt->telemetry);
    pthread_mutex_unlock(&mt->lock);
    return result;
}

int mt_check(struct mt *mt, char *text, size_t size)
{
    const char *problem;

    if (mt == NULL)
        return 0;
    pthread_mutex_lock(&mt->lock);
    problem = telemetry_problem(mt->telemetry);
    if (text != NULL && size > 0)
        (void)snprintf(text, size, "%s", problem != NULL ? problem : "");
    pthread_mutex_unlock(&mt->lock);
    return problem == NULL ? 0 : -1;
}
