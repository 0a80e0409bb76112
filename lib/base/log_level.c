#include "lib/base/log_level.h"

#include <stddef.h>
#include <strings.h>

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "DEBUG", [LOG_LEVEL_INFO] = "INFO",         [LOG_LEVEL_WARNING] = "WARNING",
    [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_CRITICAL] = "CRITICAL",
};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

int log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    if (strcasecmp(text, "WARN") == 0)
        *level = LOG_LEVEL_WARNING;
    else if (strcasecmp(text, "FATAL") == 0)
        *level = LOG_LEVEL_CRITICAL;
    else
        return -1;
    return 0;
}
