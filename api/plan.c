/* api: handler of a campaign's plan: what was foretold when its targets were known, and what became of it.
 * See handlers.h */
#include "api/handlers.h"

#include "api/json.h"
#include "api/request.h"
#include "store/store.h"

static void on_plan(void *arg, enum err err, uint64_t revision, const struct plan_row *plan,
                    const struct campaign_row *campaign)
{
	struct request *r = arg;
	struct campaign_forecast forecast;
	struct buf body = BUF_INIT;
	bool is_foretold;

	if (!campaigns_found(r, err, campaign != NULL))
		return;
	is_foretold = !campaign_state_is_final(campaign->state) &&
	              conductor_foretell(r->context->conductor, campaign->no, &forecast);
	json_plan(&body, campaign, plan, is_foretold ? &forecast : NULL, revision);
	reply_json(r, 200, &body);
}

void plan_get(struct request *r)
{
	store_read_plan(r->context->store, r->parts[0], on_plan, r);
}
