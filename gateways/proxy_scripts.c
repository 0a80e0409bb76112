#include "gateways/proxy_scripts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

struct place {
    uint64_t looked_ms;
    bool used, exists;
    char path[PROXY_SCRIPTS_PATH_MAX + 1];
};

struct proxy_scripts {
    uint64_t seed; /* so that nobody can choose paths that share a place */
    struct place places[PROXY_SCRIPTS];
};

struct proxy_scripts *proxy_scripts_open(void)
{
    struct proxy_scripts *const scripts = calloc(1, sizeof(*scripts));

    if (scripts != NULL && getrandom(&scripts->seed, sizeof(scripts->seed), GRND_NONBLOCK) < 0)
        scripts->seed = (uintptr_t)scripts;
    return scripts;
}

void proxy_scripts_free(struct proxy_scripts *scripts)
{
    free(scripts);
}

static bool look(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* FNV-1a. */
static uint64_t hash(uint64_t seed, const char *text, size_t size)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

bool proxy_scripts_exists(struct proxy_scripts *scripts, const char *path, uint64_t now_ms)
{
    const size_t size = path != NULL ? strlen(path) : 0;
    struct place *place;

    if (size == 0 || size > PROXY_SCRIPTS_PATH_MAX)
        return size > 0 && look(path);
    place = &scripts->places[hash(scripts->seed, path, size) % PROXY_SCRIPTS];
    if (!place->used || now_ms - place->looked_ms > PROXY_SCRIPTS_AGE_MS ||
        strcmp(place->path, path) != 0) {
        place->exists = look(path);
        place->used = true;
        place->looked_ms = now_ms;
        memcpy(place->path, path, size + 1);
    }
    return place->exists;
}
