#include "gateways/proxy_settings.h"

#include "lib/base/config_file.h"
#include "lib/base/message.h"
#include "lib/base/options.h"

#include <stdlib.h>
#include <string.h>

#define ROW(variable, kind, member)                                                                \
    .name = variable, .type = kind, .offset = offsetof(struct proxy_settings, member)

static const struct config_setting rows[] = {
    {ROW("MICROTRACE_PROXY_REQUESTS_MAX", CONFIG_UINT, requests_max), .max = 1000000,
     .fallback = "0", .help = "More requests at once than this are answered 503; 0 for no limit."},
    {ROW("MICROTRACE_PROXY_CONNECT_TIMEOUT", CONFIG_UINT, connect_timeout_ms),
     .unit = CONFIG_UNIT_MS, .min = 1, .max = 3600000, .fallback = "5000",
     .help = "How long the upstream may take to accept a connection; then 504."},
    {ROW("MICROTRACE_PROXY_TIMEOUT", CONFIG_UINT, timeout_ms), .unit = CONFIG_UNIT_MS, .min = 1,
     .max = 86400000, .fallback = "60000",
     .help = "How long the upstream may send nothing while it has to answer: then 504, or "
             "the connection ends if part of the answer is out."},
    {ROW("MICROTRACE_PROXY_END_TIMEOUT", CONFIG_UINT, end_timeout_ms), .unit = CONFIG_UNIT_MS,
     .max = 86400000, .fallback = "0",
     .help = "How long a whole request may take; 0 for no limit."},
    {ROW("MICROTRACE_PROXY_BUFFER_BYTES", CONFIG_UINT, buffer_bytes), .unit = CONFIG_UNIT_BYTES,
     .min = 4096, .max = 1 << 20, .fallback = "32768",
     .help = "How much is read at once, and waits in memory for a slow client or upstream."},
    {ROW("MICROTRACE_PROXY_PARAMS_MAX", CONFIG_UINT, params_max), .unit = CONFIG_UNIT_BYTES,
     .min = 4096, .max = 16 << 20, .fallback = "262144",
     .help = "A request with more parameters (header fields) is answered 431."},
    {ROW("MICROTRACE_PROXY_KEEP", CONFIG_UINT, keep), .max = 65536, .fallback = "32",
     .help = "How many idle connections to the upstream are kept at most; 0 for a new one for "
             "each request."},
    {ROW("MICROTRACE_PROXY_KEEP_TIME", CONFIG_UINT, keep_time_ms), .unit = CONFIG_UNIT_MS, .min = 1,
     .max = 3600000, .fallback = "100",
     .help = "A connection to the upstream is used for new requests for this long from its "
             "opening: a process of PHP-FPM serves nobody else meanwhile."},
};

#undef ROW

static const struct config_table proxy_table = {rows, sizeof(rows) / sizeof(rows[0])};

/* A file mode in octal. */
static int parse_mode(void *member, const char *value)
{
    char *end;
    const unsigned long mode = strtoul(value, &end, 8);

    if (value[0] < '0' || value[0] > '7' || *end != '\0' || mode > 0777)
        return -1;
    *(uint32_t *)member = (uint32_t)mode;
    return 0;
}

static int read_options(struct proxy_settings *settings, int argc, char **argv)
{
    static const struct config_setting options[] = {
        {.name = "--listen",
         .type = CONFIG_STRING,
         .offset = offsetof(struct proxy_settings, listen),
         .takes = "SOCKET",
         .help = "Where the web server connects: /PATH, unix:/PATH or HOST:PORT. Not needed if "
                 "the process inherits a listening socket (systemd, spawn-fcgi)."},
        {.name = "--upstream",
         .type = CONFIG_STRING,
         .offset = offsetof(struct proxy_settings, upstream),
         .takes = "SOCKET",
         .help = "Where the FastCGI server listens, PHP-FPM say: /PATH, unix:/PATH or HOST:PORT."},
        {.name = "--mode",
         .type = CONFIG_OTHER,
         .offset = offsetof(struct proxy_settings, mode),
         .parse = parse_mode,
         .takes = "an octal file mode",
         .fallback = "0660",
         .help = "The mode of the unix socket that --listen makes."},
    };
    static const struct options_switch switches[] = {
        {"--check", offsetof(struct proxy_settings, check),
         "Check the settings and exit: 0, or 2 after saying what is wrong."},
        {NULL, 0, NULL},
    };
    static const struct config_table *const environment[] = {&proxy_table, &observer_settings_table,
                                                             &http_settings_table,
                                                             &telemetry_settings_table, NULL};
    static const struct options_table table = {
        .command = "microtrace-proxy",
        .operands = "",
        .summary = "Stands between a web server and a FastCGI server such as PHP-FPM: passes "
                   "requests and answers on as they come, with metrics, traces and logs of each.",
        .rows = options,
        .row_count = sizeof(options) / sizeof(options[0]),
        .switches = switches,
        .environment = environment,
    };
    const int result = options_read(&table, settings, &argc, &argv);

    if (result == OPTIONS_GO && argc > 0)
        return options_unknown(table.command, argv[0]);
    return result;
}

int proxy_settings_read(struct proxy_settings *settings, int argc, char **argv)
{
    char error[CONFIG_ERROR_MAX];
    int result;

    memset(settings, 0, sizeof(*settings));
    result = read_options(settings, argc, argv);
    if (result != OPTIONS_GO)
        return result;
    if (settings->upstream == NULL) {
        message_print("--upstream is missing: where the FastCGI server listens; see "
                      "microtrace-proxy --help");
        return OPTIONS_USAGE;
    }
    config_file_load(message_say);
    if (config_load(rows, proxy_table.count, settings, message_say, error) != 0 ||
        observer_settings_load(&settings->observer, error) != 0 ||
        config_load(telemetry_settings_rows, telemetry_settings_count, &settings->telemetry,
                    message_say, error) != 0) {
        message_say(error);
        return OPTIONS_USAGE;
    }
    return OPTIONS_GO;
}
