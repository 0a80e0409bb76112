/*
 * Settings from the environment and the settings file (lib/base/config_file.h), declared as const
 * tables: one row is a variable's name, type, limits, default and help text, and --help
 * (lib/base/options.h) is printed from it.
 */
#ifndef LIB_BASE_CONFIG_H
#define LIB_BASE_CONFIG_H

#include "lib/base/config_unit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    CONFIG_ERROR_MAX = 512,
};

enum config_type {
    CONFIG_UINT,   /* uint64_t: a decimal whole number in [min, max] */
    CONFIG_DOUBLE, /* double in [min, max] */
    CONFIG_BOOL,   /* bool: `true` or `false`, in any case of letters */
    CONFIG_TRUE,   /* bool: `true` alone is true, anything else is false */
    CONFIG_STRING, /* const char *: as it is, borrowed from where it stands */
    CONFIG_LEVEL,  /* enum log_level */
    /* struct config_range: "LOW-HIGH" or "N", whole numbers in [min, max]; a unit behind HIGH alone
     * holds for both. */
    CONFIG_RANGE,
    /* int: index of the value in `choices`; of an OTEL_* variable in any case of letters
     * (OpenTelemetry, "Environment Variable Specification", Enum). */
    CONFIG_CHOICE,
    CONFIG_HOST_PORT, /* const char *: HOST:PORT or [HOST]:PORT, checked, borrowed */
    CONFIG_OTHER,     /* what the row's own `parse` reads */
};

struct config_range {
    uint64_t low, high;
};

struct config_setting {
    const char *name;
    enum config_type type;
    size_t offset; /* offsetof the member that takes the value */
    double min, max;
    enum config_unit unit; /* CONFIG_UINT, CONFIG_DOUBLE, CONFIG_RANGE: takes sizes or times */
    /* The default as text. NULL for none: a string is NULL, a CONFIG_OTHER stays as it was. */
    const char *fallback;
    const char *const *choices; /* CONFIG_CHOICE: NULL-terminated */
    /* CONFIG_OTHER: reads a value into the member; -1 leaves it as it was. And what it takes. */
    int (*parse)(void *member, const char *value);
    const char *takes;
    bool otel; /* an OTEL_* variable: a value that can't be used warns and counts as unset */
    const char *help;
    const char *advice; /* what to write in place of a value that can't be used, or NULL */
};

/* The rows of one struct. */
struct config_table {
    const struct config_setting *rows;
    size_t count;
};

/*
 * Reads one value into the row's member; NULL is the default. Returns 0, or -1 with a message in
 * `error` that has the row's name, the value and what is accepted; the member is then as it was.
 */
int config_read(const struct config_setting *row, const char *value, void *into,
                char error[CONFIG_ERROR_MAX]);

/*
 * What a setting's variable has: in the environment, if it is there, else in the settings file;
 * NULL if it is in neither. Lives as long as it stays in the environment, or as the process.
 */
const char *config_get(const char *name);

/*
 * Reads each row's variable into `into`. Unset and empty mean the default. Returns 0, or -1 with a
 * message in `error` that names the variable, its value and what is accepted. Values of rows with
 * `otel` never fail: their message goes to `warn` (may be NULL), and the default holds.
 */
int config_load(const struct config_setting *rows, size_t count, void *into,
                void (*warn)(const char *message), char error[CONFIG_ERROR_MAX]);

/*
 * Says on stderr why a variable's value can't be used: `problem` begins with the variable's name
 * and goes on with a sentence about the value, which is put in between. NULL says nothing.
 */
void config_warn(const char *problem);

/*
 * The row's help, what it takes and its default, as sentences; cut to `size` bytes with the NUL. Of
 * an option without a default none is said.
 */
void config_describe(const struct config_setting *row, char *out, size_t size);

#endif
