/* tests: server/campaign/spec under libFuzzer: what is not sound has a reason, and what is reads back the
 * same from what is stored of it, with a payload that is JSON and holds the attempt id where that is wanted,
 * and waves that share out all targets. The same bytes as a patch change nothing that a campaign needs to
 * stay. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>

#include "server/base/buf.h"
#include "server/campaign/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct answer {
	struct faults faults;
	size_t at;
	char reason[SPEC_REASON_SIZE];
};

static const struct answer no_answer = {.faults = FAULTS_INIT, .at = SIZE_MAX};

static enum err check_answer(struct answer *a, enum err err, size_t n)
{
	assert((err == ERR_OK) == (a->faults.n == 0 && a->at == SIZE_MAX));
	assert(a->faults.n == 0 || a->at == SIZE_MAX);
	assert(a->at == SIZE_MAX || (a->at <= n && a->reason[0] != '\0'));
	for (size_t i = 0; i < a->faults.n; i++) {
		assert(a->faults.all[i].pointer[0] == '/' || a->faults.all[i].pointer[0] == '\0');
		assert(a->faults.all[i].detail[0] != '\0');
	}
	faults_done(&a->faults);
	return err;
}

static enum err parse(const char *text, size_t n, bool is_stored, struct campaign_spec *ret)
{
	struct answer a = no_answer;

	return check_answer(&a, spec_parse(text, n, is_stored, ret, &a.faults, &a.at, a.reason), n);
}

static enum err patch(const struct campaign_spec *old, const char *text, size_t n, struct campaign_spec *ret)
{
	struct answer a = no_answer;

	return check_answer(&a, spec_patch(old, text, n, ret, &a.faults, &a.at, a.reason), n);
}

static void check_payload(const struct campaign_spec *s)
{
	struct buf b = BUF_INIT;
	json_t *payload;

	spec_payload(s, "c-1-1", &b);
	payload = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
	assert(payload != NULL);
	assert(!s->action.attach_attempt_id ||
	       strcmp(json_string_value(json_object_get(payload, "attemptId")), "c-1-1") == 0);
	json_decref(payload);
	buf_done(&b);
}

static void check_waves(const struct campaign_spec *s, uint32_t total)
{
	uint32_t start = 0;

	for (uint32_t w = 0; w < s->rollout.waves_n; w++) {
		uint32_t end = wave_end(s, w, total);

		assert(end >= start);
		assert(end == start || (wave_of(s, start, total) == w && wave_of(s, end - 1, total) == w));
		start = end;
	}
	assert(start == total);
}

static void check_same(const struct campaign_spec *a, const struct campaign_spec *b)
{
	struct buf first = BUF_INIT, second = BUF_INIT;

	spec_render(a, &first);
	spec_render(b, &second);
	assert(strcmp(first.data, second.data) == 0);
	buf_done(&first);
	buf_done(&second);
}

static void check(const char *text, size_t n, bool is_stored)
{
	struct campaign_spec s, again, patched;
	struct buf stored = BUF_INIT;

	if (parse(text, n, is_stored, &s) == ERR_OK) {
		check_payload(&s);
		check_waves(&s, 0);
		check_waves(&s, 7);
		check_waves(&s, TARGETS_MAX);
		spec_render(&s, &stored);
		assert(parse(stored.data, stored.len, true, &again) == ERR_OK);
		check_same(&s, &again);
		assert(patch(&s, stored.data, stored.len, &patched) == ERR_OK);
		check_same(&s, &patched);
		spec_done(&patched);
		spec_done(&again);
	}
	spec_done(&s);
	buf_done(&stored);
}

/* Asks for the same patch twice: the second changes nothing. */
static void check_patch(const char *text, size_t n)
{
	static const char old_text[] =
	        "{\"name\":\"n\",\"action\":{\"type\":\"reboot\",\"payload\":{\"a\":[1]}},\"targets\":{\"deviceIds\":2},"
	        "\"rollout\":{\"waves\":[{\"upToCount\":1},{\"upToPercent\":100,\"gate\":{\"soakSeconds\":1}}],"
	        "\"group\":{\"by\":\"tags.a\"}},\"precheck\":{\"where\":\"a = 1\"},\"abort\":[{\"count\":1}]}";
	struct campaign_spec old, once, twice;

	assert(parse(old_text, strlen(old_text), true, &old) == ERR_OK);
	if (patch(&old, text, n, &once) == ERR_OK) {
		assert(strcmp(once.name, "n") == 0 && once.targets.ids_n == 2 &&
		       once.targets.by == TARGETS_IDS);
		assert(strcmp(once.action.payload, old.action.payload) == 0);
		assert(once.rollout.waves_n == 2 && once.rollout.waves[0].up_to == 1);
		assert(strcmp(once.rollout.group_by, "tags.a") == 0);
		assert(strcmp(once.precheck.where, "a = 1") == 0 && once.verify.by == old.verify.by);
		assert(patch(&once, text, n, &twice) == ERR_OK);
		check_same(&once, &twice);
		spec_done(&twice);
	}
	spec_done(&once);
	spec_done(&old);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	check((const char *)data, n, false);
	check((const char *)data, n, true);
	check_patch((const char *)data, n);
	return 0;
}
