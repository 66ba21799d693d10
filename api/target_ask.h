/* api/target_ask: which targets of a campaign a request asks for, and how each of them is shown. Since the
 * store knows neither the names of hubs nor waves, nor all that a target may wait for, the campaign is read
 * first. */
#ifndef ROLLCALL_API_TARGET_ASK_H
#define ROLLCALL_API_TARGET_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "api/json.h"
#include "server/campaign/spec.h"
#include "server/conductor.h"
#include "store/store.h"

struct request;

struct target_ask {
	struct request *r;
	struct target_filter filter;
	uint32_t to_no;                  /* only those numbered below */
	uint32_t limit;                  /* of what is shown, the filter's may be more */
	int waiting_for;                 /* enum wait, -1: any */
	int order;                       /* enum target_order still to be given, -1: none */
	struct campaign_waiting waiting; /* the same for the filter and for what is shown */
	struct campaign_spec spec;       /* the stored one, for its hubs and waves */
};

/* Gives one for all targets. */
struct target_ask *target_ask_new(struct request *r);
void target_ask_end(struct target_ask *a);
/* Reads the parameters that choose targets. faults: what else is wrong with the request; false: it has
 * replied.
 */
MUST_CHECK bool target_ask_read(struct target_ask *a, struct faults *faults);
/* Takes up the campaign: its waves and hubs, what its targets wait for; completes the filter. Once. */
void target_ask_campaign(struct target_ask *a, const struct campaign_row *row);
/* Of target_ask_campaign(), for one target only: ?hub=. False: the campaign has no such hub. */
MUST_CHECK bool target_ask_hub(struct target_ask *a);
/* Whether a target that the filter found is one, below to_no provided. */
bool target_ask_takes(const struct target_ask *a, const struct target_row *row);
/* What a target's own row does not tell; total: of the campaign's targets. */
void target_ask_context(const struct target_ask *a, const struct target_row *row, uint32_t total,
                        struct target_context *ret);

#endif
