/* drive: moves the world with the real clock: runs what is due, writes the journal, sends the answers; in
 * this order, so that whoever has an answer finds its truth in the file. Loop thread only. */
#ifndef ROLLCALL_TESTS_HUBSIM_DRIVE_H
#define ROLLCALL_TESTS_HUBSIM_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "tests/hubsim/devices.h"
#include "tests/hubsim/journal.h"
#include "tests/hubsim/rest.h"
#include "tests/world/world.h"

struct drive {
	uv_loop_t *loop;
	struct world *world;
	struct rest *rest;
	struct devices *devices;
	struct journal *journal; /* NULL: none is kept */
	int64_t clock_offset_ms; /* hub's time less loop's */
	void (*on_failed)(
	        void *arg); /* the journal cannot be written; comes once, and the world stands still */
	void *arg;
	/* drive's own */
	uv_timer_t timer;
	uv_check_t check;
	uv_prepare_t prepare;
	int64_t armed_ms; /* what the timer waits for */
	bool has_failed;
};

/* Starts; the members above "drive's own" are set. d stays where it is until drive_stop() and the loop has
 * run empty. */
void drive_start(struct drive *d);
void drive_stop(struct drive *d);

#endif
