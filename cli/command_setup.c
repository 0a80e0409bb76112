#include "cli/command.h"
#include "cli/network_fs.h"
#include "cli/setup_files.h"
#include "cli/setup_text.h"
#include "cli/sibling.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum {
    MODE_OURS = 0700,     /* of what only this user's processes open */
    MODE_PASSED = 0711,   /* of what a web server has to get through */
    MODE_SETTINGS = 0600, /* it may hold an endpoint's key */
    MODE_PROGRAM = 0755,
};

static const char settings_name[] = "microtrace.conf", analyze_name[] = "microtrace.cgi";

struct values {
    const char *script;
};

static const struct config_setting rows[] = {
    {.name = "--script",
     .type = CONFIG_STRING,
     .offset = offsetof(struct values, script),
     .help = "A CGI program of yours: DIR/cgi-bin gets one of the same name that runs it by "
             "microtrace-cgi."},
};

static const struct options_table options = {
    .command = "microtrace setup",
    .operands = "[DIR]",
    .summary = "Makes an instance for a user who is not root, in DIR or ~/microtrace: folders, "
               "settings and a CGI program. It prints the line for the crontab. It can be run "
               "again at any time: it keeps what was changed since.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
};

struct setup {
    struct setup_dir dir, cgi;
    char settings[SETUP_TEXT_PATH_MAX + sizeof(settings_name)];
    char program[PATH_MAX]; /* of which is spoken */
};

static int find_program(struct setup *setup, const char *name)
{
    if (sibling_path(setup->program, name) == 0 && setup_text_path_fits(setup->program))
        return 0;
    printable_error(
        "microtrace setup: the programs can't be used from the folder that they are in");
    return -1;
}

static int make_folders(const struct setup_dir *dir)
{
    static const char *const names[] = {"run", "spool"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct setup_dir folder;

        if (setup_files_open_in(&folder, dir, names[i], MODE_OURS) != 0)
            return -1;
        setup_files_close(&folder);
    }
    return 0;
}

/* The program goes by its own name, so that its address stays what it was. */
static int make_script(struct setup *setup, const char *script)
{
    char text[SETUP_TEXT_MAX], *const real = realpath(script, NULL);
    int result = -1;

    if (real == NULL || access(real, X_OK) != 0)
        printable_error("microtrace setup: --script: %s: %s", script, strerror(errno));
    else if (!setup_text_path_fits(real) || strcmp(strrchr(real, '/') + 1, analyze_name) == 0)
        printable_error("microtrace setup: --script: %s: a program of this name can't be used",
                        script);
    else if (find_program(setup, "microtrace-cgi") == 0) {
        setup_text_script(text, sizeof(text), setup->settings, setup->program, real);
        result = setup_files_write(&setup->cgi, strrchr(real, '/') + 1, MODE_PROGRAM, text);
    }
    free(real);
    return result;
}

static int make_files(struct setup *setup, const char *script)
{
    char text[SETUP_TEXT_MAX];

    setup_text_settings(text, sizeof(text), setup->dir.path);
    if (setup_files_write(&setup->dir, settings_name, MODE_SETTINGS, text) != 0 ||
        find_program(setup, "analyze") != 0)
        return -1;
    setup_text_analyze(text, sizeof(text), setup->settings, setup->program);
    if (setup_files_write(&setup->cgi, analyze_name, MODE_PROGRAM, text) != 0)
        return -1;
    return script != NULL ? make_script(setup, script) : 0;
}

static void warn_of_network(const struct setup_dir *dir)
{
    struct statfs system;
    const char *const name = fstatfs(dir->fd, &system) == 0 ? network_fs_name(&system) : NULL;

    if (name != NULL)
        printf("note    this folder is on %s: processes of one host alone may count there. Where "
               "several\n        hosts serve the site, give each a folder of its own.\n",
               name);
}

/* Settings can have a file read and sent. */
static void warn_of_others(const struct setup_dir *dir)
{
    char above[SETUP_TEXT_PATH_MAX];

    if (!setup_files_is_below_others(dir, above))
        return;
    printf("note    ");
    printable_write(stdout, above, strlen(above));
    printf(
        " is another user's, or everybody may write there: who can\n"
        "        replace this folder, and its settings. A folder in your home is yours alone.\n");
}

static int tell(struct setup *setup)
{
    char line[SETUP_TEXT_MAX];

    if (find_program(setup, "microtrace") != 0)
        return -1;
    warn_of_network(&setup->dir);
    warn_of_others(&setup->dir);
    setup_text_crontab(line, sizeof(line), setup->settings, setup->program);
    printf("\n"
           "run/ and spool/ may be on a plain disk. %s takes the collector's address.\n"
           "Copy what is in cgi-bin/ to where your web server runs CGI programs, as this user.\n"
           "The line for `crontab -e`:\n"
           "\n",
           settings_name);
    printable_write(stdout, line, strlen(line));
    (void)putchar('\n');
    return 0;
}

static int make(struct setup *setup, const char *path, const char *script)
{
    int result = -1;

    setup->dir.fd = setup->cgi.fd = -1;
    if (setup_files_open(&setup->dir, path, MODE_PASSED) == 0 && make_folders(&setup->dir) == 0 &&
        setup_files_open_in(&setup->cgi, &setup->dir, "cgi-bin", MODE_PROGRAM) == 0) {
        (void)snprintf(setup->settings, sizeof(setup->settings), "%s/%s", setup->dir.path,
                       settings_name);
        if (make_files(setup, script) == 0)
            result = tell(setup);
    }
    setup_files_close(&setup->cgi);
    setup_files_close(&setup->dir);
    return result;
}

static int run(int argc, char **argv)
{
    static struct setup setup;
    struct values values = {.script = NULL};
    const char *const home = getenv("HOME");
    char standard[PATH_MAX];
    const int status = options_read(&options, &values, &argc, &argv);

    if (status != OPTIONS_GO)
        return status;
    if (argc > 1)
        return options_unknown(options.command, argv[1]);
    if (argc == 0 &&
        (home == NULL || home[0] != '/' ||
         snprintf(standard, sizeof(standard), "%s/microtrace", home) >= (int)sizeof(standard))) {
        printable_error("microtrace setup: HOME names no folder; say where: microtrace setup DIR");
        return COMMAND_USAGE;
    }
    /* Each thing has its mode from its first moment on, since this may be killed at any. */
    (void)umask(S_IWGRP | S_IWOTH);
    return make(&setup, argc == 1 ? argv[0] : standard, values.script) == 0 ? COMMAND_OK
                                                                            : COMMAND_FAILED;
}

const struct command command_setup = {&options, run};
