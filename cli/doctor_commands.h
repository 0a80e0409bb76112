/*
 * The commands that mend: how the agent is started here, and where a setting stands and is changed.
 */
#ifndef CLI_DOCTOR_COMMANDS_H
#define CLI_DOCTOR_COMMANDS_H

#include "cli/doctor.h"

/* Whether systemd runs and has the packages' unit of the agent, and the instance is theirs. */
bool doctor_commands_has_unit(const struct doctor *doctor);

/* Whether the process is of that unit. */
bool doctor_commands_is_units(pid_t pid);

/* Starts the agent of the instance: as `user`, unless that is NULL or this process's. */
struct doctor_text doctor_commands_start(const struct doctor *doctor, const char *user);

/* Ends the agent `pid` and starts it. */
struct doctor_text doctor_commands_restart(const struct doctor *doctor, pid_t pid,
                                           const char *user);

/* The user that the instance's programs are to run as; "" for no one in particular. */
struct doctor_text doctor_commands_user(const struct doctor *doctor);

/* Whether the setting is in the environment; else it stands in the settings file. */
bool doctor_commands_in_environment(const char *name);

/* Gives the setting this value; takes it away; gives its value to another name. */
struct doctor_text doctor_commands_set(const char *name, const char *value);
struct doctor_text doctor_commands_unset(const char *name);
struct doctor_text doctor_commands_rename(const char *name, const char *other);

/* Replaces the text `from` in the setting's value, once, by `to`: none of them has a | or a quote.
 */
struct doctor_text doctor_commands_replace(const char *name, const char *from, const char *to);

#endif
