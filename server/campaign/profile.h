/* campaign/profile: action types are data, not code (product: Action types; contract 9). */
#ifndef ROLLCALL_SERVER_CAMPAIGN_PROFILE_H
#define ROLLCALL_SERVER_CAMPAIGN_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#define ACTIONS(X) \
	X(REBOOT, 0, "reboot") \
	X(FACTORY_RESET, 1, "factoryReset") \
	X(FIRMWARE_UPDATE, 2, "firmwareUpdate") \
	X(METHOD, 3, "method")
enum action_type {
#define X(name, number, text) ACTION_##name = number,
	ACTIONS(X)
#undef X
	        ACTIONS_N
};

/* Paths are below properties.reported; NULL: the profile has none. */
struct profile {
	enum action_type type;
	const char *text;
	const char *method_name;          /* NULL: the spec must say it */
	int32_t success_min, success_max; /* a device's answer that means accepted */
	const char *value_path;           /* what changes when it is done */
	const char *done_value;  /* NULL: any change is done; else only this value, without case and spaces */
	const char *status_path; /* a status that may say that it failed */
	const char *failed_suffix; /* a status that ends so has failed, without case and spaces */
	const char *echo_path;     /* where a device repeats our attempt id once it is done */
	const char *boot_path;     /* where a device says which boot this is */
	uint32_t timeout_s;        /* default for verify.timeoutSeconds: the time to act */
	uint32_t settle_s;         /* default for verify.settleSeconds */
	uint32_t act_s;            /* from the call to the report, where nothing better is known */
	bool restarts;             /* the device goes away and connects anew */
	bool attaches_attempt_id;  /* default for action.attachAttemptId */
};

const struct profile *profile_of(enum action_type type);
/* Gives NULL for an unknown text. */
const struct profile *profile_by_text(const char *text);
/* Whether value (plain text) is what the profile means by done, or by failed. */
bool profile_is_done(const struct profile *p, const char *value);
bool profile_is_failed(const struct profile *p, const char *value);

#endif
