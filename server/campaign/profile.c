/* campaign: see profile.h */
#include "server/campaign/profile.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static const struct profile profiles[ACTIONS_N] = {
        [ACTION_REBOOT] =
                {
                        .type = ACTION_REBOOT,
                        .text = "reboot",
                        .method_name = "reboot",
                        .success_min = 200,
                        .success_max = 299,
                        .value_path = "iothubDM.reboot.lastReboot",
                        .echo_path = "iothubDM.reboot.done.attemptId",
                        .boot_path = "iothubDM.bootId",
                        .timeout_s = 900,
                        .settle_s = 120,
                        .act_s = 2,
                        .restarts = true,
                        .attaches_attempt_id = true,
                },
        [ACTION_FACTORY_RESET] =
                {
                        .type = ACTION_FACTORY_RESET,
                        .text = "factoryReset",
                        .method_name = "factoryReset",
                        .success_min = 200,
                        .success_max = 299,
                        .value_path = "iothubDM.factoryReset.lastFactoryReset",
                        .status_path = "iothubDM.factoryReset.status",
                        .failed_suffix = "failed",
                        .echo_path = "iothubDM.factoryReset.done.attemptId",
                        .boot_path = "iothubDM.bootId",
                        .timeout_s = 3600,
                        .settle_s = 300,
                        .act_s = 30,
                        .restarts = true,
                        .attaches_attempt_id = true,
                },
        /* No boot path: that it booted does not prove that it runs the new firmware. */
        [ACTION_FIRMWARE_UPDATE] =
                {
                        .type = ACTION_FIRMWARE_UPDATE,
                        .text = "firmwareUpdate",
                        .method_name = "firmwareUpdate",
                        .success_min = 200,
                        .success_max = 299,
                        .value_path = "iothubDM.firmwareUpdate.status",
                        .done_value = "applycomplete",
                        .status_path = "iothubDM.firmwareUpdate.status",
                        .failed_suffix = "failed",
                        .echo_path = "iothubDM.firmwareUpdate.done.attemptId",
                        .timeout_s = 3600,
                        .settle_s = 0,
                        .act_s = 300,
                        .restarts = true,
                        .attaches_attempt_id = true,
                },
        [ACTION_METHOD] =
                {
                        .type = ACTION_METHOD,
                        .text = "method",
                        .success_min = 200,
                        .success_max = 299,
                        .timeout_s = 900,
                        .settle_s = 0,
                        .act_s = 5,
                        .attaches_attempt_id = false,
                },
};

const struct profile *profile_of(enum action_type type)
{
	return &profiles[type];
}

const struct profile *profile_by_text(const char *text)
{
	for (size_t i = 0; i < ACTIONS_N; i++)
		if (strcmp(profiles[i].text, text) == 0)
			return &profiles[i];
	return NULL;
}

/* Whether value ends in suffix, without case and spaces; whole: and has nothing before it. Devices spell the
 * same status "downloadfailed", "downloadFailed" and "Download image failed" (contract 9.2). */
static bool ends_in(const char *value, const char *suffix, bool whole)
{
	size_t v = strlen(value), s = strlen(suffix);

	while (v > 0 && (s > 0 || whole)) {
		int c = tolower((unsigned char)value[--v]);

		if (isspace(c))
			continue;
		if (s == 0 || c != suffix[--s])
			return false;
	}
	return s == 0;
}

bool profile_is_done(const struct profile *p, const char *value)
{
	return p->done_value == NULL || ends_in(value, p->done_value, true);
}

bool profile_is_failed(const struct profile *p, const char *value)
{
	return p->failed_suffix != NULL && ends_in(value, p->failed_suffix, false);
}
