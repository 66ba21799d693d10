/* tests: server/dispatch: reconnect */
#include "tests/lib/suite.h"

#include "server/dispatch/reconnect.h"

#define NOW 1700000000000

/* How many devices may be sent away within so many seconds, one each time there is room. */
static uint32_t sent_away(const char *sku, uint32_t units, uint32_t reserve_percent, int64_t seconds)
{
	uint32_t n = 0;
	struct reconnects r;

	reconnects_init(&r, sku, units, reserve_percent);
	for (int64_t ms = 0; ms < seconds * 1000; ms++)
		while (reconnects_credit(&r, NOW + ms) > 0 && n < 1000000) {
			reconnects_take(&r, NOW + ms);
			n++;
		}
	return n;
}

START_TEST(test_no_more_are_sent_away_than_a_tier_lets_come_back)
{
	static const struct {
		const char *sku;
		uint32_t units, reserve_percent, per_s;
	} table[] = {{"F1", 1, 0, 100},   {"S1", 1, 0, 100}, {"S1", 8, 0, 100},   {"S1", 9, 0, 108},
	             {"S1", 20, 0, 240},  {"S2", 1, 0, 120}, {"S2", 10, 0, 1200}, {"S3", 1, 0, 6000},
	             {"S1", 20, 50, 120}, {"S1", 1, 90, 10}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		uint32_t n = sent_away(table[i].sku, table[i].units, table[i].reserve_percent, 10);

		/* a second's worth may have gathered */
		ck_assert_msg(n <= 11 * table[i].per_s && n >= 10 * table[i].per_s * 98 / 100, "%s x %u: %u",
		              table[i].sku, table[i].units, n);
	}
	ck_assert_uint_eq(sent_away("none", 1, 0, 1), 1000000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reconnect");

	TESTS(s, "reconnect", test_no_more_are_sent_away_than_a_tier_lets_come_back);
	return suite_run(s);
}
