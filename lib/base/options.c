#include "lib/base/options.h"

#include "lib/base/config_file.h"
#include "lib/base/printable.h"

#include <getopt.h>
#include <string.h>

enum {
    ROWS_MAX = 40, /* of one command */
    COLUMNS = 80,
    HELP_INDENT = 6,
    OPTION_HELP = 1000, /* what getopt_long returns: these, or a row's or switch's number */
    OPTION_VERSION,
    OPTION_STATE,
    OPTION_SWITCH = 2000, /* and the switch's number */
    OPTION_ROW = 3000,    /* and the row's number */
    TEXT_MAX = 1024,
    NUMBERS_MAX = 8, /* negative numbers among a command's arguments */
};

int options_unknown(const char *command, const char *argument)
{
    printable_error("%s: unexpected argument %s; see %s --help", command, argument, command);
    return OPTIONS_USAGE;
}

/* --- Help --- */

void options_print_wrapped(FILE *to, unsigned indent, const char *text)
{
    unsigned column = 0;

    while (*(text += strspn(text, " ")) != '\0') {
        const size_t length = strcspn(text, " ");

        if (column > 0 && column + 1 + length > COLUMNS) {
            (void)fputc('\n', to);
            column = 0;
        }
        column +=
            (unsigned)fprintf(to, "%*s%.*s", column == 0 ? (int)indent : 1, "", (int)length, text);
        text += length;
    }
    if (column > 0)
        (void)fputc('\n', to);
}

static void print_option(FILE *to, const char *name, const char *value, const char *help)
{
    (void)fprintf(to, "  %s%s%s\n", name, value[0] != '\0' ? " " : "", value);
    options_print_wrapped(to, HELP_INDENT, help);
}

void options_print_help(FILE *to, const struct options_table *table)
{
    const struct options_switch *s = table->switches;
    char text[TEXT_MAX];

    (void)snprintf(text, sizeof(text), "Usage: %s [OPTION]... %s", table->command, table->operands);
    options_print_wrapped(to, 0, text);
    options_print_wrapped(to, 0, table->summary);
    (void)fputs("\nOptions:\n", to);
    for (size_t i = 0; i < table->row_count; i++) {
        const struct config_setting *const row = &table->rows[i];
        char name[TEXT_MAX] = "";

        if (table->letter != '\0' && strcmp(row->name, table->letter_row) == 0)
            (void)snprintf(name, sizeof(name), "-%c VALUE, ", table->letter);
        (void)snprintf(name + strlen(name), sizeof(name) - strlen(name), "%s", row->name);
        config_describe(row, text, sizeof(text));
        print_option(to, name, "VALUE", text);
    }
    for (; s != NULL && s->name != NULL; s++)
        print_option(to, s->name, "", s->help);
    if (table->state != NULL)
        print_option(to, "--state", "DIR",
                     "The instance in DIR, which has run/ and spool/. Without it: the one that "
                     "MICROTRACE_RUN_DIR and MICROTRACE_SPOOL_DIR name, else ./var if that is an "
                     "instance, else the host's own: /run/microtrace and /var/spool/microtrace, "
                     "unless " CONFIG_FILE_PATH " names others.");
    print_option(to, "--help", "", "Print this.");
    print_option(to, "--version", "", "Print the version.");
    if (table->environment == NULL)
        return;
    (void)fputs("\nEnvironment:\n", to);
    for (const struct config_table *const *t = table->environment; *t != NULL; t++) {
        for (size_t i = 0; i < (*t)->count; i++) {
            config_describe(&(*t)->rows[i], text, sizeof(text));
            print_option(to, (*t)->rows[i].name, "", text);
        }
    }
}

/* --- Reading --- */

/* What getopt_long takes, from the table; the names go in without their dashes. */
struct parser {
    struct option options[ROWS_MAX + 1];
    size_t count;
    char letters[8];
};

static void add(struct parser *parser, const char *name, int has_argument, int number)
{
    if (parser->count < ROWS_MAX)
        parser->options[parser->count++] =
            (struct option){.name = name, .has_arg = has_argument, .val = number};
}

static void make_parser(struct parser *parser, const struct options_table *table)
{
    const struct options_switch *const switches = table->switches;

    *parser = (struct parser){.count = 0};
    for (size_t i = 0; i < table->row_count; i++)
        add(parser, table->rows[i].name + 2, required_argument, OPTION_ROW + (int)i);
    for (size_t i = 0; switches != NULL && switches[i].name != NULL; i++)
        add(parser, switches[i].name + 2, no_argument, OPTION_SWITCH + (int)i);
    if (table->state != NULL)
        add(parser, "state", required_argument, OPTION_STATE);
    add(parser, "help", no_argument, OPTION_HELP);
    add(parser, "version", no_argument, OPTION_VERSION);
    /*
     * A plus ends the options at the first operand. A colon distinguishes a missing value from an
     * unknown option, and getopt says nothing.
     */
    (void)snprintf(parser->letters, sizeof(parser->letters),
                   table->letter != '\0' ? "%s:%c:" : "%s:", table->command_follows ? "+" : "",
                   table->letter);
}

static size_t row_of_letter(const struct options_table *table)
{
    size_t i = 0;

    while (strcmp(table->rows[i].name, table->letter_row) != 0)
        i++;
    return i;
}

static int refuse(const struct options_table *table, const char *argument, int found)
{
    if (found == ':') {
        printable_error("%s: %s needs a value", table->command, argument);
        return OPTIONS_USAGE;
    }
    return options_unknown(table->command, argument);
}

static int read_row(const struct options_table *table, size_t row, void *values)
{
    char error[CONFIG_ERROR_MAX];

    if (table->given != NULL)
        *table->given |= UINT64_C(1) << row;
    if (config_read(&table->rows[row], optarg, values, error) == 0)
        return OPTIONS_GO;
    printable_error("%s: %s", table->command, error);
    return OPTIONS_USAGE;
}

/* What getopt takes for an operand, in the place of an argument that is a negative number. */
struct numbers {
    char *given[NUMBERS_MAX];
    char stand_ins[NUMBERS_MAX][1];
    size_t count;
};

static void hide_numbers(struct numbers *numbers, int argc, char **argv)
{
    numbers->count = 0;
    for (int i = 1; i < argc && numbers->count < NUMBERS_MAX && strcmp(argv[i], "--") != 0; i++) {
        if (argv[i][0] != '-' || strchr("0123456789.", argv[i][1]) == NULL || argv[i][1] == '\0')
            continue;
        numbers->given[numbers->count] = argv[i];
        numbers->stand_ins[numbers->count][0] = '\0';
        argv[i] = numbers->stand_ins[numbers->count++];
    }
}

/* The argument that `text` stands for. */
static char *shown(const struct numbers *numbers, char *text)
{
    for (size_t i = 0; i < numbers->count; i++) {
        if (text == numbers->stand_ins[i])
            return numbers->given[i];
    }
    return text;
}

int options_read(const struct options_table *table, void *values, int *argc, char ***argv)
{
    struct numbers numbers = {.count = 0};
    const char *state = NULL, *row = NULL;
    char error[CONFIG_ERROR_MAX];
    struct parser parser;
    int found, result = OPTIONS_GO;

    for (size_t i = 0; i < table->row_count; i++)
        (void)config_read(&table->rows[i], NULL, values, error);
    if (table->given != NULL)
        *table->given = 0;
    make_parser(&parser, table);
    if (table->numbers)
        hide_numbers(&numbers, *argc, *argv);
    optind = 0; /* glibc: begin again */
    while (result == OPTIONS_GO &&
           (found = getopt_long(*argc, *argv, parser.letters, parser.options, NULL)) != -1) {
        optarg = shown(&numbers, optarg);
        if (found == OPTION_HELP) {
            options_print_help(stdout, table);
            return OPTIONS_DONE;
        }
        if (found == OPTION_VERSION) {
            (void)printf("%.*s %s\n", (int)strcspn(table->command, " "), table->command,
                         MICROTRACE_VERSION);
            return OPTIONS_DONE;
        }
        if (found == OPTION_STATE) {
            state = optarg;
        } else if (found >= OPTION_ROW) {
            row = table->rows[found - OPTION_ROW].name;
            result = read_row(table, (size_t)(found - OPTION_ROW), values);
        } else if (found >= OPTION_SWITCH) {
            *(bool *)((char *)values + table->switches[found - OPTION_SWITCH].offset) = true;
        } else if (table->letter != '\0' && found == table->letter) {
            result = read_row(table, row_of_letter(table), values);
        } else {
            result = refuse(table, (*argv)[optind - 1], found);
        }
    }
    *argc -= optind;
    *argv += optind;
    for (int i = 0; i < *argc; i++)
        (*argv)[i] = shown(&numbers, (*argv)[i]);
    if (result == OPTIONS_GO && *argc > 0 && table->operands[0] == '\0')
        result = options_unknown(table->command, (*argv)[0]);
    if (result == OPTIONS_GO && row != NULL && table->rows_with != NULL &&
        (*argc == 0 || strcmp((*argv)[0], table->rows_with) != 0))
        result = options_unknown(table->command, row);
    if (result == OPTIONS_GO && table->state != NULL && table->state(state) != 0)
        result = OPTIONS_USAGE;
    return result;
}
