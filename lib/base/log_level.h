/*
 * Severities of log lines, as Python's logging names them.
 */
#ifndef LIB_BASE_LOG_LEVEL_H
#define LIB_BASE_LOG_LEVEL_H

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_CRITICAL,
};

/* "DEBUG", "INFO", "WARNING", "ERROR" or "CRITICAL". */
const char *log_level_name(enum log_level level);

/*
 * Reads a level's name, any case, "WARN" and "FATAL" too. Returns 0, or -1 for anything else.
 */
int log_level_parse(const char *text, enum log_level *level);

#endif
