/* campaign: see spec.h. What a patch asks for is what the spec says differently afterwards, not what the
 * patch mentions: who sends the whole spec back with one number changed has changed one number. */
#include "server/campaign/spec.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/campaign/member.h"

/* Applies patch, an object, to target, another (RFC 7396, 2). */
static void merge(json_t *target, json_t *patch)
{
	for (void *at = json_object_iter(patch); at != NULL; at = json_object_iter_next(patch, at)) {
		const char *name = json_object_iter_key(at);
		json_t *value = json_object_iter_value(at);

		if (json_typeof(value) == JSON_NULL) {
			json_object_del(target, name);
		} else if (json_typeof(value) != JSON_OBJECT) {
			json_object_set(target, name, value);
		} else {
			if (!json_is_object(json_object_get(target, name)))
				json_object_set_new(target, name, json_object());
			merge(json_object_get(target, name), value);
		}
	}
}

/* Whether a patch says something there, rather than nothing or that it is to go. */
static bool is_given(const json_t *member)
{
	return member != NULL && json_typeof(member) != JSON_NULL;
}

/* The end that the patch says takes the place of the one on record: both cannot hold, and the latter may be a
 * default that nobody said. */
static void replace_end(json_t *target, const json_t *patch)
{
	const json_t *given = json_object_get(patch, "schedule");
	const json_t *at = json_object_get(given, "endAt"),
	             *after = json_object_get(given, "endAfterSeconds");
	json_t *schedule = json_object_get(target, "schedule");

	if (is_given(at) && after == NULL)
		json_object_del(schedule, "endAfterSeconds");
	if (is_given(after) && at == NULL)
		json_object_del(schedule, "endAt");
}

static json_t *json_of(const struct campaign_spec *s)
{
	struct buf text = BUF_INIT;
	json_t *json;

	spec_render(s, &text);
	json = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
	assert(json != NULL);
	buf_done(&text);
	return json;
}

/* Whether the member may change while the campaign lives, with all that is in it. */
static bool may_change(const char *pointer)
{
	static const char *const members[] = {
	        "/rollout/gate",
	        "/rollout/ratePerMinute",
	        "/rollout/maxUnavailable",
	        "/rollout/group/maxUnavailable",
	        "/schedule/windows",
	        "/schedule/blackouts",
	        "/schedule/mustFinishInWindow",
	        "/schedule/endAt",
	        "/schedule/endAfterSeconds",
	        "/retry/maxAttempts",
	        "/retry/on",
	        "/retry/backoffSeconds",
	        "/retry/backoffMaxSeconds",
	        "/offline",
	        "/abort",
	};
	static const char waves[] = "/rollout/waves/";

	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (strcmp(members[i], pointer) == 0)
			return true;
	if (strncmp(pointer, waves, strlen(waves)) != 0)
		return false;
	pointer += strlen(waves);
	return strcmp(pointer + strspn(pointer, "0123456789"), "/gate") == 0;
}

/* Two specs as JSON, member by member. */
struct comparison {
	struct faults *faults;
	size_t first;  /* of the faults found when the later one was read */
	bool is_sound; /* none was: so it has its defaults, and nothing is said in two ways */
	struct buf pointer;
};

/* Whether the member, or a part of it, has a fault already. */
static bool is_told(const struct comparison *c)
{
	for (size_t i = c->first; i < c->faults->n; i++) {
		const char *pointer = c->faults->all[i].pointer;

		if (strncmp(pointer, c->pointer.data, c->pointer.len) == 0 &&
		    (pointer[c->pointer.len] == '\0' || pointer[c->pointer.len] == '/'))
			return true;
	}
	return false;
}

static void compare(struct comparison *c, json_t *before, json_t *after);

static void compare_member(struct comparison *c, const char *name, json_t *before, json_t *after)
{
	size_t len = c->pointer.len;

	member_pointer(name, &c->pointer);
	if (!may_change(c->pointer.data) && !json_equal(before, after))
		compare(c, before, after);
	c->pointer.len = len;
	c->pointer.data[len] = '\0';
}

static void compare_objects(struct comparison *c, json_t *before, json_t *after)
{
	for (void *at = json_object_iter(before); at != NULL; at = json_object_iter_next(before, at)) {
		const char *name = json_object_iter_key(at);

		compare_member(c, name, json_object_iter_value(at), json_object_get(after, name));
	}
	for (void *at = json_object_iter(after); at != NULL; at = json_object_iter_next(after, at)) {
		const char *name = json_object_iter_key(at);

		if (json_object_get(before, name) == NULL)
			compare_member(c, name, NULL, json_object_iter_value(at));
	}
}

static void compare_waves(struct comparison *c, json_t *before, json_t *after)
{
	char name[24];

	for (size_t i = 0; i < json_array_size(before); i++) {
		snprintf(name, sizeof name, "%zu", i);
		compare_member(c, name, json_array_get(before, i), json_array_get(after, i));
	}
}

/* Goes down to what differs, and adds a fault there. */
static void compare(struct comparison *c, json_t *before, json_t *after)
{
	const char *pointer = c->pointer.data;

	if (json_is_object(before) && json_is_object(after) && strcmp(pointer, "/action/payload") != 0)
		compare_objects(c, before, after);
	else if (strcmp(pointer, "/rollout/waves") == 0 && json_is_array(after) &&
	         json_array_size(before) == json_array_size(after))
		compare_waves(c, before, after);
	else if ((after != NULL || c->is_sound) && !is_told(c))
		faults_add(c->faults, pointer, "%s " CANNOT_CHANGE, strrchr(pointer, '/') + 1);
}

enum err spec_patch(const struct campaign_spec *old, const char *patch_json, size_t len,
                    struct campaign_spec *ret, struct faults *faults, size_t *ret_at,
                    char ret_reason[SPEC_REASON_SIZE])
{
	struct comparison c = {faults, faults->n, false, BUF_INIT};
	size_t faults_before = faults->n + faults->left_out;
	json_t *patch, *before, *after;
	char given[GIVEN_SIZE], *text;
	json_error_t error;

	*ret = (struct campaign_spec){0};
	patch = json_loadb(patch_json, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
	                   &error);
	if (patch == NULL) {
		*ret_at = (size_t)error.position;
		snprintf(ret_reason, SPEC_REASON_SIZE, "%s", error.text);
		return ERR_INVALID;
	}
	if (json_typeof(patch) != JSON_OBJECT) {
		faults_add(faults, "", "a patch must be an object, not %s", member_given(patch, given));
		json_decref(patch);
		return ERR_INVALID;
	}
	before = json_of(old);
	after = json_deep_copy(before);
	merge(after, patch);
	replace_end(after, patch);
	text = json_dumps(after, JSON_COMPACT);
	assert(text != NULL);
	c.is_sound = spec_parse(text, strlen(text), true, ret, faults, ret_at, ret_reason) == ERR_OK;
	if (c.is_sound) {
		json_decref(after);
		after = json_of(ret);
	}
	compare_objects(&c, before, after);
	buf_done(&c.pointer);
	free(text);
	json_decref(after);
	json_decref(before);
	json_decref(patch);
	return faults->n + faults->left_out == faults_before ? ERR_OK : ERR_INVALID;
}
