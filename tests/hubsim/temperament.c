/* tests/hubsim: see temperament.h */
#include "tests/hubsim/temperament.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define COUNT_MAX 1000000000
#define MS_MAX ((int64_t)366 * 86400 * 1000)

/* What is wrong so far, and where we are. */
struct reader {
	struct buf *wrong;
	char at[256]; /* JSON pointer */
};

__attribute__((format(printf, 2, 3))) static void wrong(struct reader *r, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	buf_printf(r->wrong, "%s: %s\n", r->at[0] != '\0' ? r->at : "/", text);
}

/* Goes down to a member; gives what reader_up() needs to come back. */
static size_t reader_down(struct reader *r, const char *name)
{
	size_t up = strlen(r->at);

	snprintf(r->at + up, sizeof r->at - up, "/%s", name);
	return up;
}

static void reader_up(struct reader *r, size_t up)
{
	r->at[up] = '\0';
}

/* --- Values --------------------------------------------------------------------------------------------- */

enum kind { SHARE, COUNT, BIG, MS, SPAN, BOOL };

static bool whole(struct reader *r, const json_t *value, int64_t min, int64_t max, int64_t *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < min || json_integer_value(value) > max) {
		wrong(r, "must be a whole number from %lld to %lld", (long long)min, (long long)max);
		return false;
	}
	*ret_number = json_integer_value(value);
	return true;
}

static void read_share(struct reader *r, const json_t *value, double *ret_share)
{
	double share = json_is_number(value) ? json_number_value(value) : -1;

	if (share >= 0 && share <= 1)
		*ret_share = share;
	else
		wrong(r, "must be a share, 0 to 1");
}

/* 250 or [100, 400] */
static void read_span(struct reader *r, const json_t *value, struct world_span *ret_span)
{
	const json_t *min = value, *max = value;
	struct world_span span;

	if (json_array_size(value) == 2) {
		min = json_array_get(value, 0);
		max = json_array_get(value, 1);
	}
	if (!json_is_integer(min) || !json_is_integer(max)) {
		wrong(r, "must be milliseconds, or [least, most]");
		return;
	}
	span = (struct world_span){json_integer_value(min), json_integer_value(max)};
	if (span.min_ms < 0 || span.max_ms < span.min_ms || span.max_ms > MS_MAX)
		wrong(r, "must be from 0 to %lld ms, the lesser first", (long long)MS_MAX);
	else
		*ret_span = span;
}

/* Stores value, of kind, at target; min is the least of a COUNT. */
static void read_value(struct reader *r, const json_t *value, enum kind kind, int64_t min, void *target)
{
	int64_t number;

	switch (kind) {
	case SHARE:
		read_share(r, value, target);
		break;
	case COUNT:
		if (whole(r, value, min, COUNT_MAX, &number))
			*(uint32_t *)target = (uint32_t)number;
		break;
	case BIG:
		if (whole(r, value, 0, INT64_MAX, &number))
			*(uint64_t *)target = (uint64_t)number;
		break;
	case MS:
		if (whole(r, value, 0, MS_MAX, &number))
			*(int64_t *)target = number;
		break;
	case SPAN:
		read_span(r, value, target);
		break;
	case BOOL:
		if (json_is_boolean(value))
			*(bool *)target = json_is_true(value);
		else
			wrong(r, "must be true or false");
		break;
	}
}

/* --- Members that are one value ------------------------------------------------------------------------- */

struct member {
	const char *name;
	enum kind kind;
	int64_t min;
	size_t offset;
};

static const struct member members[] = {
#define M(name, kind, member) \
	{ \
		name, kind, 0, offsetof(struct world_options, member) \
	}
        {"siteSize", COUNT, 1, offsetof(struct world_options, site_size)},
        M("history", BOOL, with_history),
        M("agents", SHARE, agents_share),
        M("troubleCalls", COUNT, trouble_calls),
        M("updateFails", SHARE, update_fails_share),
        M("quotaMessages", BIG, quota_messages),
        M("throttleBurstMs", MS, throttle_burst_ms),
        M("throttleBacklogMs", MS, throttle_backlog_ms),
        M("requestMs", SPAN, request),
        M("answerMs", SPAN, answer),
        M("slowAnswerMs", SPAN, slow_answer),
        M("slowReportMs", SPAN, slow_report),
        M("reportMs", SPAN, report),
        M("leaveMs", SPAN, leave),
        M("bootMs", SPAN, boot),
        M("awayMs", SPAN, away),
        M("loopMs", SPAN, loop),
        M("stepMs", SPAN, step),
        M("hubSlowMs", SPAN, hub_slow),
        M("subscribeMs", MS, subscribe_ms),
        M("queryLagMs", SPAN, query_lag),
        M("ghostMs", MS, ghost_ms),
#undef M
};

static bool read_member(struct reader *r, const char *name, const json_t *value,
                        struct world_options *options)
{
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (strcmp(members[i].name, name) == 0) {
			read_value(r, value, members[i].kind, members[i].min,
			           (char *)options + members[i].offset);
			return true;
		}
	}
	return false;
}

/* --- Members with parts --------------------------------------------------------------------------------- */

static void read_tempers(struct reader *r, json_t *value, struct world_options *options)
{
	enum world_temper temper;
	const char *name;
	json_t *share;
	double sum = 0;
	size_t up;

	if (!json_is_object(value)) {
		wrong(r, "must be an object of shares");
		return;
	}
	json_object_foreach (value, name, share) {
		up = reader_down(r, name);
		if (!world_temper_parse(name, &temper))
			wrong(r, "there is no such temper");
		else
			read_share(r, share, &options->share[temper]);
		reader_up(r, up);
	}
	for (size_t i = 0; i < WORLD_TEMPERS_N; i++)
		sum += options->share[i];
	if (sum > 1.000001)
		wrong(r, "the shares add up to %.3f, more than the whole fleet", sum);
}

static void read_quirks(struct reader *r, json_t *value, struct world_options *options)
{
	struct rng rng;
	const char *name;
	json_t *number;
	size_t up;

	if (json_is_string(value) && strcmp(json_string_value(value), "drawn") == 0) {
		rng_seed(&rng, options->seed);
		world_quirks_draw(&options->quirks, &rng);
		return;
	}
	if (!json_is_object(value)) {
		wrong(r, "must be \"drawn\" or an object of numbers");
		return;
	}
	json_object_foreach (value, name, number) {
		up = reader_down(r, name);
		if (!json_is_integer(number) || json_integer_value(number) < 0 ||
		    json_integer_value(number) > 255 ||
		    !world_quirks_set(&options->quirks, name, (unsigned)json_integer_value(number)))
			wrong(r, "there is no such quirk, or not with this value");
		reader_up(r, up);
	}
}

static void read_prefix(struct reader *r, const json_t *value, struct world_options *options,
                        struct temperament *t)
{
	const char *prefix = json_string_value(value);
	bool ok = prefix != NULL && strlen(prefix) > 0 && strlen(prefix) <= 64;

	for (const char *c = prefix; ok && *c != '\0'; c++)
		ok = isalnum((unsigned char)*c) || strchr("-_.", *c) != NULL;
	if (!ok) {
		wrong(r, "must be 1 to 64 letters, digits, - _ .");
		return;
	}
	t->id_prefix = xstrdup(prefix);
	options->id_prefix = t->id_prefix;
}

static void read_families(struct reader *r, const json_t *value, unsigned *ret_families)
{
	static const struct {
		const char *name;
		unsigned bit;
	} families[] = {{"methods", WORLD_METHODS},   {"twins", WORLD_TWINS},
	                {"queries", WORLD_QUERIES},   {"registry", WORLD_REGISTRY},
	                {"connects", WORLD_CONNECTS}, {"jobs", WORLD_JOBS}};
	const json_t *item;
	size_t i;

	*ret_families = 0;
	json_array_foreach (value, i, item) {
		const char *name = json_string_value(item);
		unsigned bit = 0;

		for (size_t f = 0; name != NULL && f < sizeof families / sizeof *families; f++) {
			if (strcmp(families[f].name, name) == 0)
				bit = families[f].bit;
		}
		*ret_families |= bit;
		if (bit == 0)
			wrong(r, "element %zu must be methods, twins, queries, registry, connects or jobs",
			      i);
	}
	if (json_array_size(value) == 0)
		wrong(r, "must be a list of methods, twins, queries, registry, connects, jobs");
}

static void read_fault_member(struct reader *r, const char *name, const json_t *value, struct world_fault *f)
{
	if (strcmp(name, "kind") == 0) {
		if (!json_is_string(value) || !world_fault_parse(json_string_value(value), &f->kind))
			wrong(r, "there is no such fault");
	} else if (strcmp(name, "share") == 0) {
		read_value(r, value, SHARE, 0, &f->share);
	} else if (strcmp(name, "families") == 0) {
		read_families(r, value, &f->families);
	} else if (strcmp(name, "fromMs") == 0) {
		read_value(r, value, MS, 0, &f->from_ms);
	} else if (strcmp(name, "untilMs") == 0) {
		read_value(r, value, MS, 0, &f->until_ms);
	} else if (strcmp(name, "count") == 0) {
		read_value(r, value, COUNT, 0, &f->count);
	} else {
		wrong(r, "there is no such member");
	}
}

static void read_fault(struct reader *r, json_t *value, int64_t start_ms, struct world_fault *f)
{
	const char *name;
	json_t *member;
	size_t up;

	*f = (struct world_fault){.share = 1, .families = WORLD_ALL, .until_ms = TIME_NEVER};
	if (json_object_get(value, "kind") == NULL) {
		wrong(r, "must be an object with a kind");
		return;
	}
	json_object_foreach (value, name, member) {
		up = reader_down(r, name);
		read_fault_member(r, name, member, f);
		reader_up(r, up);
	}
	f->from_ms += start_ms;
	if (f->until_ms != TIME_NEVER)
		f->until_ms += start_ms;
	if (f->until_ms <= f->from_ms)
		wrong(r, "ends before it begins");
}

static void read_faults(struct reader *r, json_t *value, int64_t start_ms, struct temperament *t)
{
	char index[24];
	json_t *item;
	size_t i, up;

	if (!json_is_array(value)) {
		wrong(r, "must be a list");
		return;
	}
	t->faults_n = json_array_size(value);
	t->faults = xcalloc(t->faults_n, sizeof *t->faults);
	json_array_foreach (value, i, item) {
		snprintf(index, sizeof index, "%zu", i);
		up = reader_down(r, index);
		read_fault(r, item, start_ms, &t->faults[i]);
		reader_up(r, up);
	}
}

bool temperament_read(const char *text, size_t len, struct world_options *options,
                      struct temperament *ret_temperament, struct buf *ret_wrong)
{
	struct reader r = {.wrong = ret_wrong};
	size_t up, wrong_before = ret_wrong->len;
	json_error_t error;
	const char *name;
	json_t *root, *value;

	memset(ret_temperament, 0, sizeof *ret_temperament);
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(root)) {
		if (root == NULL)
			buf_printf(ret_wrong, "line %d: %s\n", error.line, error.text);
		else
			buf_puts(ret_wrong, "must be an object\n");
		json_decref(root);
		return false;
	}
	json_object_foreach (root, name, value) {
		up = reader_down(&r, name);
		if (strcmp(name, "tempers") == 0)
			read_tempers(&r, value, options);
		else if (strcmp(name, "quirks") == 0)
			read_quirks(&r, value, options);
		else if (strcmp(name, "faults") == 0)
			read_faults(&r, value, options->start_ms, ret_temperament);
		else if (strcmp(name, "idPrefix") == 0)
			read_prefix(&r, value, options, ret_temperament);
		else if (!read_member(&r, name, value, options))
			wrong(&r, "there is no such member");
		reader_up(&r, up);
	}
	json_decref(root);
	return ret_wrong->len == wrong_before;
}

void temperament_done(struct temperament *t)
{
	free(t->id_prefix);
	free(t->faults);
	memset(t, 0, sizeof *t);
}
