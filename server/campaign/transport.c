/* campaign: see transport.h */
#include "server/campaign/transport.h"

static const char *const texts[] = {[TRANSPORT_DIRECT] = "direct", [TRANSPORT_HUB_JOB] = "hubJob", NULL};

const char *transport_text(enum transport t)
{
	return texts[t];
}

void transport_read(const struct section *action, struct campaign_spec *s)
{
	size_t transport = TRANSPORT_DIRECT;

	member_choice(action, "transport", texts, &transport);
	s->action.transport = (enum transport)transport;
}

/* Whether a member says anything: not there, null and an empty list do not. */
static bool says(const json_t *section, const char *name)
{
	const json_t *member = json_object_get(section, name);

	if (member == NULL || json_typeof(member) == JSON_NULL)
		return false;
	return json_typeof(member) != JSON_ARRAY || json_array_size(member) > 0;
}

void transport_check(const struct section *whole, const struct campaign_spec *s)
{
	static const struct {
		const char *section, *name, *pointer, *why;
	} rows[] = {
	        {"rollout", "ratePerMinute", "/rollout/ratePerMinute", "a job that runs cannot be paced"},
	        {"rollout", "group", "/rollout/group", "a job does not spare groups"},
	        {"schedule", "windows", "/schedule/windows",
	         "a job that runs does not stop when a window ends"},
	        {"schedule", "blackouts", "/schedule/blackouts",
	         "a job that runs does not stop for a blackout"},
	        {NULL, "abort", "/abort", "a job that runs cannot be stopped"},
	};

	if (s->action.transport != TRANSPORT_HUB_JOB)
		return;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const json_t *section =
		        rows[i].section != NULL ? json_object_get(whole->json, rows[i].section) : whole->json;

		if (says(section, rows[i].name))
			faults_add(whole->faults, rows[i].pointer,
			           "%s must be left out where action.transport is \"hubJob\": %s",
			           rows[i].name, rows[i].why);
	}
	if (s->action.attach_attempt_id)
		faults_add(
		        whole->faults, "/action/attachAttemptId",
		        "attachAttemptId must be false where transport is \"hubJob\": a job sends all its devices the "
		        "same payload");
}
