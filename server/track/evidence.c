/* track: see evidence.h, whose table this is */
#include "server/track/evidence.h"

#include <assert.h>
#include <string.h>

/* Not before then is it sure that what the hub says of a connection is not older than a call. */
#define LINK_LATE_MS 330000

static struct verdict verdict(enum verdict_kind kind)
{
	return (struct verdict){kind, STRENGTH_NONE, false};
}

static struct verdict proven(enum strength strength)
{
	return (struct verdict){VERDICT_PROVEN, strength,
	                        strength == STRENGTH_ATTEMPT_ID || strength == STRENGTH_BOOT_ID};
}

/* Not so where that time is not known. */
static bool is_since_call(const struct evidence_case *c, int64_t at_ms)
{
	assert(c->since_hub_ms != TIME_NONE);
	return at_ms != TIME_NONE && at_ms >= c->since_hub_ms;
}

static bool is_new(const struct evidence_case *c, const struct seen *s)
{
	return s->is_there && is_since_call(c, s->at_ms);
}

static bool is_point_read_since_call(const struct evidence_case *c, const struct reading *r)
{
	return r->is_point_read && is_since_call(c, r->hub_at_ms);
}

static bool echoes(const struct evidence_case *c, const struct reading *r)
{
	return c->attempt_id != NULL && c->since_hub_ms != TIME_NONE && r->echo.is_there &&
	       strcmp(r->echo.text, c->attempt_id) == 0;
}

/* Only a point read after the baseline tells: a row may be older than the baseline, and so of a lower
 * version. In the same second (all that a Date header tells) their order is not known. */
static bool is_recreated(const struct baseline *b, const struct reading *r)
{
	return b->source != SOURCE_NONE && r->is_point_read && r->version != 0 && r->version < b->version &&
	       b->taken_at_ms != TIME_NONE && r->hub_at_ms > b->taken_at_ms;
}

static bool is_other_boot(const struct evidence_case *c, const struct reading *r)
{
	if (!c->baseline->has_boot || !r->boot.is_there || r->boot.hash == c->baseline->boot_hash)
		return false;
	return r->boot.at_ms == TIME_NONE ? is_point_read_since_call(c, r) : is_new(c, &r->boot);
}

static bool status_is_value(const struct evidence_rule *rule)
{
	const struct profile *p = rule->profile;

	return rule->uses_profile_values && p->status_path != NULL &&
	       strcmp(p->value_path, p->status_path) == 0;
}

static bool status_failed(const struct evidence_rule *rule, const struct reading *r)
{
	return !status_is_value(rule) && r->status.is_there &&
	       profile_is_failed(rule->profile, r->status.text);
}

static bool value_counts(const struct evidence_case *c, const struct seen *value)
{
	const struct baseline *b = c->baseline;

	if (!is_new(c, value))
		return false;
	if (!b->has_value || value->hash != b->value_hash || c->has_moved)
		return true;
	return c->rule->accepts_rewrite && b->value_at_ms != TIME_NONE && value->at_ms > b->value_at_ms;
}

static struct verdict judge_property(const struct evidence_case *c, const struct reading *r)
{
	const struct profile *p = c->rule->profile;

	if (status_failed(c->rule, r)) {
		if (r->status.at_ms == TIME_NONE)
			return verdict(VERDICT_NOTHING);
		if (is_new(c, &r->status) && (!is_new(c, &r->value) || r->status.at_ms >= r->value.at_ms))
			return verdict(VERDICT_FAILED);
	}
	if (!value_counts(c, &r->value))
		return verdict(VERDICT_NOTHING);
	if (!c->rule->uses_profile_values || p->done_value == NULL || profile_is_done(p, r->value.text))
		return proven(STRENGTH_VALUE);
	return verdict(profile_is_failed(p, r->value.text) ? VERDICT_FAILED : VERDICT_MOVED);
}

static struct verdict judge_where(const struct evidence_case *c, const struct reading *r)
{
	const struct baseline *b = c->baseline;

	if (!r->has_predicates || !is_point_read_since_call(c, r))
		return verdict(VERDICT_NOTHING);
	if (r->success)
		return b->success_held ? verdict(VERDICT_NOTHING) : proven(STRENGTH_PREDICATE);
	if (r->failure && b->version != 0 && r->version > b->version)
		return verdict(VERDICT_FAILED);
	return verdict(VERDICT_NOTHING);
}

/* A disconnect alone proves nothing, and connectionState may be 5 min late (contract 3.2): that it is down
 * counts only where it was up before the call, or where what was before cannot be meant any more. */
static struct verdict judge_reconnect(const struct evidence_case *c, const struct reading *r)
{
	if (c->is_uncalled || !is_point_read_since_call(c, r))
		return verdict(VERDICT_NOTHING);
	if (r->link == LINK_UP && c->has_moved)
		return proven(STRENGTH_RECONNECT);
	if (r->link == LINK_DOWN && (c->baseline->was_up || r->hub_at_ms >= c->since_hub_ms + LINK_LATE_MS))
		return verdict(VERDICT_MOVED);
	return verdict(VERDICT_NOTHING);
}

struct verdict evidence_judge(const struct evidence_case *c, const struct reading *r)
{
	if (!r->is_there)
		return verdict(VERDICT_GONE);
	if (echoes(c, r))
		return proven(STRENGTH_ATTEMPT_ID);
	if (is_recreated(c->baseline, r))
		return verdict(VERDICT_GONE);
	if (c->since_hub_ms == TIME_NONE || c->baseline->source == SOURCE_NONE)
		return verdict(VERDICT_NOTHING);
	if (is_other_boot(c, r))
		return proven(STRENGTH_BOOT_ID);
	if (c->rule->is_reconnect)
		return judge_reconnect(c, r);
	return c->rule->is_where ? judge_where(c, r) : judge_property(c, r);
}

const char *verdict_text(enum verdict_kind k)
{
	static const char *const texts[] = {[VERDICT_NOTHING] = "nothing",
	                                    [VERDICT_MOVED] = "moved",
	                                    [VERDICT_PROVEN] = "proven",
	                                    [VERDICT_FAILED] = "failed",
	                                    [VERDICT_GONE] = "gone"};

	return texts[k];
}

void evidence_baseline(const struct evidence_rule *rule, const struct reading *r, struct baseline *ret)
{
	assert(r->is_there && (!rule->is_where || r->has_predicates));
	*ret = (struct baseline){
	        .value_hash = r->value.is_there ? r->value.hash : 0,
	        .boot_hash = r->boot.is_there ? r->boot.hash : 0,
	        .version = r->version,
	        .value_at_ms = r->value.is_there ? r->value.at_ms : TIME_NONE,
	        .taken_at_ms = r->hub_at_ms,
	        .source = r->is_point_read ? SOURCE_READ : SOURCE_QUERY,
	        .has_value = r->value.is_there,
	        .has_boot = r->boot.is_there,
	        .success_held = rule->is_where && r->success,
	        .was_up = r->link == LINK_UP,
	};
}
