/* tests/lib/fake_conductor: orders and views of conductor.h as a test wants them. Campaigns that it makes go
 * to a fake store at once; its callbacks come by later.h. */
#ifndef ROLLCALL_TESTS_LIB_FAKE_CONDUCTOR_H
#define ROLLCALL_TESTS_LIB_FAKE_CONDUCTOR_H

#include "server/base/metrics.h"
#include "server/conductor.h"

struct conductor {
	struct store *store;
	bool is_draining;
	char signed_by[512];             /* "actor role method path what" of the last order that was signed */
	bool is_signed;                  /* what is ordered now would be, so */
	char forgotten[96];              /* which dead letters were */
	struct campaign_waiting waiting; /* of every campaign */
	uint64_t parked;                 /* bit 1 << number of a target, of every campaign */
	uint64_t in_blackout, out_of_window; /* likewise, where waiting.has_shut_windows; they open at 7000 */
	bool has_groups;                     /* … live ones, each with: */
	uint32_t group_unavailable, group_max;
	int64_t predicted_ms;
	const char *preview_json; /* what previews come to where order_err is OK */
	bool is_foretold;
	struct campaign_forecast forecast;
	enum err order_err; /* what orders and creations come to */
	const char *order_detail;
	uint32_t creates_n, orders_n; /* orders also about targets, specs and deletions */
	enum order last_order;
	enum target_order last_target_order;
	char last_device[DEVICE_ID_MAX + 1];
	int last_hub;
	uint32_t last_reasons; /* of the last retry */
	char last_by[80];
	uint32_t last_ids_n;    /* of the last campaign made */
	enum err list_err;      /* what beginning a list comes to */
	uint32_t lists_n;       /* made so far */
	uint32_t list_page_max; /* ids that came at once, at most */
	char list_name[80];     /* of the list that is being made, "": none */
	char **list_ids;
	uint32_t list_ids_n;
	struct hub_view hub; /* the only one */
	struct histogram proof;
	struct conductor_stats stats;
	uint32_t hubs_n;
	uint32_t schedules_n;      /* made so far; of the last one: */
	char schedule_id[ID_SIZE]; /* "": it is gone */
	uint32_t schedule_revision;
	bool schedule_is_paused;
	struct schedule_spec schedule_spec;
	char live_id[ID_SIZE]; /* the only campaign that has a live spec */
	uint32_t live_no, live_revision;
	struct campaign_spec live_spec;
};

/* A hub named main, nothing waits for anything. */
void fake_conductor_init(struct conductor *c, struct store *store);
void fake_conductor_done(struct conductor *c);
/* From now on the campaign's stored spec is live, and a new one is stored. */
void fake_conductor_set_live(struct conductor *c, const struct campaign_row *row);

#endif
