/* campaign: see spec.h. Each section of a spec has one reader, with its later members marked so; whether
 * members contradict each other is asked of sound ones only, so that one mistake is one fault. */
#include "server/campaign/spec.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/campaign/member.h"
#include "server/campaign/model.h"
#include "server/campaign/spec_schedule.h"
#include "server/campaign/transport.h"

#define NAME_MAX_CHARACTERS 200
#define METHOD_NAME_MAX 128       /* our own limit; contract 2.1 names none */
#define WHERE_MAX_BYTES 7000      /* of the 8192 of a query (contract 4.2), the rest is for what we select */
#define PATH_MAX_BYTES 256        /* our own limit */
#define EXCLUDE_MAX 10000u        /* the list is stored and answered with the spec */
#define PAYLOAD_MAX_BYTES 131072u /* 128 KB, contract 2.1 */
#define ATTEMPT_MEMBER_BYTES (ATTEMPT_ID_SIZE + 16u) /* most that the attemptId adds to a payload */
#define RATE_MAX 10000000u                           /* a minute; more than any hub takes (contract 7) */
#define SPAN_MAX_S (366u * 86400u)
#define WAVE_NAME_MAX 64 /* characters; our own limit */
#define DUPLICATES_TOLD 5u

static void strings_done(struct strings *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->all[i]);
	free(l->all);
	*l = (struct strings){NULL, 0};
}

void spec_done(struct campaign_spec *s)
{
	strings_done(&s->hubs);
	strings_done(&s->targets.ids);
	strings_done(&s->targets.exclude);
	free(s->name);
	free(s->action.method_name);
	free(s->action.payload);
	free(s->targets.where);
	free(s->targets.list);
	for (size_t i = 0; i < WAVES_MAX; i++)
		free(s->rollout.waves[i].name);
	free(s->rollout.group_by);
	free(s->precheck.where);
	spec_schedule_done(s);
	free(s->verify.path);
	free(s->verify.success);
	free(s->verify.failure);
	*s = (struct campaign_spec){0};
}

/* What needs no profile. */
static void set_defaults(struct campaign_spec *s)
{
	*s = (struct campaign_spec){
	        .action = {.payload = xstrdup("null"), .response_timeout_s = 30},
	        .targets = {.order = ORDER_SHUFFLED},
	        .rollout = {.max_unavailable = {100, false},
	                    .waves = {{.is_percent = true, .up_to = 100}},
	                    .waves_n = 1,
	                    .group_max_unavailable = {1, false}},
	        .schedule = {.start_at_ms = TIME_NONE, .end_at_ms = TIME_NONE, .end_after_s = 30 * 86400},
	        .retry = {.max_attempts = 1, .backoff_s = 60, .backoff_max_s = 3600},
	        .offline = {.wait = true, .expire_after_s = 86400},
	};
}

/* --- lists of texts --- */

static bool all_of(const char *text, const char *allowed)
{
	return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* Contract 2.1, with the : and ; that only one of its sources has. */
bool spec_is_device_id(const char *text)
{
	/* No path of a request can name the last two. */
	return strlen(text) <= DEVICE_ID_MAX && all_of(text, ALPHANUMERIC "-.+%_#*?!(),:;=@$'") &&
	       strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

#define HUB_NAME_RULE "must be the name of a configured hub"

static bool is_hub_name(const char *text)
{
	return text[0] != '\0' && strlen(text) <= HUB_NAME_MAX;
}

struct item {
	const char *text;
	size_t index, first; /* its place in the list; the place where the same text was first */
};

static int by_text(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int d = strcmp(x->text, y->text);

	return d != 0 ? d : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

/* Sorts, since that is fast for any list, also one made to be slow. */
static void check_duplicates(const struct section *p, const char *name, struct item *items, size_t n)
{
	struct item first = {"", 0, 0};
	size_t twice = 0;

	qsort(items, n, sizeof *items, by_text);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(items[i].text, first.text) != 0)
			first = items[i];
		else
			items[twice++] = (struct item){items[i].text, items[i].index, first.index};
	}
	qsort(items, twice, sizeof *items, by_index);
	for (size_t i = 0; i < twice && i < DUPLICATES_TOLD; i++)
		member_wrong_at(p, name, items[i].index,
		                "is \"%.*s\" again, as [%zu] already: name each once", DEVICE_ID_MAX,
		                items[i].text, items[i].first);
	if (twice > DUPLICATES_TOLD)
		member_wrong(p, name, "has %zu more items that are there already", twice - DUPLICATES_TOLD);
}

/* Reads a list of texts, each of which is_sound() and there once; rule says what is sound. */
static void read_texts(const struct section *p, const char *name, size_t min, size_t max,
                       bool (*is_sound)(const char *), const char *rule, struct strings *ret)
{
	char given[GIVEN_SIZE];
	struct item *items;
	json_t *list;
	size_t i;

	if (!member_list(p, name, min, max, &list))
		return;
	ret->all = xcalloc(json_array_size(list) + 1, sizeof *ret->all);
	items = xcalloc(json_array_size(list) + 1, sizeof *items);
	for (i = 0; i < json_array_size(list); i++) {
		json_t *json = json_array_get(list, i);
		const char *text = member_text_of(json);

		if (text == NULL || !is_sound(text)) {
			member_wrong_at(p, name, i, "%s, not %s", rule, member_given(json, given));
			continue;
		}
		items[ret->n] = (struct item){text, i, i};
		ret->all[ret->n++] = xstrdup(text);
	}
	check_duplicates(p, name, items, ret->n);
	free(items);
}

/* --- predicates and paths --- */

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

/* Only whether it can fit a query at all: what it says is parsed by the hub's room. */
static void read_where(const struct section *p, const char *name, char **ret)
{
	const char *text;

	if (!member_text(p, name, &text))
		return;
	if (is_blank(text))
		member_wrong(p, name, "must be a condition like \"tags.site = 'gbg'\", not empty");
	else if (strlen(text) > WHERE_MAX_BYTES)
		member_wrong(p, name, "must have at most %d bytes, not %zu", WHERE_MAX_BYTES, strlen(text));
	else
		*ret = xstrdup(text);
}

/* Gives the length of the name that a path starts with, 0 where it starts with none: a bare word, or any text
 * in [[ ]]. What has a $ is the hub's own and no property. */
static size_t path_name(const char *path)
{
	const char *end;

	if (strncmp(path, "[[", 2) != 0)
		return strspn(path, "0123456789") > 0 ? 0 : strspn(path, ALPHANUMERIC "_");
	end = strstr(path + 2, "]]");
	if (end == NULL || end == path + 2)
		return 0;
	for (const char *c = path + 2; c < end; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '$')
			return 0;
	return (size_t)(end - path) + 2;
}

static bool is_path(const char *path)
{
	for (;;) {
		size_t n = path_name(path);

		if (n == 0)
			return false;
		path += n;
		if (*path == '\0')
			return true;
		if (*path++ != '.')
			return false;
	}
}

static void check_path(const struct section *p, const char *name, const char *path, const char *example,
                       char **ret)
{
	if (strlen(path) > PATH_MAX_BYTES)
		member_wrong(p, name, "must have at most %d bytes, not %zu", PATH_MAX_BYTES, strlen(path));
	else if (!is_path(path))
		member_wrong(
		        p, name,
		        "must be names with dots between them, like \"%s\", not \"%.60s\": "
		        "letters, digits and _, not starting with a digit, or any text without $ in [[ ]]",
		        example, path);
	else
		*ret = xstrdup(path);
}

/* A path below properties.reported, which may be said or not. */
static void read_path(const struct section *p, const char *name, char **ret)
{
	static const char reported[] = "properties.reported.";
	const char *path;

	if (!member_text(p, name, &path))
		return;
	if (strncasecmp(path, reported, strlen(reported)) == 0)
		path += strlen(reported);
	if (strncasecmp(path, "properties.", 11) == 0)
		member_wrong(p, name, "must be a property below properties.reported, not \"%.60s\"", path);
	else
		check_path(p, name, path, "iothubDM.reboot.lastReboot", ret);
}

/* A path below tags, which must be said, so that nobody reads it as another. */
void spec_read_tag(const struct section *p, const char *name, const char *example, char **ret)
{
	const char *path;

	if (!member_text(p, name, &path))
		return;
	if (strncasecmp(path, "tags.", 5) != 0)
		member_wrong(p, name, "must be a tag of the twin, like \"%s\", not \"%.60s\"", example, path);
	else
		check_path(p, name, path, example, ret);
	if (*ret != NULL)
		memcpy(*ret, "tags", 4);
}

/* --- sections --- */

static size_t characters(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* A name for people. */
static void read_title(const struct section *p, size_t max, char **ret)
{
	const char *text;

	if (!member_text(p, "name", &text))
		return;
	if (is_blank(text) || characters(text) > max)
		member_wrong(p, "name", "must have 1 to %zu characters, not %zu%s", max, characters(text),
		             text[0] != '\0' && is_blank(text) ? " blanks" : "");
	else if (has_control(text))
		member_wrong(p, "name", "must not hold control characters such as line ends");
	else
		*ret = xstrdup(text);
}

static void read_name(const struct section *whole, struct campaign_spec *s)
{
	if (!member_is_there(whole, "name"))
		member_wrong(whole, "name", "is required: say what the campaign is for");
	read_title(whole, NAME_MAX_CHARACTERS, &s->name);
}

static void read_method_name(const struct section *p, const struct profile *profile, struct campaign_spec *s)
{
	const char *text = profile->method_name;

	if (!member_is_there(p, "methodName") && text == NULL)
		member_wrong(p, "methodName", "is required for type \"%s\"", profile->text);
	if (member_text(p, "methodName", &text) &&
	    (!all_of(text, ALPHANUMERIC "_.-") || strlen(text) > METHOD_NAME_MAX)) {
		member_wrong(p, "methodName", "must be 1 to %d letters, digits or _ . -, not \"%.40s\"",
		             METHOD_NAME_MAX, text);
		return;
	}
	if (text != NULL)
		s->action.method_name = xstrdup(text);
}

/* Gives compact JSON with the fewest digits that say the same numbers. */
static char *compact(const json_t *json)
{
	for (size_t digits = 15;; digits++) {
		char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
		json_t *again;
		bool is_same;

		assert(text != NULL);
		if (digits == 17 || strlen(text) > PAYLOAD_MAX_BYTES)
			return text;
		again = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		is_same = json_equal(json, again);
		json_decref(again);
		if (is_same)
			return text;
		free(text);
	}
}

static void read_payload(const struct section *p, const struct profile *profile, struct campaign_spec *s)
{
	const json_t *payload = json_object_get(p->json, "payload");
	bool can_attach =
	        payload == NULL || json_typeof(payload) == JSON_NULL || json_typeof(payload) == JSON_OBJECT;
	size_t room = PAYLOAD_MAX_BYTES;
	char given[GIVEN_SIZE], *text;

	s->action.attach_attempt_id =
	        profile->attaches_attempt_id && can_attach && s->action.transport == TRANSPORT_DIRECT;
	if (member_flag(p, "attachAttemptId", &s->action.attach_attempt_id) && s->action.attach_attempt_id &&
	    !can_attach)
		member_wrong(p, "attachAttemptId",
		             "must be false where payload is neither null nor an object: it is %s",
		             member_given(payload, given));
	if (payload == NULL)
		return;
	if (s->action.attach_attempt_id) {
		room -= ATTEMPT_MEMBER_BYTES;
		if (json_object_get(payload, "attemptId") != NULL)
			member_wrong(
			        p, "payload",
			        "must not have an attemptId of its own: leave it out, or say attachAttemptId false");
	}
	text = compact(payload);
	if (strlen(text) > room) {
		member_wrong(p, "payload", "must have at most %zu bytes as compact JSON", room);
		free(text);
		return;
	}
	free(s->action.payload);
	s->action.payload = text;
}

static void read_timeouts(const struct section *p, struct campaign_spec *s)
{
	uint32_t *response_s = &s->action.response_timeout_s, *connect_s = &s->action.connect_timeout_s;
	bool is_sound = member_u32(p, "responseTimeoutSeconds", 5, 300, response_s) ||
	                !member_is_there(p, "responseTimeoutSeconds");

	if (member_u32(p, "connectTimeoutSeconds", 0, 300, connect_s) && is_sound && *connect_s > *response_s)
		member_wrong(p, "connectTimeoutSeconds",
		             "must be at most responseTimeoutSeconds (%" PRIu32 "), not %" PRIu32,
		             *response_s, *connect_s);
}

/* Gives the profile. Without a sound type it is reboot's, which requires nothing: one fault is enough. */
static const struct profile *read_type(const struct section *p, struct campaign_spec *s)
{
#define X(name, number, text) [number] = text,
	static const char *const types[] = {ACTIONS(X)[ACTIONS_N] = NULL};
#undef X
	size_t type = ACTION_REBOOT;

	if (p->json != NULL && !member_is_there(p, "type"))
		member_wrong(p, "type", "is required: reboot, factoryReset, firmwareUpdate or method");
	member_choice(p, "type", types, &type);
	s->action.type = (enum action_type)type;
	return profile_of(s->action.type);
}

static const struct profile *read_action(const struct section *whole, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "type"},
	        {.name = "methodName"},
	        {.name = "payload"},
	        {.name = "responseTimeoutSeconds"},
	        {.name = "connectTimeoutSeconds"},
	        {.name = "attachAttemptId"},
	        {.name = "transport"},
	};
	struct section p = {"/action", NULL, whole->faults};
	const struct profile *profile;

	if (!member_is_there(whole, "action"))
		member_wrong(whole, "action", "is required: {\"type\": \"reboot\"}, say");
	member_section(whole, "action", &p);
	member_check(&p, known, sizeof known / sizeof *known);
	profile = read_type(&p, s);
	transport_read(&p, s);
	read_method_name(&p, profile, s);
	read_payload(&p, profile, s);
	read_timeouts(&p, s);
	return profile;
}

/* Says which one of the ways to name targets was taken, false where not exactly one was. */
static bool read_by(const struct section *p, enum targets_by *ret)
{
	static const char *const ways[] = {[TARGETS_WHERE] = "where",
	                                   [TARGETS_IDS] = "deviceIds",
	                                   [TARGETS_LIST] = "list",
	                                   [TARGETS_ALL] = "all"};
	const char *first = NULL;
	size_t way = 0;

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		if (!member_is_there(p, ways[i]))
			continue;
		if (first != NULL) {
			faults_add(
			        p->faults, p->pointer,
			        "targets must have exactly one of where, deviceIds, list or all, not both %s and %s",
			        first, ways[i]);
			return false;
		}
		first = ways[i];
		way = i;
	}
	if (first == NULL) {
		faults_add(p->faults, p->pointer,
		           "targets must have exactly one of where, deviceIds, list or all");
		return false;
	}
	*ret = (enum targets_by)way;
	return true;
}

static void read_ids(const struct section *p, bool is_stored, struct campaign_spec *s)
{
	if (is_stored) {
		if (json_is_array(json_object_get(p->json, "deviceIds"))) /* only a patch can say so */
			member_wrong(p, "deviceIds", CANNOT_CHANGE);
		else
			member_u32(p, "deviceIds", 1, TARGETS_MAX, &s->targets.ids_n);
		return;
	}
	read_texts(p, "deviceIds", 1, TARGETS_MAX, spec_is_device_id, DEVICE_ID_RULE, &s->targets.ids);
	s->targets.ids_n = (uint32_t)s->targets.ids.n;
}

bool spec_is_list_name(const char *text)
{
	return strlen(text) <= LIST_NAME_MAX && all_of(text, ALPHANUMERIC "_.-");
}

static void read_list(const struct section *p, struct campaign_spec *s)
{
	const char *text;

	if (!member_text(p, "list", &text))
		return;
	if (!spec_is_list_name(text))
		member_wrong(
		        p, "list",
		        "must be the name of a device list: 1 to %d letters, digits or _ . -, not \"%.40s\"",
		        LIST_NAME_MAX, text);
	else
		s->targets.list = xstrdup(text);
}

static const char *const orders[] = {
        [ORDER_SHUFFLED] = "shuffled", [ORDER_BY_ID] = "byId", [ORDER_AS_GIVEN] = "asGiven", NULL};

static void read_order(const struct section *p, bool has_by, struct campaign_spec *s)
{
	size_t order = ORDER_SHUFFLED;
	bool has_order = member_choice(p, "order", orders, &order) || !member_is_there(p, "order");

	s->targets.order = (enum targets_order)order;
	if (order == ORDER_AS_GIVEN && has_by && s->targets.by != TARGETS_IDS &&
	    s->targets.by != TARGETS_LIST)
		member_wrong(p, "order",
		             "must not be \"asGiven\" without deviceIds or list: only these give an order");
	s->targets.has_seed = member_u64(p, "seed", SPEC_SEED_MAX, &s->targets.seed);
	if (s->targets.has_seed && has_order && order != ORDER_SHUFFLED)
		member_wrong(p, "seed",
		             "must be left out unless order is \"shuffled\": it is the luck of the shuffle");
}

static void read_targets(const struct section *whole, bool is_stored, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "where"},   {.name = "deviceIds"}, {.name = "list"}, {.name = "all"},
	        {.name = "exclude"}, {.name = "order"},     {.name = "seed"},
	};
	struct section p;
	bool all = true, has_by;

	if (!member_is_there(whole, "targets"))
		member_wrong(whole, "targets", "is required: {\"where\": \"tags.site = 'gbg'\"}, say");
	if (!member_section(whole, "targets", &p))
		return;
	member_check(&p, known, sizeof known / sizeof *known);
	has_by = read_by(&p, &s->targets.by);
	read_where(&p, "where", &s->targets.where);
	read_ids(&p, is_stored, s);
	read_list(&p, s);
	member_flag(&p, "all", &all);
	if (!all)
		member_wrong(&p, "all", "must be true or left out");
	read_texts(&p, "exclude", 0, EXCLUDE_MAX, spec_is_device_id, DEVICE_ID_RULE, &s->targets.exclude);
	read_order(&p, has_by, s);
}

/* A whole number, or a share like "10%". */
static void read_limit(const struct section *p, const char *name, struct limit *ret)
{
	const json_t *json = json_object_get(p->json, name);
	const char *text = member_text_of(json);
	size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
	char given[GIVEN_SIZE];

	if (json == NULL)
		return;
	if (json_typeof(json) == JSON_INTEGER && json_integer_value(json) >= 1 &&
	    json_integer_value(json) <= TARGETS_MAX) {
		*ret = (struct limit){(uint32_t)json_integer_value(json), false};
		return;
	}
	if (digits >= 1 && digits <= 3 && text[0] != '0' && strcmp(text + digits, "%") == 0 &&
	    strtoul(text, NULL, 10) <= 100) {
		*ret = (struct limit){(uint32_t)strtoul(text, NULL, 10), true};
		return;
	}
	member_wrong(p, name,
	             "must be a whole number from 1 to %u, or a share from \"1%%\" to \"100%%\", not %s",
	             TARGETS_MAX, member_given(json, given));
}

static const char *const approvals[] = {[APPROVAL_NONE] = "none",
                                        [APPROVAL_START] = "start",
                                        [APPROVAL_AFTER_FIRST] = "afterFirst",
                                        [APPROVAL_EACH] = "each",
                                        NULL};

/* Reads the gate of p into w, whose gate has the defaults. is_first: it is also the first wave's. */
static void read_gate(const struct section *p, bool is_first, struct wave_spec *w)
{
	static const struct known known[] = {
	        {.name = "minSuccessPercent"},
	        {.name = "soakSeconds"},
	        {.name = "approval"},
	};
	size_t approval = APPROVAL_NONE;
	struct section gate;

	w->has_gate = member_section(p, "gate", &gate);
	if (!w->has_gate)
		return;
	member_check(&gate, known, sizeof known / sizeof *known);
	w->owns_min_success = member_u32(&gate, "minSuccessPercent", 0, 100, &w->gate.min_success_percent);
	w->owns_soak = member_u32(&gate, "soakSeconds", 0, SPAN_MAX_S, &w->gate.soak_s);
	w->owns_approval = member_choice(&gate, "approval", approvals, &approval);
	if (w->owns_approval)
		w->gate.approval = (enum approval)approval;
	if (w->owns_approval && !is_first && (approval == APPROVAL_START || approval == APPROVAL_AFTER_FIRST))
		member_wrong(
		        &gate, "approval",
		        "must not be \"%s\" after the first wave: say \"each\" to be asked after this one",
		        approvals[approval]);
}

/* Reads where the wave ends; end[is_percent] is where those before it do. */
static bool read_wave_end(const struct section *p, uint32_t end[2], struct wave_spec *w)
{
	const char *name;

	w->is_percent = member_is_there(p, "upToPercent");
	if (w->is_percent == member_is_there(p, "upToCount")) {
		faults_add(p->faults, p->pointer, "a wave must have exactly one of upToPercent or upToCount");
		return false;
	}
	name = w->is_percent ? "upToPercent" : "upToCount";
	if (!member_u32(p, name, 1, w->is_percent ? 100 : TARGETS_MAX, &w->up_to))
		return false;
	if (w->up_to <= end[w->is_percent])
		member_wrong(p, name,
		             "must be more than %" PRIu32 ", where a wave before it ends, not %" PRIu32
		             ": waves are cumulative",
		             end[w->is_percent], w->up_to);
	end[w->is_percent] = w->up_to;
	return true;
}

static void read_waves(const struct section *p, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "name"},
	        {.name = "upToPercent"},
	        {.name = "upToCount"},
	        {.name = "gate"},
	};
	struct item names[WAVES_MAX];
	uint32_t end[2] = {0, 0};
	struct wave_spec *w = NULL;
	bool has_end = false;
	size_t names_n = 0, i;
	struct section wave;
	json_t *list;

	if (!member_list(p, "waves", 1, WAVES_MAX, &list))
		return;
	for (i = 0; i < json_array_size(list); i++) {
		json_t *json = json_array_get(list, i);

		w = &s->rollout.waves[i];
		*w = (struct wave_spec){.gate = s->rollout.gate};
		has_end = false;
		if (!member_item(p, "waves", i, json, &wave))
			continue;
		member_check(&wave, known, sizeof known / sizeof *known);
		read_title(&wave, WAVE_NAME_MAX, &w->name);
		if (w->name != NULL)
			names[names_n++] = (struct item){w->name, i, i};
		has_end = read_wave_end(&wave, end, w);
		read_gate(&wave, i == 0, w);
	}
	s->rollout.waves_n = (uint32_t)i;
	check_duplicates(p, "waves", names, names_n);
	if (has_end && (!w->is_percent || w->up_to != 100))
		member_wrong_at(p, "waves", i - 1,
		                "must go up to all, as it is the last: say upToPercent 100");
}

static void read_group(const struct section *rollout, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "by"},
	        {.name = "maxUnavailable"},
	};
	struct section p;

	if (!member_section(rollout, "group", &p))
		return;
	member_check(&p, known, sizeof known / sizeof *known);
	if (!member_is_there(&p, "by"))
		member_wrong(&p, "by",
		             "is required: the tag that names a device's group, like \"tags.site\"");
	spec_read_tag(&p, "by", "tags.site", &s->rollout.group_by);
	read_limit(&p, "maxUnavailable", &s->rollout.group_max_unavailable);
}

static void read_rollout(const struct section *whole, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "waves"},          {.name = "gate"},  {.name = "ratePerMinute"},
	        {.name = "maxUnavailable"}, {.name = "group"},
	};
	struct wave_spec *first = &s->rollout.waves[0];
	struct section p;

	if (!member_section(whole, "rollout", &p))
		return;
	member_check(&p, known, sizeof known / sizeof *known);
	read_gate(&p, true, first);
	s->rollout.gate = first->gate;
	first->has_gate = first->owns_min_success = first->owns_soak = first->owns_approval = false;
	read_waves(&p, s);
	member_u32(&p, "ratePerMinute", 1, RATE_MAX, &s->rollout.rate_per_minute);
	read_limit(&p, "maxUnavailable", &s->rollout.max_unavailable);
	read_group(&p, s);
}

static void read_retry_on(const struct section *p, struct campaign_spec *s)
{
	char given[GIVEN_SIZE];
	json_t *list;
	size_t i;

	if (!member_list(p, "on", 0, 2, &list))
		return;
	for (i = 0; i < json_array_size(list); i++) {
		json_t *json = json_array_get(list, i);
		const char *text = member_text_of(json);

		if (text != NULL && strcmp(text, reason_text(REASON_REFUSED)) == 0 && !s->retry.on_refused)
			s->retry.on_refused = true;
		else if (text != NULL && strcmp(text, reason_text(REASON_NO_PROOF)) == 0 &&
		         !s->retry.on_no_proof)
			s->retry.on_no_proof = true;
		else
			member_wrong_at(p, "on", i,
			                "must be \"refused\" or \"noProof\", each at most once, not %s",
			                member_given(json, given));
	}
}

static const char *const doubtful_ways[] = {"afterEvidence", "never", NULL};

static void read_retry(const struct section *whole, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "maxAttempts"},       {.name = "on"},
	        {.name = "doubtful"},          {.name = "backoffSeconds"},
	        {.name = "backoffMaxSeconds"},
	};
	uint32_t *first_s = &s->retry.backoff_s, *max_s = &s->retry.backoff_max_s;
	struct section p;
	size_t doubtful = 0;

	if (!member_section(whole, "retry", &p))
		return;
	member_check(&p, known, sizeof known / sizeof *known);
	member_u32(&p, "maxAttempts", 1, 100, &s->retry.max_attempts);
	read_retry_on(&p, s);
	member_choice(&p, "doubtful", doubtful_ways, &doubtful);
	s->retry.doubtful_never = doubtful == 1;
	member_u32(&p, "backoffSeconds", 1, SPAN_MAX_S, first_s);
	if (!member_u32(&p, "backoffMaxSeconds", 1, SPAN_MAX_S, max_s) && *max_s < *first_s)
		*max_s = *first_s;
	if (*max_s < *first_s)
		member_wrong(&p, "backoffMaxSeconds",
		             "must be at least backoffSeconds (%" PRIu32 "), not %" PRIu32, *first_s, *max_s);
}

static void read_offline(const struct section *whole, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "wait"},
	        {.name = "expireAfterSeconds"},
	};
	struct section p;

	if (!member_section(whole, "offline", &p))
		return;
	member_check(&p, known, sizeof known / sizeof *known);
	member_flag(&p, "wait", &s->offline.wait);
	member_u32(&p, "expireAfterSeconds", 1, SPAN_MAX_S, &s->offline.expire_after_s);
}

static const char *const verify_ways[] = {[VERIFY_PROPERTY] = "reportedProperty",
                                          [VERIFY_WHERE] = "where",
                                          [VERIFY_NONE] = "none",
                                          [VERIFY_RECONNECT] = "reconnect",
                                          NULL};

/* Sets how to verify; false where that is not said soundly, so that nobody can tell which members fit. */
static bool read_verify_by(const struct section *p, const struct profile *profile, struct campaign_spec *s)
{
	size_t by = profile->value_path != NULL ? VERIFY_PROPERTY : VERIFY_NONE;
	bool is_sound = member_choice(p, "by", verify_ways, &by) || !member_is_there(p, "by");

	s->verify.by = (enum verify_by)by;
	return is_sound;
}

/* Refuses the members of another way to verify. */
static void check_fits(const struct section *p, enum verify_by by)
{
	static const struct {
		const char *name;
		enum verify_by by;
	} fits[] = {{"path", VERIFY_PROPERTY}, {"success", VERIFY_WHERE}, {"failure", VERIFY_WHERE}};
	bool accepts_rewrite = json_is_true(json_object_get(p->json, "acceptRewrite"));

	for (size_t i = 0; i < sizeof fits / sizeof *fits; i++)
		if (fits[i].by != by && member_is_there(p, fits[i].name))
			member_wrong(p, fits[i].name, "must be left out unless by is \"%s\": it is \"%s\"",
			             verify_ways[fits[i].by], verify_ways[by]);
	if (by != VERIFY_PROPERTY && accepts_rewrite)
		member_wrong(p, "acceptRewrite", "must be false unless by is \"%s\": it is \"%s\"",
		             verify_ways[VERIFY_PROPERTY], verify_ways[by]);
}

static void read_verify(const struct section *whole, const struct profile *profile, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "by"},
	        {.name = "path"},
	        {.name = "success"},
	        {.name = "failure"},
	        {.name = "timeoutSeconds"},
	        {.name = "settleSeconds"},
	        {.name = "relapseWatchSeconds"},
	        {.name = "acceptRewrite"},
	};
	struct section p = {"/verify", NULL, whole->faults};
	bool has_by;

	member_section(whole, "verify", &p);
	member_check(&p, known, sizeof known / sizeof *known);
	has_by = read_verify_by(&p, profile, s);
	read_path(&p, "path", &s->verify.path);
	read_where(&p, "success", &s->verify.success);
	read_where(&p, "failure", &s->verify.failure);
	member_flag(&p, "acceptRewrite", &s->verify.accept_rewrite);
	s->verify.timeout_s = profile->timeout_s;
	s->verify.settle_s = s->verify.by == VERIFY_NONE ? 0 : profile->settle_s;
	member_u32(&p, "timeoutSeconds", 1, SPAN_MAX_S, &s->verify.timeout_s);
	member_u32(&p, "settleSeconds", 0, SPAN_MAX_S, &s->verify.settle_s);
	member_u32(&p, "relapseWatchSeconds", 0, SPAN_MAX_S, &s->verify.relapse_watch_s);
	if (!has_by)
		return;
	if (s->verify.by == VERIFY_NONE && s->verify.relapse_watch_s > 0)
		member_wrong(&p, "relapseWatchSeconds",
		             "must be 0 where by is \"none\": without a proof there is no relapse");
	check_fits(&p, s->verify.by);
	if (s->verify.by == VERIFY_WHERE && !member_is_there(&p, "success"))
		member_wrong(&p, "success",
		             "is required where by is \"where\": the condition that proves it done");
	if (s->verify.by != VERIFY_PROPERTY)
		return;
	if (!member_is_there(&p, "path") && profile->value_path == NULL)
		member_wrong(&p, "path",
		             "is required for type \"%s\": the reported property that proves it done",
		             profile->text);
	else if (!member_is_there(&p, "path"))
		s->verify.path = xstrdup(profile->value_path);
	s->verify.path_is_profiles = s->verify.path != NULL && profile->value_path != NULL &&
	                             strcmp(s->verify.path, profile->value_path) == 0;
}

static const char *const precheck_ways[] = {"wait", "skip", NULL};

static void read_precheck(const struct section *whole, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "where"},
	        {.name = "onFail"},
	};
	size_t skips = 0;
	struct section p;

	if (!member_section(whole, "precheck", &p))
		return;
	member_check(&p, known, sizeof known / sizeof *known);
	if (!member_is_there(&p, "where"))
		member_wrong(&p, "where", "is required: the condition that must hold before a call");
	read_where(&p, "where", &s->precheck.where);
	member_choice(&p, "onFail", precheck_ways, &skips);
	s->precheck.skips = skips == 1;
}

static const char *const abort_ways[] = {"pause", "cancel", NULL};

/* What a rule may say: any, then the reasons of failed targets by their numbers. */
static void read_cause(const struct section *p, struct abort_rule *r)
{
	const char *causes[REASON_GONE + 2] = {"any"};
	size_t cause = REASON_NONE;

	for (size_t i = 1; i <= REASON_GONE; i++)
		causes[i] = reason_text((enum reason)i);
	member_choice(p, "cause", causes, &cause);
	r->cause = (enum reason)cause;
}

static void read_abort_rule(const struct section *p, struct abort_rule *r)
{
	static const struct known known[] = {
	        {.name = "cause"}, {.name = "percent"}, {.name = "minFinished"},
	        {.name = "count"}, {.name = "do"},
	};
	size_t cancels = 0;

	member_check(p, known, sizeof known / sizeof *known);
	read_cause(p, r);
	if (member_is_there(p, "percent") == member_is_there(p, "count"))
		faults_add(p->faults, p->pointer, "an abort rule must have exactly one of percent or count");
	else if (member_is_there(p, "count") && member_is_there(p, "minFinished"))
		member_wrong(p, "minFinished", "must be left out where count is given: it is for percent");
	member_u32(p, "percent", 1, 100, &r->percent);
	member_u32(p, "count", 1, TARGETS_MAX, &r->count);
	member_u32(p, "minFinished", 1, TARGETS_MAX, &r->min_finished);
	member_choice(p, "do", abort_ways, &cancels);
	r->cancels = cancels == 1;
}

static void read_aborts(const struct section *whole, struct campaign_spec *s)
{
	json_t *list;
	struct section p;
	size_t i;

	if (!member_list(whole, "abort", 0, ABORTS_MAX, &list))
		return;
	for (i = 0; i < json_array_size(list); i++) {
		json_t *json = json_array_get(list, i);

		s->aborts[i] = (struct abort_rule){.min_finished = 1};
		if (member_item(whole, "abort", i, json, &p))
			read_abort_rule(&p, &s->aborts[i]);
	}
	s->aborts_n = (uint32_t)i;
}

static void read_whole(const struct section *whole, bool is_stored, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "name"},    {.name = "hubs"},     {.name = "action"}, {.name = "targets"},
	        {.name = "rollout"}, {.name = "schedule"}, {.name = "retry"},  {.name = "offline"},
	        {.name = "verify"},  {.name = "precheck"}, {.name = "abort"},
	};
	const struct profile *profile;

	member_check(whole, known, sizeof known / sizeof *known);
	read_name(whole, s);
	read_texts(whole, "hubs", 1, HUBS_MAX, is_hub_name, HUB_NAME_RULE, &s->hubs);
	profile = read_action(whole, s);
	read_targets(whole, is_stored, s);
	read_rollout(whole, s);
	spec_read_schedule(whole, s);
	read_retry(whole, s);
	read_offline(whole, s);
	read_verify(whole, profile, s);
	read_precheck(whole, s);
	read_aborts(whole, s);
	transport_check(whole, s);
}

enum err spec_parse(const char *json, size_t len, bool is_stored, struct campaign_spec *ret,
                    struct faults *faults, size_t *ret_at, char ret_reason[SPEC_REASON_SIZE])
{
	json_error_t error;
	json_t *root =
	        json_loadb(json, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	size_t faults_before = faults->n + faults->left_out;
	char given[GIVEN_SIZE];

	set_defaults(ret);
	if (root == NULL) {
		*ret_at = (size_t)error.position;
		snprintf(ret_reason, SPEC_REASON_SIZE, "%s", error.text);
		return ERR_INVALID;
	}
	if (json_typeof(root) == JSON_OBJECT)
		read_whole(&(struct section){"", root, faults}, is_stored, ret);
	else
		faults_add(faults, "", "a campaign must be an object, not %s", member_given(root, given));
	json_decref(root);
	return faults->n + faults->left_out == faults_before ? ERR_OK : ERR_INVALID;
}

/* --- back to JSON --- */

static void render_strings(const char *name, const struct strings *l, struct buf *out)
{
	buf_printf(out, "\"%s\":[", name);
	for (size_t i = 0; i < l->n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		buf_json(out, l->all[i]);
	}
	buf_putc(out, ']');
}

/* Appends "name":"text", and what comes after. */
static void render_text(const char *name, const char *text, const char *after, struct buf *out)
{
	buf_printf(out, "\"%s\":", name);
	buf_json(out, text);
	buf_puts(out, after);
}

static const char *flag(bool value)
{
	return value ? "true" : "false";
}

static void render_action(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"action\":{");
	render_text("type", profile_of(s->action.type)->text, ",", out);
	render_text("methodName", s->action.method_name, ",\"payload\":", out);
	buf_puts(out, s->action.payload);
	buf_printf(out, ",\"responseTimeoutSeconds\":%" PRIu32 ",\"connectTimeoutSeconds\":%" PRIu32,
	           s->action.response_timeout_s, s->action.connect_timeout_s);
	buf_printf(out, ",\"attachAttemptId\":%s,\"transport\":\"%s\"}", flag(s->action.attach_attempt_id),
	           transport_text(s->action.transport));
}

static void render_targets(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"targets\":{");
	switch (s->targets.by) {
	case TARGETS_WHERE:
		render_text("where", s->targets.where, ",", out);
		break;
	case TARGETS_IDS:
		buf_printf(out, "\"deviceIds\":%" PRIu32 ",", s->targets.ids_n);
		break;
	case TARGETS_ALL:
		buf_puts(out, "\"all\":true,");
		break;
	case TARGETS_LIST:
	default:
		render_text("list", s->targets.list, ",", out);
		break;
	}
	render_strings("exclude", &s->targets.exclude, out);
	buf_printf(out, ",\"order\":\"%s\"", orders[s->targets.order]);
	if (s->targets.has_seed)
		buf_printf(out, ",\"seed\":%" PRIu64, s->targets.seed);
	buf_putc(out, '}');
}

static void render_limit(const char *name, struct limit l, struct buf *out)
{
	const char *quote = l.is_percent ? "\"" : "";

	buf_printf(out, "\"%s\":%s%" PRIu32 "%s%s", name, quote, l.value, l.is_percent ? "%" : "", quote);
}

/* Its own members only: the others follow the rollout's, also when that is patched. */
static void render_own_gate(const struct wave_spec *w, struct buf *out)
{
	const char *comma = "";

	buf_puts(out, ",\"gate\":{");
	if (w->owns_min_success) {
		buf_printf(out, "\"minSuccessPercent\":%" PRIu32, w->gate.min_success_percent);
		comma = ",";
	}
	if (w->owns_soak) {
		buf_printf(out, "%s\"soakSeconds\":%" PRIu32, comma, w->gate.soak_s);
		comma = ",";
	}
	if (w->owns_approval)
		buf_printf(out, "%s\"approval\":\"%s\"", comma, approvals[w->gate.approval]);
	buf_putc(out, '}');
}

static void render_waves(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"waves\":[");
	for (uint32_t i = 0; i < s->rollout.waves_n; i++) {
		const struct wave_spec *w = &s->rollout.waves[i];

		buf_puts(out, i > 0 ? ",{" : "{");
		if (w->name != NULL)
			render_text("name", w->name, ",", out);
		buf_printf(out, "\"%s\":%" PRIu32, w->is_percent ? "upToPercent" : "upToCount", w->up_to);
		if (w->has_gate)
			render_own_gate(w, out);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void render_rollout(const struct campaign_spec *s, struct buf *out)
{
	const struct gate_spec *gate = &s->rollout.gate;

	buf_puts(out, "\"rollout\":{");
	render_waves(s, out);
	buf_printf(out,
	           ",\"gate\":{\"minSuccessPercent\":%" PRIu32 ",\"soakSeconds\":%" PRIu32
	           ",\"approval\":\"%s\"},",
	           gate->min_success_percent, gate->soak_s, approvals[gate->approval]);
	if (s->rollout.rate_per_minute > 0)
		buf_printf(out, "\"ratePerMinute\":%" PRIu32 ",", s->rollout.rate_per_minute);
	render_limit("maxUnavailable", s->rollout.max_unavailable, out);
	if (s->rollout.group_by != NULL) {
		buf_puts(out, ",\"group\":{");
		render_text("by", s->rollout.group_by, ",", out);
		render_limit("maxUnavailable", s->rollout.group_max_unavailable, out);
		buf_putc(out, '}');
	}
	buf_putc(out, '}');
}

static void render_retry_and_offline(const struct campaign_spec *s, struct buf *out)
{
	buf_printf(out, "\"retry\":{\"maxAttempts\":%" PRIu32 ",\"on\":[%s%s%s],\"doubtful\":\"%s\"",
	           s->retry.max_attempts, s->retry.on_refused ? "\"refused\"" : "",
	           s->retry.on_refused && s->retry.on_no_proof ? "," : "",
	           s->retry.on_no_proof ? "\"noProof\"" : "", doubtful_ways[s->retry.doubtful_never]);
	buf_printf(out, ",\"backoffSeconds\":%" PRIu32 ",\"backoffMaxSeconds\":%" PRIu32 "}",
	           s->retry.backoff_s, s->retry.backoff_max_s);
	buf_printf(out, ",\"offline\":{\"wait\":%s,\"expireAfterSeconds\":%" PRIu32 "}",
	           flag(s->offline.wait), s->offline.expire_after_s);
}

static void render_verify(const struct campaign_spec *s, struct buf *out)
{
	buf_printf(out, "\"verify\":{\"by\":\"%s\",", verify_ways[s->verify.by]);
	if (s->verify.path != NULL)
		render_text("path", s->verify.path, ",", out);
	if (s->verify.success != NULL)
		render_text("success", s->verify.success, ",", out);
	if (s->verify.failure != NULL)
		render_text("failure", s->verify.failure, ",", out);
	buf_printf(out,
	           "\"timeoutSeconds\":%" PRIu32 ",\"settleSeconds\":%" PRIu32
	           ",\"relapseWatchSeconds\":%" PRIu32,
	           s->verify.timeout_s, s->verify.settle_s, s->verify.relapse_watch_s);
	buf_printf(out, ",\"acceptRewrite\":%s}", flag(s->verify.accept_rewrite));
}

static void render_precheck(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"precheck\":{");
	render_text("where", s->precheck.where, ",", out);
	buf_printf(out, "\"onFail\":\"%s\"},", precheck_ways[s->precheck.skips]);
}

static void render_aborts(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"abort\":[");
	for (uint32_t i = 0; i < s->aborts_n; i++) {
		const struct abort_rule *r = &s->aborts[i];

		buf_printf(out, "%s{\"cause\":\"%s\",", i > 0 ? "," : "",
		           r->cause == REASON_NONE ? "any" : reason_text(r->cause));
		if (r->count > 0)
			buf_printf(out, "\"count\":%" PRIu32, r->count);
		else
			buf_printf(out, "\"percent\":%" PRIu32 ",\"minFinished\":%" PRIu32, r->percent,
			           r->min_finished);
		buf_printf(out, ",\"do\":\"%s\"}", abort_ways[r->cancels]);
	}
	buf_putc(out, ']');
}

void spec_render(const struct campaign_spec *s, struct buf *out)
{
	buf_putc(out, '{');
	render_text("name", s->name, ",", out);
	if (s->hubs.n > 0) {
		render_strings("hubs", &s->hubs, out);
		buf_putc(out, ',');
	}
	render_action(s, out);
	buf_putc(out, ',');
	render_targets(s, out);
	buf_putc(out, ',');
	render_rollout(s, out);
	buf_putc(out, ',');
	spec_render_schedule(s, out);
	buf_putc(out, ',');
	render_retry_and_offline(s, out);
	buf_putc(out, ',');
	render_verify(s, out);
	buf_putc(out, ',');
	if (s->precheck.where != NULL)
		render_precheck(s, out);
	render_aborts(s, out);
	buf_putc(out, '}');
}

void spec_payload(const struct campaign_spec *s, const char *attempt_id, struct buf *out)
{
	const char *payload = s->action.payload;

	if (!s->action.attach_attempt_id) {
		buf_puts(out, payload);
		return;
	}
	buf_putc(out, '{');
	if (payload[0] == '{' && payload[1] != '}') {
		buf_put(out, payload + 1, strlen(payload) - 2);
		buf_putc(out, ',');
	}
	render_text("attemptId", attempt_id, "}", out);
}

uint32_t limit_of(struct limit l, uint32_t targets)
{
	uint32_t n = l.is_percent ? (uint32_t)((uint64_t)targets * l.value / 100) : l.value;

	return n > 0 ? n : 1;
}

uint32_t wave_end(const struct campaign_spec *s, uint32_t wave, uint32_t total)
{
	uint32_t end = 0;

	if (wave + 1 >= s->rollout.waves_n)
		return total;
	for (uint32_t i = 0; i <= wave; i++) {
		const struct wave_spec *w = &s->rollout.waves[i];
		uint32_t own = limit_of((struct limit){w->up_to, w->is_percent}, total);

		end = own > end ? own : end;
	}
	return end < total ? end : total;
}

uint32_t wave_of(const struct campaign_spec *s, uint32_t no, uint32_t total)
{
	uint32_t wave = 0;

	while (wave + 1 < s->rollout.waves_n && no >= wave_end(s, wave, total))
		wave++;
	return wave;
}
