#include "gateways/cgi_settings.h"

#include "lib/base/message.h"
#include "lib/base/options.h"

#include <string.h>

enum {
    ARGUMENTS_MAX = 256,
    LETTER_ARGUMENT_MAX = 4096,
};

static const struct config_setting rows[] = {
    {
        .name = "MICROTRACE_CGI_TIMEOUT",
        .type = CONFIG_DOUBLE,
        .unit = CONFIG_UNIT_S,
        .offset = offsetof(struct cgi_settings, timeout_s),
        .min = 0.01,
        .max = 86400,
        .fallback = "60",
        .help = "A script that writes nothing for this long, while the gateway waits for it "
                "alone, is ended with all its processes; 504 if it has answered nothing.",
    },
    {
        .name = "MICROTRACE_CGI_OUTPUT_MAX",
        .type = CONFIG_UINT,
        .unit = CONFIG_UNIT_BYTES,
        .offset = offsetof(struct cgi_settings, output_max),
        .min = 0,
        .max = 1e15,
        .fallback = "1G",
        .help = "A script that answers with more is ended, and its answer cut; 0 for no limit.",
    },
};

static const struct config_table own_table = {rows, sizeof(rows) / sizeof(rows[0])};

static const struct config_table *const tables[] = {
    &own_table, &observer_settings_table, &http_settings_table, &telemetry_settings_table, NULL,
};

int cgi_settings_load(struct cgi_settings *settings, char error[CONFIG_ERROR_MAX])
{
    memset(settings, 0, sizeof(*settings));
    if (config_load(telemetry_settings_rows, telemetry_settings_count, &settings->telemetry,
                    message_say, error) != 0 ||
        config_load(rows, own_table.count, settings, message_say, error) != 0)
        return -1;
    return observer_settings_load(&settings->observer, error);
}

/* --allow may be given several times; the default is no path. */
static int parse_allowed(void *member, const char *value)
{
    struct cgi_allowed *const allowed = member;

    if (value[0] == '\0')
        return 0;
    if (value[0] != '/' || allowed->count == CGI_SETTINGS_ALLOWED_MAX)
        return -1;
    allowed->paths[allowed->count++] = value;
    return 0;
}

static const struct config_setting option_rows[] = {
    {
        .name = "--processes",
        .type = CONFIG_UINT,
        .offset = offsetof(struct cgi_options, processes),
        .min = 1,
        .max = CGI_SETTINGS_PROCESSES_MAX,
        .fallback = "1",
        .help = "Or -c VALUE. How many scripts may run at once.",
    },
    {
        .name = "--listen",
        .type = CONFIG_STRING,
        .offset = offsetof(struct cgi_options, listen),
        .help = "Or -s VALUE. The socket to listen on: unix:/path, tcp:127.0.0.1:9000 or "
                "tcp6:[::1]:9000. Without it the listening socket is descriptor 0, or the one "
                "that systemd passes.",
    },
    {
        .name = "--allow",
        .type = CONFIG_OTHER,
        .offset = offsetof(struct cgi_options, allowed),
        .parse = parse_allowed,
        .fallback = "",
        .takes = "an absolute path; it may be given 64 times",
        .help = "Or -p VALUE. Runs only this script.",
    },
};

static const struct options_switch switches[] = {
    {"--stderr", offsetof(struct cgi_options, to_server),
     "Or -f. The scripts' stderr goes to the web server's log, not to this program's stderr."},
    {"--check", offsetof(struct cgi_options, check),
     "Check the settings and exit: 0, or 2 after saying what is wrong."},
    {NULL, 0, NULL},
};

static const struct options_table table = {
    .command = "microtrace-cgi",
    .operands = "",
    .summary = "Runs CGI scripts for a web server, with metrics, traces and logs of each "
               "request: as a FastCGI server in place of fcgiwrap, or, started with a "
               "script's path and the variables of a CGI request, for that request.",
    .rows = option_rows,
    .row_count = sizeof(option_rows) / sizeof(option_rows[0]),
    .switches = switches,
    .environment = tables,
};

/* The long name of one of fcgiwrap's letters, or NULL. */
static char *long_name(char letter, bool *has_value)
{
    static const struct {
        char letter;
        bool has_value;
        char name[16];
    } letters[] = {{'c', true, "--processes"},
                   {'s', true, "--listen"},
                   {'p', true, "--allow"},
                   {'f', false, "--stderr"},
                   {'h', false, "--help"}};

    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        if (letters[i].letter == letter) {
            *has_value = letters[i].has_value;
            return (char *)(uintptr_t)letters[i].name;
        }
    }
    return NULL;
}

/* Puts what "-fc4" means at `out`; returns how many arguments, 0 if it means nothing of ours. */
static size_t expand(char *argument, char **out)
{
    size_t count = 0;
    bool has_value = false;

    for (char *at = argument + 1; *at != '\0'; at++) {
        out[count] = long_name(*at, &has_value);
        if (out[count++] == NULL)
            return 0;
        if (has_value && at[1] != '\0') {
            out[count++] = at + 1;
            break;
        }
    }
    return count;
}

int cgi_options_read(struct cgi_options *options, int argc, char **argv)
{
    enum { EXPANDED_MAX = 16 };
    char *arguments[ARGUMENTS_MAX + 2 * EXPANDED_MAX];
    char **list = arguments;
    int count = 0;

    memset(options, 0, sizeof(*options));
    for (int i = 0; i < argc && count < ARGUMENTS_MAX; i++) {
        const bool is_short = i > 0 && argv[i][0] == '-' && argv[i][1] != '-' && argv[i][1] != '\0';
        const size_t expanded = is_short && strlen(argv[i]) < LETTER_ARGUMENT_MAX &&
                                        strspn(argv[i] + 1, "fh") < EXPANDED_MAX
                                    ? expand(argv[i], arguments + count)
                                    : 0;

        if (expanded == 0)
            arguments[count] = argv[i];
        count += expanded == 0 ? 1 : (int)expanded;
    }
    arguments[count] = NULL;
    return options_read(&table, options, &count, &list);
}
