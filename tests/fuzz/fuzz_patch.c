/* tests: JSON Merge Patch of a live spec under libFuzzer, both of them from the input (the patch stands
 * behind a NUL): what is refused has a place and a reason; what is taken is a sound spec, which stays itself
 * where the same patch comes again; and what a campaign has begun with is what it was. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/campaign/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Whether it was taken; what was not has a reason. */
static bool is_taken(enum err err, struct faults *faults, size_t at, const char *reason, size_t n)
{
	assert((err == ERR_OK) == (faults->n == 0 && at == SIZE_MAX));
	assert(at == SIZE_MAX || (faults->n == 0 && at <= n && reason[0] != '\0'));
	for (size_t i = 0; i < faults->n; i++)
		assert((faults->all[i].pointer[0] == '/' || faults->all[i].pointer[0] == '\0') &&
		       faults->all[i].detail[0] != '\0');
	faults_done(faults);
	return err == ERR_OK;
}

static bool parse(const char *text, size_t n, struct campaign_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE] = "";
	size_t at = SIZE_MAX;

	return is_taken(spec_parse(text, n, true, ret, &faults, &at, reason), &faults, at, reason, n);
}

static bool patch(const struct campaign_spec *old, const char *text, size_t n, struct campaign_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE] = "";
	size_t at = SIZE_MAX;

	return is_taken(spec_patch(old, text, n, ret, &faults, &at, reason), &faults, at, reason, n);
}

static bool is_same(const struct campaign_spec *a, const struct campaign_spec *b)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	bool same;

	spec_render(a, &first);
	spec_render(b, &second);
	same = strcmp(first.data, second.data) == 0;
	buf_done(&first);
	buf_done(&second);
	return same;
}

static bool is_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_fixed(const struct campaign_spec *old, const struct campaign_spec *now)
{
	assert(is_equal(old->name, now->name) && is_equal(old->action.payload, now->action.payload));
	assert(is_equal(old->action.method_name, now->action.method_name));
	assert(old->targets.by == now->targets.by && old->targets.ids_n == now->targets.ids_n);
	assert(is_equal(old->targets.where, now->targets.where));
	assert(is_equal(old->rollout.group_by, now->rollout.group_by));
	assert(is_equal(old->precheck.where, now->precheck.where) && old->verify.by == now->verify.by);
	assert(old->rollout.waves_n == now->rollout.waves_n);
	for (uint32_t w = 0; w < old->rollout.waves_n; w++)
		assert(old->rollout.waves[w].up_to == now->rollout.waves[w].up_to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data, *end = n > 0 ? memchr(text, '\0', n) : NULL;
	struct campaign_spec old, once, twice, again;
	struct buf stored = BUF_INIT;
	size_t len;

	if (end == NULL)
		return 0;
	len = n - (size_t)(end - text) - 1;
	if (parse(text, (size_t)(end - text), &old)) {
		if (patch(&old, end + 1, len, &once)) {
			check_fixed(&old, &once);
			spec_render(&once, &stored);
			assert(parse(stored.data, stored.len, &again) && is_same(&once, &again));
			spec_done(&again);
			assert(patch(&once, end + 1, len, &twice) && is_same(&once, &twice));
			spec_done(&twice);
		}
		spec_done(&once);
		assert(patch(&old, "{}", 2, &once) && is_same(&old, &once));
		spec_done(&once);
	}
	spec_done(&old);
	buf_done(&stored);
	return 0;
}
