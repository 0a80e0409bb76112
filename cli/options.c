#include "cli/options.h"

#include "cli/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int options_unknown(const char *command, const char *argument)
{
    (void)fprintf(stderr, "microtrace %s: unknown argument %s; see microtrace --help\n", command,
                  argument);
    return COMMAND_USAGE;
}

static const struct config_setting *find_row(const struct config_setting *rows, size_t count,
                                             const char *argument)
{
    const size_t length = strcspn(argument, "=");

    for (size_t i = 0; i < count; i++)
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, argument, length) == 0)
            return &rows[i];
    return NULL;
}

static bool set_switch(const struct options_switch *switches, void *values, const char *argument)
{
    for (; switches != NULL && switches->name != NULL; switches++) {
        if (strcmp(switches->name, argument) == 0) {
            *(bool *)((char *)values + switches->offset) = true;
            return true;
        }
    }
    return false;
}

int options_read(const char *command, const struct config_setting *rows, size_t row_count,
                 const struct options_switch *switches, void *values, int argc, char **argv)
{
    char error[CONFIG_ERROR_MAX];

    for (size_t i = 0; i < row_count; i++)
        (void)config_read(&rows[i], NULL, values, error);
    for (int i = 0; i < argc; i++) {
        const struct config_setting *row = find_row(rows, row_count, argv[i]);
        const char *value;

        if (set_switch(switches, values, argv[i]))
            continue;
        if (row == NULL)
            return options_unknown(command, argv[i]);
        value = strchr(argv[i], '=');
        if (value != NULL)
            value++;
        else if (i + 1 < argc)
            value = argv[++i];
        if (value == NULL)
            (void)snprintf(error, sizeof(error), "%s needs a value", row->name);
        if (value == NULL || config_read(row, value, values, error) != 0) {
            (void)fprintf(stderr, "microtrace %s: %s\n", command, error);
            return COMMAND_USAGE;
        }
    }
    return COMMAND_OK;
}
