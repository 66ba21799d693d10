/* agent: see life.h */
#include "deploy/agent/life.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_STATUS (-1)

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

static void end(struct state *s, enum act_phase phase, int code, const char *why, const struct life_now *now)
{
	struct act *a = state_pending(s);

	assert(a != NULL);
	a->phase = phase;
	a->ended_at_ms = now->at_ms;
	a->error_code = code;
	copy(a->error, sizeof a->error, why);
	free(a->payload);
	a->payload = NULL;
	copy(a->end_boot_id, sizeof a->end_boot_id, s->boot_id);
	a->end_booted_at_ms = s->booted_at_ms;
	copy(a->end_firmware, sizeof a->end_firmware, now->firmware);
}

static enum life_next done(struct state *s, const struct life_now *now)
{
	end(s, PHASE_DONE, 0, "", now);
	return LIFE_NOTHING;
}

void life_fail(struct state *s, int code, const char *why, const struct life_now *now)
{
	end(s, PHASE_FAILED, code, why, now);
}

static enum life_next failed(struct state *s, const char *why, const struct life_now *now)
{
	life_fail(s, NO_STATUS, why, now);
	return LIFE_NOTHING;
}

static enum life_next unknown(struct state *s, const char *why, const struct life_now *now)
{
	end(s, PHASE_UNKNOWN, NO_STATUS, why, now);
	return LIFE_NOTHING;
}

bool life_note_boot(struct state *s, const char *boot_id, int64_t booted_at_ms, const char *over)
{
	bool is_first = s->boot_id[0] == '\0';

	if (strcmp(s->boot_id, boot_id) == 0)
		return false;
	copy(s->boot_id, sizeof s->boot_id, boot_id);
	copy(s->pretended_over, sizeof s->pretended_over, over);
	s->booted_at_ms = booted_at_ms;
	if (!is_first)
		s->last_reboot_at_ms = booted_at_ms;
	return true;
}

/* Whether the firmware that was wanted runs; says_so: the command has said that it applied it. */
static enum life_next judge_update(struct state *s, const struct life_rule *rule, bool says_so,
                                   const struct life_now *now)
{
	char why[ACT_ERROR_SIZE];

	if (rule->has_check)
		return LIFE_CHECK;
	if (rule->wanted_version != NULL && now->firmware[0] != '\0') {
		if (strcmp(rule->wanted_version, now->firmware) == 0)
			return done(s, now);
		snprintf(why, sizeof why, "version %.100s runs", now->firmware);
		return failed(s, why, now);
	}
	return says_so ? done(s, now) : unknown(s, "restarted, and nothing tells which firmware runs", now);
}

/* Another boot than that in which it was accepted. */
static enum life_next after_boot(struct state *s, struct act *a, const struct life_rule *rule,
                                 const struct life_now *now)
{
	if (a->type == ACT_REBOOT)
		return done(s, now); /* whatever caused it */
	if (a->phase == PHASE_ACCEPTED)
		return failed(s, "the device restarted before it began", now);
	if (a->type == ACT_FIRMWARE_UPDATE)
		return judge_update(s, rule, false, now);
	return rule->ends_by_exit ? unknown(s, "the device restarted before the command had ended", now)
	                          : done(s, now);
}

enum life_next life_start(struct state *s, const struct life_rule *rule, const struct life_now *now)
{
	struct act *a = state_pending(s);

	if (a == NULL)
		return LIFE_NOTHING;
	if (strcmp(a->boot_id, s->boot_id) != 0)
		return after_boot(s, a, rule, now);
	if (a->phase == PHASE_ACCEPTED)
		return now->up_ms - a->accepted_up_ms <= BEGIN_WITHIN_MS
		               ? LIFE_BEGIN
		               : failed(s, "the agent was not there to begin it in time", now);
	if (a->is_pretended)
		return LIFE_PRETEND;
	if (a->type == ACT_REBOOT || !rule->ends_by_exit)
		return LIFE_AWAIT;
	return unknown(s, "the agent was restarted while the command ran", now);
}

void life_begin(struct state *s, bool is_pretended, const struct life_now *now)
{
	struct act *a = state_pending(s);

	assert(a != NULL && a->phase == PHASE_ACCEPTED);
	a->phase = PHASE_BEGUN;
	a->begun_up_ms = now->up_ms;
	a->is_pretended = is_pretended;
}

enum life_next life_exit(struct state *s, const struct life_rule *rule, int status,
                         const struct life_now *now)
{
	struct act *a = state_pending(s);
	char why[ACT_ERROR_SIZE];

	assert(a != NULL && a->phase == PHASE_BEGUN);
	if (status != 0) {
		snprintf(why, sizeof why,
		         status > 128 ? "the command was ended by signal %d"
		                      : "the command ended with status %d",
		         status > 128 ? status - 128 : status);
		life_fail(s, status, why, now);
		return LIFE_NOTHING;
	}
	if (!rule->ends_by_exit)
		return LIFE_AWAIT;
	return a->type == ACT_FIRMWARE_UPDATE ? judge_update(s, rule, true, now) : done(s, now);
}

void life_checked(struct state *s, int status, const struct life_now *now)
{
	if (status == 0)
		done(s, now);
	else
		life_fail(s, status, "the check says that the new firmware does not run", now);
}

void life_pretended(struct state *s, const struct life_now *now)
{
	done(s, now);
}
