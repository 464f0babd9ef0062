/* SPDX-License-Identifier: MIT
 *
 * sim/cli/guest_move.h: a guest moves: what --save-at and --restore ask of a session, and of one another.
 *
 * A guest can only go on under the monitor, on the kernel's image (its symbols) and on the CPU model that it left: all
 * three are in the file by their digests.
 */
#ifndef RINGSIDE_SIM_CLI_GUEST_MOVE_H
#define RINGSIDE_SIM_CLI_GUEST_MOVE_H

#include "sim/cli/saved_file.h"
#include "sim/cli/session.h"

/* --save-at makes sense in this session, and its file can be made? */
bool check_save_at(const struct session *session, struct error *error);
/* After END_SAVED: writes the file of --save-at. */
bool guest_save(const struct session *session, const struct job *job, struct machine *machine, struct error *error);

/* `options` as they were given become those of the machine that was saved: settings, CPUs, model, and the CPU unless
 * one was given. They point into `saved`, which is changed. false: it is another architecture's. */
bool adopt_options(struct saved_file *saved, struct options *options, struct error *error);
/* The session opened with them is the saved one? */
bool check_restored(const struct saved_file *saved, const struct session *session, struct error *error);

#endif
