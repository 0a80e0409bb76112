/*
 * The checks of `microtrace doctor`, each in the file of its name. They run in the order of the
 * table in doctor.c, and add what they find.
 */
#ifndef CLI_DOCTOR_CHECKS_H
#define CLI_DOCTOR_CHECKS_H

#include <stdbool.h>

struct doctor;

/* User and group of the packages, and whether who writes may write. */
void doctor_users_check(struct doctor *doctor);

/* The run and the spool directory: there, whose, modes, file system. Mends with --fix. */
void doctor_dirs_check(struct doctor *doctor);

/* Whether a file of tmpfiles.d names the path: it is there after a boot. */
bool doctor_dirs_has_tmpfiles(const char *path);

/* Versions of the programs, on the disk and running. */
void doctor_programs_check(struct doctor *doctor);

/* The agent: alive, as whom, alone. */
void doctor_agent_check(struct doctor *doctor);

/* The environment and the settings file. */
void doctor_settings_check(struct doctor *doctor);

/* MICROTRACE_AGENT_LISTEN while no agent has it. */
void doctor_port_check(struct doctor *doctor);

/* lighttpd's, nginx's and Apache's configuration as far as it is about us. */
void doctor_servers_check(struct doctor *doctor);

/* One request to the endpoint, by metrics-agent --probe. */
void doctor_endpoint_check(struct doctor *doctor);

/* The metrics file, and what `microtrace spool status` finds wrong. */
void doctor_spool_check(struct doctor *doctor);

/* Room and inodes for the spool. */
void doctor_disk_check(struct doctor *doctor);

/* The clock, and files of the future. */
void doctor_clock_check(struct doctor *doctor);

#endif
