#include "gateways/fastcgi_script.h"

#include <string.h>

const char *fastcgi_script_path(const char *file, const char *name)
{
    const char *const base = strrchr(file, '/');
    const char *const last = name != NULL ? strrchr(name, '/') : NULL;

    return base != NULL && last != NULL && strcmp(last, base) == 0 ? name : base;
}
