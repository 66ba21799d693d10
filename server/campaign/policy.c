/* campaign: see policy.h */
#include "server/campaign/policy.h"

/* The HTTP client waits longer than the hub does (shaping delays, the way back), but gives up well before
 * this. */
#define ANSWER_MARGIN_MS 50000

/* A hub job: gathering, starting, waiting for its turn, 256 devices at ten a second (contract 5.3), reading
 * its rows; see dispatch/jobs.c, which gives up earlier. */
#define JOB_MS 300000

int64_t policy_wire_ms(const struct campaign_spec *s)
{
	if (s->action.transport == TRANSPORT_HUB_JOB)
		return ((int64_t)s->action.connect_timeout_s + s->action.response_timeout_s) * 1000 + JOB_MS;
	return ((int64_t)policy_connect_s(s, 1) + s->action.response_timeout_s) * 1000 + SEND_WITHIN_MS;
}

int64_t policy_call_ms(const struct campaign_spec *s)
{
	return policy_wire_ms(s) + ANSWER_MARGIN_MS;
}

int64_t policy_quiet_ms(const struct campaign_spec *s)
{
	return policy_call_ms(s) + (int64_t)s->verify.timeout_s * 1000;
}

int64_t policy_heard_quiet_ms(const struct campaign_spec *s)
{
	return policy_wire_ms(s) + (int64_t)s->verify.timeout_s * 1000;
}

static int64_t doubled(int64_t first_ms, int64_t max_ms, uint32_t times)
{
	int64_t ms = first_ms;

	while (times-- > 0 && ms < max_ms)
		ms *= 2;
	return ms < max_ms ? ms : max_ms;
}

int64_t policy_backoff_ms(const struct campaign_spec *s, uint32_t failures)
{
	return doubled((int64_t)s->retry.backoff_s * 1000, (int64_t)s->retry.backoff_max_s * 1000,
	               failures > 0 ? failures - 1 : 0);
}

int64_t policy_offline_ms(uint32_t tries, uint64_t luck)
{
	int64_t ms = doubled(10000, 300000, tries > 0 ? tries - 1 : 0);

	return ms - ms / 5 + (int64_t)(luck % (uint64_t)(ms / 5 * 2 + 1));
}

int64_t policy_reread_ms(uint32_t tries)
{
	return doubled(5000, 300000, tries > 0 ? tries - 1 : 0);
}

uint32_t policy_connect_s(const struct campaign_spec *s, uint32_t offline_tries)
{
	uint32_t connect_s = s->action.connect_timeout_s;

	if (offline_tries > 0 && connect_s < 10)
		connect_s = 10;
	return connect_s < s->action.response_timeout_s ? connect_s : s->action.response_timeout_s;
}

void rate_init(struct rate *r, uint32_t per_minute)
{
	r->interval_us = per_minute > 0 ? (60000000 + per_minute - 1) / per_minute : 0;
	r->next_us = INT64_MIN;
}

int64_t rate_next_ms(const struct rate *r)
{
	if (r->interval_us == 0 || r->next_us == INT64_MIN)
		return INT64_MIN;
	return r->next_us / 1000; /* the clock is no finer than a millisecond */
}

void rate_take(struct rate *r, int64_t now_ms)
{
	int64_t now_us = now_ms * 1000;

	if (r->next_us < now_us)
		r->next_us = now_us;
	r->next_us += r->interval_us;
}
