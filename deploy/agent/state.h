/* agent/state: what the agent remembers over restarts: which boot it has seen, and the attempts that it took,
 * with what became of each. It is what keeps a repeated call from acting twice.
 *
 *    ACCEPTED ──the action begins──▶ BEGUN ──▶ DONE | FAILED | UNKNOWN
 *        └────────────────────────────────────▶ DONE (restarted meanwhile) | FAILED (never begun)
 *
 * ACCEPTED is on disk before the answer leaves, BEGUN before the action starts. So after a crash ACCEPTED
 * says for certain that it was not started, and BEGUN that it may have been: such a one is never started
 * again. */
#ifndef ROLLCALL_DEPLOY_AGENT_STATE_H
#define ROLLCALL_DEPLOY_AGENT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_ACTS_MAX 32
#define ATTEMPT_ID_SIZE 129
#define BOOT_ID_SIZE 64
#define FIRMWARE_SIZE 129
#define ACT_ERROR_SIZE 256

enum act_type { ACT_REBOOT, ACT_FACTORY_RESET, ACT_FIRMWARE_UPDATE, ACT_TYPES_N };
enum act_phase { PHASE_ACCEPTED, PHASE_BEGUN, PHASE_DONE, PHASE_FAILED, PHASE_UNKNOWN, PHASES_N };

/* Times are UTC in ms since 1970 by the device's clock; "up" ones count since the boot, and so compare within
 * one boot whatever happens to the clock. 0: not yet. */
struct act {
	char attempt_id[ATTEMPT_ID_SIZE]; /* empty: the caller gave none */
	enum act_type type;
	enum act_phase phase;
	char *payload;              /* JSON text as called, NULL once the act has ended */
	char boot_id[BOOT_ID_SIZE]; /* in which it was accepted */
	int64_t accepted_at_ms, accepted_up_ms, begun_up_ms;
	int64_t ended_at_ms;
	bool is_pretended;
	char end_boot_id[BOOT_ID_SIZE]; /* in which it was done, and when that boot was */
	int64_t end_booted_at_ms;
	char end_firmware[FIRMWARE_SIZE]; /* the version that ran then; empty: not known */
	int error_code; /* of FAILED and UNKNOWN: exit status, or -1 where no command's end says */
	char error[ACT_ERROR_SIZE];
};

struct state {
	char boot_id[BOOT_ID_SIZE]; /* the last seen; empty: none yet */
	int64_t booted_at_ms;
	char pretended_over[BOOT_ID_SIZE]; /* the kernel's boot id over which boot_id is pretended; empty: it
	                                      is the kernel's */
	int64_t last_reboot_at_ms;         /* of the last boot that followed one seen before; 0: none */
	struct act acts[STATE_ACTS_MAX];   /* oldest first */
	size_t n;
};

enum state_load { STATE_LOADED, STATE_NEW, STATE_DAMAGED, STATE_UNREADABLE };

/* Reads the file into s, which is empty on all answers but the first. DAMAGED: it holds something else; it is
 * kept beside as FILE.damaged. UNREADABLE: errno says why. */
enum state_load state_load(const char *path, struct state *s);
enum state_save {
	STATE_SAVED,    /* s survives a power cut */
	STATE_KEPT,     /* the file is as it was */
	STATE_IN_DOUBT, /* after a power cut it may be either */
};
/* Replaces the file as a whole, by way of FILE.new; a crash in between leaves the old one or the new one.
 * errno says why it is not SAVED. */
enum state_save state_save(const char *path, const struct state *s);
void state_done(struct state *s);

/* The act of that attempt; NULL: not remembered, or the id is empty. */
struct act *state_find(struct state *s, const char *attempt_id);
/* The act that has not ended; NULL: none. There is one at most, and it is the youngest. */
struct act *state_pending(struct state *s);
/* The youngest act of a type; the youngest that is done. NULL: none. */
const struct act *state_last(const struct state *s, enum act_type type);
const struct act *state_last_done(const struct state *s, enum act_type type);
/* Room for one more, empty; forgets the oldest where there is none. Only while none is pending. */
struct act *state_add(struct state *s);
/* Takes back the youngest. */
void state_drop_last(struct state *s);

const char *act_type_text(enum act_type type); /* the method's name */
const char *act_phase_text(enum act_phase phase);

#endif
