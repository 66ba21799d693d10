/* api: handler of a campaign's progress: its counts over time. See handlers.h
 *
 * On record is the last commit of each slot of time. A bucket is some whole slots, so that it, too, ends with
 * the counts of a commit, and claims nothing about what is not on record. */
#include "api/handlers.h"

#include <stdlib.h>

#include "api/json.h"
#include "api/request.h"
#include "store/store.h"

#define BUCKET_MAX_S 86400
#define BUCKETS_MAX 1000
#define BUCKETS_DEFAULT 100

struct ask {
	struct request *r;
	uint64_t bucket_s; /* 0: not said */
};

/* The end of the last bucket: now, or where a final campaign has no more news; in slot time. */
static uint64_t end_s(const struct request *r, const struct campaign_row *campaign,
                      const struct progress_row *last)
{
	int64_t now_s = r->now_ms / 1000 - campaign->created_at_ms / 1000;

	if (campaign_state_is_final(campaign->state) || now_s < (int64_t)last->slot_s)
		return last->slot_s + UINT64_C(1);
	return (uint64_t)now_s + 1;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* Fills buckets: each shows the last row that lies in it, or before it. */
static void put_buckets(struct buf *out, const struct campaign_row *campaign, const struct progress_row *rows,
                        size_t n, uint64_t bucket_s, uint64_t until_s)
{
	uint64_t from_s = rows[0].slot_s / bucket_s * bucket_s;
	size_t shown = 0;

	for (uint64_t at_s = from_s; at_s < until_s; at_s += bucket_s) {
		int64_t begins_ms = (campaign->created_at_ms / 1000 + (int64_t)at_s) * 1000;

		while (shown + 1 < n && rows[shown + 1].slot_s < at_s + bucket_s)
			shown++;
		buf_puts(out, at_s > from_s ? "," : "");
		json_bucket(out, begins_ms, begins_ms + (int64_t)bucket_s * 1000, &rows[shown]);
	}
}

static void on_progress(void *arg, enum err err, uint64_t revision, const struct progress_row *rows, size_t n,
                        uint32_t slot_s, const struct campaign_row *campaign)
{
	struct ask *a = arg;
	struct request *r = a->r;
	uint64_t bucket_s = a->bucket_s, until_s, least_s;
	struct faults faults = FAULTS_INIT;
	struct buf body = BUF_INIT;

	free(a);
	if (!campaigns_found(r, err, campaign != NULL))
		return;
	until_s = n > 0 ? end_s(r, campaign, &rows[n - 1]) : 1;
	least_s = (until_s + BUCKETS_MAX - 2) / (BUCKETS_MAX - 1);
	if (bucket_s != 0 && bucket_s < least_s && least_s > slot_s) {
		faults_add(&faults, "bucketSeconds", "would give more than %d buckets: at least %llu here",
		           BUCKETS_MAX, (unsigned long long)least_s);
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		return;
	}
	bucket_s = round_up(bucket_s != 0 ? bucket_s : (until_s + BUCKETS_DEFAULT - 1) / BUCKETS_DEFAULT,
	                    slot_s);
	buf_puts(&body, "{\"campaignId\":");
	buf_json(&body, campaign->id);
	buf_printf(&body, ",\"bucketSeconds\":%llu,\"value\":[", (unsigned long long)bucket_s);
	if (n > 0)
		put_buckets(&body, campaign, rows, n, bucket_s, until_s);
	buf_printf(&body, "],\"revision\":%llu}", (unsigned long long)revision);
	reply_json(r, 200, &body);
}

void progress_get(struct request *r)
{
	struct ask *a = xcalloc(1, sizeof *a);
	struct faults faults = FAULTS_INIT;

	a->r = r;
	request_param_u64(r, "bucketSeconds", 1, BUCKET_MAX_S, &a->bucket_s, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		free(a);
		return;
	}
	store_read_progress(r->context->store, r->parts[0], on_progress, a);
}
