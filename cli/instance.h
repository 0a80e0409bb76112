/*
 * Which instance a command looks at.
 */
#ifndef CLI_INSTANCE_H
#define CLI_INSTANCE_H

#include <stdbool.h>

/* The --state in front of the command: instance_choose uses it unless it is given another. */
void instance_set_state(const char *state);

/*
 * Chooses the instance: `state` (--state DIR, or NULL), else what MICROTRACE_RUN_DIR and
 * MICROTRACE_SPOOL_DIR name, or the file that MICROTRACE_CONFIG_FILE names, else ./var if that
 * holds an instance, else the host's own, where its settings file or the defaults say. Reads the
 * settings file of the instance, if it has one (lib/base/config_file.h). instance_run_dir and
 * instance_spool_dir answer accordingly from then on. Returns 0, or -1 after a line on standard
 * error if `state` is not the directory of an instance.
 */
int instance_choose(const char *state);

/*
 * Whether both directories are known to be of one instance: both were found together, or both were
 * named in the environment.
 */
bool instance_is_one(void);

/* The directories of the chosen instance; live as long as the process. */
const char *instance_run_dir(void);
const char *instance_spool_dir(void);

/*
 * Puts both directories into the environment, for a program that is started for the chosen
 * instance; not where it finds them by itself, since a settings file that names them would not be
 * read beside them. Returns 0, or -1 with errno.
 */
int instance_export(void);

/* What to add to the message that a file of the instance is `missing`; else "". Static. */
const char *instance_hint(bool missing);

enum { INSTANCE_URL_MAX = 128 };

/*
 * Where the chosen instance answers, if microtrace-run started one there: http://HOST:PORT with a
 * numeric host. Returns 0, or -1 if that is not known.
 */
int instance_url(char out[INSTANCE_URL_MAX]);

#endif
