/* conductor_rig: the real conductor over the real back end in memory and two hubs, "main" and "side", that
 * answer when a test says so, on a clock of the test's own. */
#ifndef ROLLCALL_TESTS_UNIT_SERVER_CONDUCTOR_RIG_H
#define ROLLCALL_TESTS_UNIT_SERVER_CONDUCTOR_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "server/conductor.h"
#include "store/backend.h"
#include "tests/lib/fake_hub.h"
#include "tests/lib/store_sync.h"

#define RIG_BEGIN_MS INT64_C(1795824000000) /* 2026-11-28T00:00:00Z */
#define RIG_DAY_MS INT64_C(86400000)
#define RIG_HUBS_N 2

/* One rig a program. */
extern struct rig {
	struct store *store;
	struct store_head head;
	struct conductor *conductor;
	struct hub *hubs[RIG_HUBS_N];
	struct conductor_options options; /* to be changed before rig_start() */
	const char *sku;                  /* of both hubs, likewise */
	int64_t now_ms;                   /* the clock that nobody sets */
	int64_t set_by_ms;                /* the one on the wall goes ahead of it by so much */
	enum err broken;                  /* a commit failed so */
	/* the last answer */
	uint32_t answers_n;
	enum err err;
	char detail[256], id[ID_SIZE];
} rig;

/* An empty database and the usual options; nothing runs yet. */
void rig_open(void);
/* As a process starts. */
enum err rig_start(void);
/* As one is killed; the database stays. */
void rig_kill(void);
void rig_close(void);

/* Does what is due now, until nothing is. */
void rig_run(void);
/* Lets so much time go by, in which what falls due is done. */
void rig_pass(int64_t ms);
/* Puts batch on record, as something did before. */
void rig_put(struct batch *batch);
/* Puts campaign 1 on record, of "main" and its one device "d-1", as it is before it is said that all are
 * found. */
void rig_put_selecting(const char *id, const char *spec_json, int64_t end_at_ms);

/* A conductor_done_cb that notes the answer. */
void rig_on_done(void *arg, enum err err, const char *detail, const char *id);
/* Runs until an order is answered; what that was, and so are rig.detail and rig.id. */
enum err rig_answer(void);
/* Creates a campaign, or a schedule, from JSON, asserts that it is taken, and notes its id in rig.id. */
void rig_create(const char *spec_json);
void rig_schedule(const char *spec_json);
/* Makes a device list of "d-0", "d-1" … */
void rig_list(const char *name, uint32_t n);
/* Reads JSON that is sound. */
void rig_parse(const char *spec_json, struct campaign_spec *ret);
void rig_parse_schedule(const char *spec_json, struct schedule_spec *ret);

/* A row on record; texts are not set. */
bool rig_campaign(const char *id, struct campaign_row *ret);
/* The same, and its state's reason. */
bool rig_campaign_says(const char *id, struct campaign_row *ret, char reason[256]);
/* A device of a campaign's hub (-1: any) and its group's name, "": none. */
bool rig_target(const char *id, const char *device_id, int hub, struct target_row *ret, char group[16]);
/* How many events are on record, and which is the first. */
uint64_t rig_events(uint64_t *ret_first);
/* Text of the newest order on record, and how many there are. "": none. */
size_t rig_audit(enum audit_text which, char ret[2048]);

#endif
