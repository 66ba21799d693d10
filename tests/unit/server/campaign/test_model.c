/* tests: server/campaign/model and latency. */
#include "tests/lib/suite.h"

#include <limits.h>
#include <string.h>

#include "server/campaign/latency.h"
#include "server/campaign/model.h"

/* Each value is told by its text, which no other has, and a number that none has by a question mark. */
#define ck_told(values, text, last) \
	do { \
		static const struct { \
			unsigned number; \
			const char *expected; \
		} rows[] = {values(ROW)}; \
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) { \
			ck_assert_str_eq(text(rows[i].number), rows[i].expected); \
			for (size_t j = 0; j < i; j++) \
				ck_assert_str_ne(rows[i].expected, rows[j].expected); \
		} \
		ck_assert_str_eq(text((last) + 1), "?"); \
		ck_assert_str_eq(text(UINT_MAX), "?"); \
	} while (0)
#define ROW(name, number, text) {number, text},

START_TEST(test_every_value_has_a_text_of_its_own)
{
	ck_told(CAMPAIGN_STATES, campaign_state_text, CAMPAIGN_STATES_N - 1);
	ck_told(TARGET_STATES, target_state_text, TARGET_CANCELLED);
	ck_told(REASONS, reason_text, REASON_BY_OPERATOR);
	ck_told(WAITS, wait_text, WAIT_RATE);
	ck_told(STOPS, stop_text, STOP_GATE);
	ck_told(RELAPSES, relapse_text, RELAPSE_UNDONE);
	ck_told(STRENGTHS, strength_text, STRENGTH_RECONNECT);
	ck_told(SOURCES, source_text, SOURCE_QUERY);
	ck_told(WAVE_STAGES, wave_stage_text, WAVE_FAILED);
	ck_told(EVENT_TYPES, event_type_text, EVENT_HUB);
	ck_assert_str_eq(reason_text((enum reason)(REASON_GONE + 1)), "?"); /* between failed and skipped */
}
END_TEST

/* Texts are read back to what they are of; the empty one and unknown ones to nothing. */
#define ck_parsed(values, type, parse) \
	do { \
		static const struct { \
			unsigned number; \
			const char *text; \
		} rows[] = {values(ROW)}; \
		enum type is = (enum type)99; \
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) { \
			ck_assert(parse(rows[i].text, &is) == (rows[i].text[0] != '\0')); \
			ck_assert(rows[i].text[0] == '\0' || (unsigned)is == rows[i].number); \
		} \
		is = (enum type)99; \
		ck_assert(!parse("nothing of the kind", &is)); \
		ck_assert((int)is == 99); \
	} while (0)

START_TEST(test_texts_are_read_back)
{
	ck_parsed(CAMPAIGN_STATES, campaign_state, campaign_state_parse);
	ck_parsed(TARGET_STATES, target_state, target_state_parse);
	ck_parsed(REASONS, reason, reason_parse);
	ck_parsed(WAITS, wait, wait_parse);
}
END_TEST

START_TEST(test_what_took_no_time_and_what_took_for_ever_are_in_some_step)
{
	struct latency l = {0};

	ck_assert_int_eq(latency_mean(&l), 0);
	ck_assert_int_eq(latency_percentile(&l, 50), 0);
	latency_add(&l, -5); /* a clock was set */
	ck_assert_int_eq(latency_percentile(&l, 1), 0);
	ck_assert_int_eq(latency_percentile(&l, 100), 0);
	latency_add(&l, 7);
	latency_add(&l, 8);
	latency_add(&l, INT64_MAX / 4);
	ck_assert_int_eq(latency_percentile(&l, 25), 0);
	ck_assert_int_eq(latency_percentile(&l, 26), 7);
	ck_assert_int_eq(latency_percentile(&l, 50), 7);
	ck_assert_int_eq(latency_percentile(&l, 75), 8);
	ck_assert_int_gt(latency_percentile(&l, 76), 24 * 3600 * 1000);
	ck_assert_int_eq(latency_mean(&l), (INT64_MAX / 4 + 15) / 4);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign model");

	TESTS(s, "texts", test_every_value_has_a_text_of_its_own, test_texts_are_read_back);
	TESTS(s, "latency", test_what_took_no_time_and_what_took_for_ever_are_in_some_step);
	return suite_run(s);
}
