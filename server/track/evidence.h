/* track/evidence: what a reading of a twin means for one target (product: Evidence). Pure; no state: whoever
 * asks brings the baseline and what is known. It never says that a call did not act: absence is the engine's
 * to conclude, from a point read late enough that says NOTHING.
 *
 * The first row that fits decides. "New" is what has a hub-side $lastUpdated (its own or its nearest
 * ancestor's) at or after since_hub_ms; a point read is "after" a time if the hub dated it so. What is not
 * known never fits.
 *
 *   0  There is no such device: GONE.
 *   1  The echo is attempt_id, and a call was made: PROVEN, ATTEMPT_ID, done path.
 *   -  A point read after the baseline, $version below the baseline's (both known): GONE. No call was
 *      made, or there is no baseline to compare with: NOTHING.
 *   2  The boot id is not the baseline's (which had one), and new; or it has no $lastUpdated, but is
 *      in a point read after since_hub_ms: PROVEN, BOOT_ID, done path.
 *
 *   By property:
 *   3  The status (not the value's own path) is a failed one of the profile's. New, and no older than
 *      the value: FAILED. Without any $lastUpdated, as in rows: NOTHING.
 *   4  The value is new, and another than the baseline's (or that had none), or has_moved, or
 *      accepts_rewrite and it was written after the baseline's. Where uses_profile_values and the
 *      profile has a done value, that is PROVEN, VALUE; a failed one FAILED; any other MOVED.
 *      Else PROVEN, VALUE.
 *
 *   By where, in a point read after since_hub_ms:
 *   5  success holds, and did not at the baseline: PROVEN, PREDICATE.
 *   6  failure holds, success does not, and reported $version is above the baseline's: FAILED.
 *
 *   By reconnect, in a point read after since_hub_ms, of a target that does not wait to be called:
 *   7  It is connected, and has_moved: PROVEN, RECONNECT.
 *   8  It is not connected, and was at the baseline, or since_hub_ms is 5.5 minutes ago: MOVED.
 *
 *   Else NOTHING.
 *
 * Row 1 comes before the re-created twin's, since nobody else can know our attempt id; rows 2 … 6 come after
 * it, since another device of the same name has another boot id and other values. Row 3 comes before row 4: a
 * device may note the time of a try that failed; in a row such a status may as well be left over, so a point
 * read has to decide. Row 6 wants a newer reported section since the failure predicate may have held long
 * before the call; one over tags only is therefore never decided by row 6. Rows 7 and 8: connectionState may
 * be 5 minutes late (contract 3.2), so being away counts only where it was there before the call, or where
 * what was before cannot be meant any more. */
#ifndef ROLLCALL_SERVER_TRACK_EVIDENCE_H
#define ROLLCALL_SERVER_TRACK_EVIDENCE_H

#include "server/campaign/model.h"
#include "server/campaign/profile.h"
#include "server/hub/reading.h"

struct evidence_rule {
	const struct profile *profile;
	bool uses_profile_values; /* the watched path is the profile's own: its done and failed values count
	                           */
	bool is_where;            /* success and failure predicates decide */
	bool is_reconnect;        /* being away and coming back decides */
	bool accepts_rewrite;
};

struct evidence_case {
	const struct evidence_rule *rule;
	const struct baseline *baseline;
	int64_t since_hub_ms;   /* the intent's hub time; TIME_NONE: no call has been made */
	const char *attempt_id; /* NULL: none */
	bool has_moved;         /* see target_row; by reconnect: it was away */
	bool is_uncalled; /* no call may be acting but one that found it offline: being away says nothing */
};

enum verdict_kind {
	VERDICT_NOTHING, /* says neither */
	VERDICT_MOVED,   /* news since the intent, but neither done nor failed: it is under way */
	VERDICT_PROVEN,  /* the action is done */
	VERDICT_FAILED,  /* the device says that the action failed */
	VERDICT_GONE,    /* deleted, or re-created: reported $version is below the baseline's */
};
struct verdict {
	enum verdict_kind kind;
	enum strength strength; /* of PROVEN */
	bool is_done_path;      /* proven in the done path or by a boot id: no settling needed */
};

struct verdict evidence_judge(const struct evidence_case *c, const struct reading *r);
const char *verdict_text(enum verdict_kind k);
/* Makes a baseline from a reading of a device that is there; by where only a point read will do, since no row
 * knows whether success held. */
void evidence_baseline(const struct evidence_rule *rule, const struct reading *r, struct baseline *ret);

#endif
