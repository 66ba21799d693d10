/* campaign: see model.h */
#include "server/campaign/model.h"

#include <string.h>

#define X(name, number, text) [number] = text,
static const char *const campaign_states[] = {CAMPAIGN_STATES(X)};
static const char *const target_states[] = {TARGET_STATES(X)};
static const char *const reasons[] = {REASONS(X)};
static const char *const waits[] = {WAITS(X)};
static const char *const strengths[] = {STRENGTHS(X)};
static const char *const sources[] = {SOURCES(X)};
static const char *const event_types[] = {EVENT_TYPES(X)};
static const char *const wave_stages[] = {WAVE_STAGES(X)};
static const char *const relapses[] = {RELAPSES(X)};
static const char *const stops[] = {STOPS(X)};
#undef X

static const char *text_of(const char *const *table, size_t n, unsigned number)
{
	return number < n && table[number] != NULL ? table[number] : "?";
}

#define TEXT(table, number) text_of(table, sizeof table / sizeof *table, (unsigned)(number))

const char *campaign_state_text(enum campaign_state s)
{
	return TEXT(campaign_states, s);
}

const char *target_state_text(enum target_state s)
{
	return TEXT(target_states, s);
}

const char *reason_text(enum reason r)
{
	return TEXT(reasons, r);
}

const char *wait_text(enum wait w)
{
	return TEXT(waits, w);
}

const char *stop_text(enum stop s)
{
	return TEXT(stops, s);
}

const char *relapse_text(enum relapse r)
{
	return TEXT(relapses, r);
}

const char *strength_text(enum strength s)
{
	return TEXT(strengths, s);
}

const char *source_text(enum source s)
{
	return TEXT(sources, s);
}

const char *wave_stage_text(enum wave_stage s)
{
	return TEXT(wave_stages, s);
}

const char *event_type_text(enum event_type t)
{
	return TEXT(event_types, t);
}

/* Gives the number of text in table, -1 where it is not there; the empty text is never there. */
static int find(const char *const *table, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (table[i] != NULL && table[i][0] != '\0' && strcmp(table[i], text) == 0)
			return (int)i;
	return -1;
}

#define PARSE(type, table) \
	int i = find(table, sizeof table / sizeof *table, text); \
	if (i < 0) \
		return false; \
	*ret = (enum type)i; \
	return true

bool campaign_state_parse(const char *text, enum campaign_state *ret)
{
	PARSE(campaign_state, campaign_states);
}

bool target_state_parse(const char *text, enum target_state *ret)
{
	PARSE(target_state, target_states);
}

bool reason_parse(const char *text, enum reason *ret)
{
	PARSE(reason, reasons);
}

bool wait_parse(const char *text, enum wait *ret)
{
	PARSE(wait, waits);
}

bool campaign_state_is_final(enum campaign_state s)
{
	return s == CAMPAIGN_COMPLETED || s == CAMPAIGN_CANCELLED || s == CAMPAIGN_FAILED;
}

bool target_state_is_final(enum target_state s)
{
	return s >= TARGET_SUCCEEDED;
}

static void put_back(int64_t *at_ms, int64_t by_ms)
{
	if (*at_ms != TIME_NONE)
		*at_ms -= by_ms;
}

void target_row_rebase(struct target_row *row, int64_t now_ms)
{
	int64_t by_ms = row->changed_at_ms != TIME_NONE ? row->changed_at_ms - now_ms : 0;

	if (by_ms <= 0)
		return;
	put_back(&row->changed_at_ms, by_ms);
	put_back(&row->next_at_ms, by_ms);
	put_back(&row->called_at_ms, by_ms);
	put_back(&row->hold_until_ms, by_ms);
}
