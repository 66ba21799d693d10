/* tests: server/hub/where */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/hub/where.h"

static const char twin_text[] =
        "{\"deviceId\":\"dev-1\",\"etag\":\"AAAAAAAAAAE=\",\"version\":4,\"status\":\"enabled\",\"statusReason\":null,"
        "\"connectionState\":\"Connected\",\"lastActivityTime\":\"2024-05-14T09:12:44.2104Z\","
        "\"capabilities\":{\"iotEdge\":false},"
        "\"tags\":{\"site\":\"A\",\"Site\":\"other\",\"n\":5,\"half\":0.5,\"whole\":5.0,\"yes\":true,\"no\":false,"
        "\"nothing\":null,\"group\":\"g\",\"my-tag\":\"dash\",\"a b\":1,\"list\":[1,\"A\"],\"empty\":\"\","
        "\"word\":\"\\u00e9\\ud83d\\ude00\",\"max\":9223372036854775807,\"min\":-9223372036854775808,"
        "\"same\":\"A\"},"
        "\"properties\":{"
        "\"desired\":{\"cfg\":{\"rate\":5},\"$version\":2,"
        "\"$metadata\":{\"$lastUpdated\":\"2024-05-14T09:00:00Z\",\"cfg\":{\"$lastUpdatedVersion\":2}}},"
        "\"reported\":{\"iothubDM\":{\"reboot\":{\"lastReboot\":\"2024-05-14T09:12:44Z\"}},\"battery\":51,"
        "\"$metadata\":{\"$lastUpdated\":\"2024-05-14T09:12:45Z\"},\"$version\":7}}}";

static json_t *twin;

static void load_twin(void)
{
	twin = json_loads(twin_text, 0, NULL);
	ck_assert_ptr_nonnull(twin);
}

static void drop_twin(void)
{
	json_decref(twin);
}

static struct where *parsed(const char *text)
{
	size_t at = 0;
	const char *reason = NULL;
	struct where *w = where_parse(text, strlen(text), &at, &reason);

	ck_assert_msg(w != NULL, "%s: refused at %zu: %s", text, at, reason);
	return w;
}

static bool holds(const char *text)
{
	struct where *w = parsed(text);
	bool is_true = where_holds(w, twin);

	where_free(w);
	return is_true;
}

/* One of: 't' it holds, 'f' its NOT holds, 'u' neither does. */
static char verdict(const char *text)
{
	struct buf opposite = BUF_INIT;
	bool is_true = holds(text), is_false;

	buf_printf(&opposite, "NOT (%s)", text);
	is_false = holds(opposite.data);
	ck_assert_msg(!is_true || !is_false, "%s: holds and does not", text);
	buf_done(&opposite);
	return is_true ? 't' : is_false ? 'f' : 'u';
}

struct row {
	const char *text;
	char verdict;
};

static void check_rows(const struct row *rows, size_t n)
{
	load_twin();
	for (size_t i = 0; i < n; i++) {
		char v = verdict(rows[i].text);

		ck_assert_msg(v == rows[i].verdict, "%s: %c, not %c", rows[i].text, v, rows[i].verdict);
	}
	drop_twin();
}

#define CHECK(...) \
	do { \
		static const struct row rows[] = {__VA_ARGS__}; \
		check_rows(rows, sizeof rows / sizeof *rows); \
	} while (0)

START_TEST(test_predicates_of_contract_and_product_hold)
{
	CHECK({"tags.site='A' AND status='enabled'", 't'}, {"tags.site = 'gbg'", 'f'},
	      {"deviceId IN ['a','b']", 'f'}, {"deviceId IN ['a','dev-1']", 't'},
	      {"properties.reported.battery > 50", 't'},
	      {"properties.reported.$metadata.$lastUpdated >= '2024-05-14T09:00:00Z'", 't'},
	      {"properties.reported.$metadata.$lastUpdated >= '2024-05-14T09:12:46Z'", 'f'},
	      {"properties.desired.$metadata.cfg.$lastUpdatedVersion = properties.desired.$version", 't'},
	      {"properties.reported.iothubDM.reboot.lastReboot > '2024-05-14T09:12:43Z'", 't'},
	      {"configurations.[[firmware285]].status='Applied' AND "
	       "properties.reported.firmware.fwUpdateStatus='current'",
	       'u'},
	      {"capabilities.iotEdge = false", 't'}, {"STARTSWITH(deviceId,'dev')", 't'});
}
END_TEST

START_TEST(test_only_true_holds)
{
	CHECK({"true", 't'}, {"false", 'f'}, {"tags.yes", 't'}, {"tags.no", 'f'}, {"null", 'u'},
	      {"undefined", 'u'}, {"1", 'u'}, {"'true'", 'u'}, {"['a']", 'u'}, {"[[tags]]", 'u'},
	      {"tags", 'u'}, {"tags.list", 'u'}, {"tags.nothing", 'u'}, {"tags.missing", 'u'},
	      {"tags.n + 1", 'u'}, {"tags.yes = true", 't'}, {"(tags.n = 5) = true", 't'});
}
END_TEST

START_TEST(test_names_of_hub_match_in_any_case_and_names_of_twin_exactly)
{
	CHECK({"DeviceId = 'dev-1'", 't'}, {"DEVICEID = 'dev-1'", 't'}, {"Tags.site = 'A'", 't'},
	      {"TAGS.Site = 'other'", 't'}, {"tags.SITE = 'A'", 'u'}, {"[[dEVICEiD]] = 'dev-1'", 't'},
	      {"Properties.Reported.battery = 51", 't'}, {"PROPERTIES.DESIRED.cfg.rate = 5", 't'},
	      {"properties.reported.Battery = 51", 'u'}, {"properties.reported.$Version = 7", 'u'},
	      {"Capabilities.IotEdge = false", 't'}, {"CONNECTIONSTATE = 'Connected'", 't'},
	      {"connectionState = 'connected'", 'f'}, {"VERSION = 4", 't'}, {"$version = 4", 'u'});
}
END_TEST

START_TEST(test_names_are_quoted_by_double_brackets)
{
	CHECK({"tags.[[site]] = 'A'", 't'}, {"[[tags]].[[site]] = 'A'", 't'}, {"tags.[[group]] = 'g'", 't'},
	      {"tags.[[my-tag]] = 'dash'", 't'}, {"tags.my-tag = 'dash'", 'u'}, {"tags.[[a b]] = 1", 't'},
	      {"IS_DEFINED(tags.[[a b]])", 't'}, {"IS_DEFINED([[tags]])", 't'},
	      {"tags.[[it's \"odd\\]] = 1", 'u'}, {"tags.[[x]y]] = 1", 'u'}, {"tags.site.deeper = 1", 'u'},
	      {"tags.list.deeper = 1", 'u'}, {"tags.order = 1 OR tags.like = 2", 'u'});
}
END_TEST

START_TEST(test_words_of_language_match_in_any_case)
{
	CHECK({"tags.n=5 and tags.site='A'", 't'}, {"tags.n=4 Or tags.site='A'", 't'}, {"nOt tags.no", 't'},
	      {"tags.n in [5]", 't'}, {"tags.n nin [4]", 't'}, {"TRUE", 't'}, {"tags.nothing = Null", 't'},
	      {"is_defined(tags.site)", 't'}, {"Is_Defined ( tags.site )", 't'},
	      {"startswith(deviceId,'d')", 't'}, {"EndsWith(deviceId,'1')", 't'}, {"Undefined", 'u'});
}
END_TEST

START_TEST(test_not_binds_tighter_than_and_than_or)
{
	CHECK({"true OR true AND false", 't'}, {"(true OR true) AND false", 'f'},
	      {"false AND false OR true", 't'}, {"false AND (false OR true)", 'f'}, {"NOT true OR true", 't'},
	      {"NOT (true OR true)", 'f'}, {"NOT false AND false", 'f'}, {"NOT (false AND false)", 't'},
	      {"NOT tags.n = 4", 't'}, {"NOT NOT tags.yes", 't'}, {"true AND NOT false", 't'},
	      {"1 + 1 = 2 AND 2 > 1", 't'});
}
END_TEST

START_TEST(test_arithmetic_binds_and_associates_as_usual)
{
	CHECK({"1 + 2 * 3 = 7", 't'}, {"(1 + 2) * 3 = 9", 't'}, {"10 - 3 - 2 = 5", 't'},
	      {"100 / 10 / 5 = 2", 't'}, {"17 % 10 % 4 = 3", 't'}, {"2 * 7 % 4 = 2", 't'},
	      {"-2 * 3 = -6", 't'}, {"1 - -1 = 2", 't'}, {"-(1 + 1) = -2", 't'}, {"-tags.n = -5", 't'},
	      {"7 / 2 = 3.5", 't'}, {"6 / 2 = 3", 't'}, {"7 % 4 = 3", 't'}, {"-7 % 4 = -3", 't'},
	      {"7.5 % 2 = 1.5", 't'}, {"tags.n-1=4", 't'}, {"tags.n * tags.half = 2.5", 't'},
	      {"tags.n / 0 = 0", 'u'}, {"tags.n % 0 = 0", 'u'}, {"1.5 / 0.0 > 1", 'u'},
	      {"tags.site + 'B' = 'AB'", 'u'}, {"tags.missing + 1 > 0", 'u'}, {"tags.nothing + 1 > 0", 'u'},
	      {"-tags.site = 'A'", 'u'}, {"1e308 * 10 > 1", 'u'});
}
END_TEST

START_TEST(test_integers_stay_exact_while_they_fit)
{
	CHECK({"9007199254740993 = 9007199254740992", 'f'}, {"9007199254740993 > 9007199254740992", 't'},
	      {"tags.max = 9223372036854775807", 't'}, {"tags.max - 1 = 9223372036854775806", 't'},
	      {"tags.max - 1 = 9223372036854775807", 'f'}, {"tags.max + 1 > tags.max - 1000000", 't'},
	      {"tags.min < tags.max", 't'}, {"tags.min = -9223372036854775807 - 1", 't'},
	      {"tags.min / -1 > 0", 't'}, {"tags.min % -1 = 0", 't'}, {"-tags.min > 0", 't'},
	      {"tags.whole = 5", 't'}, {"tags.whole = tags.n", 't'}, {"tags.half < 1", 't'},
	      {"18446744073709551616 > tags.max", 't'});
}
END_TEST

START_TEST(test_numbers_are_decimal_scientific_or_hex)
{
	CHECK({"0x1F = 31", 't'}, {"0Xff = 255", 't'}, {"0x7fffffffffffffff = tags.max", 't'},
	      {"0xffffffffffffffff > tags.max", 't'}, {"007 = 7", 't'}, {"1.25 = 5 / 4", 't'},
	      {"1e2 = 100", 't'}, {"1.5E-1 = 0.15", 't'}, {"25e+1=250", 't'}, {"tags.n > -1", 't'},
	      {"tags.n IN [-5, 0x5]", 't'}, {"-5.5 IN [-5.5]", 't'}, {"-0x10 IN [-0x10]", 't'});
}
END_TEST

START_TEST(test_texts_take_both_quotes_and_escapes)
{
	CHECK({"'it\\'s' = \"it's\"", 't'}, {"\"say \\\"x\\\"\" = 'say \"x\"'", 't'},
	      {"'\\\\' = '\\u005c'", 't'}, {"'\\u0041' = tags.site", 't'},
	      {"'\\u00e9\\uD83D\\uDe00' = tags.word", 't'}, {"'\xc3\xa9\xf0\x9f\x98\x80' = tags.word", 't'},
	      {"'\\u20AC' = '\xe2\x82\xac'", 't'}, {"'a\\u0000b' = 'a'", 'f'}, {"'a\\u0000b' > 'a'", 't'},
	      {"'' = tags.empty", 't'}, {"'a' < 'aa'", 't'}, {"'Z' < 'a'", 't'}, {"'b' > 'aa'", 't'},
	      {"'\\uffff' < '\\ud83d\\ude00'", 't'}, {"'OR' = 'or'", 'f'});
}
END_TEST

START_TEST(test_comparisons_of_one_type_decide)
{
	CHECK({"1 = 1", 't'}, {"1 != 1", 'f'}, {"1 <> 2", 't'}, {"1 < 1", 'f'}, {"1 <= 1", 't'},
	      {"2 > 1", 't'}, {"1 >= 2", 'f'}, {"'a' <> 'b'", 't'}, {"'a' >= 'a'", 't'}, {"'a' > 'a'", 'f'},
	      {"true = true", 't'}, {"true != false", 't'}, {"true = false", 'f'}, {"null = null", 't'},
	      {"null != null", 'f'}, {"tags.nothing = null", 't'}, {"statusReason = null", 't'},
	      {"tags.site = tags.same", 't'}, {"5=tags.n", 't'}, {"1 < 1.5", 't'}, {"1.5 > 1", 't'},
	      {"1.5 = 1.5", 't'});
}
END_TEST

START_TEST(test_comparisons_of_other_things_are_undefined)
{
	CHECK({"tags.n = '5'", 'u'}, {"tags.n != '5'", 'u'}, {"tags.n <> 'x'", 'u'}, {"tags.site > 1", 'u'},
	      {"tags.missing = 1", 'u'}, {"tags.missing != 1", 'u'}, {"tags.missing = tags.missing", 'u'},
	      {"tags.missing = undefined", 'u'}, {"tags.missing = null", 'u'}, {"tags.site != null", 'u'},
	      {"tags.nothing < 1", 'u'}, {"null <= null", 'u'}, {"true > false", 'u'}, {"true = 1", 'u'},
	      {"tags = tags", 'u'}, {"tags.list = tags.list", 'u'}, {"tags.list != 1", 'u'},
	      {"tags.list = [1,'A']", 'u'}, {"tags.list = 1", 'u'});
}
END_TEST

START_TEST(test_and_or_not_are_three_valued)
{
	static const char *const names[] = {"true", "false", "undefined"};
	static const char and_table[3][4] = {"tfu", "fff", "ufu"}, or_table[3][4] = {"ttt", "tfu", "tuu"};
	char text[64];

	load_twin();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(verdict(names[i]), "tfu"[i]);
		for (int j = 0; j < 3; j++) {
			snprintf(text, sizeof text, "%s AND %s", names[i], names[j]);
			ck_assert_msg(verdict(text) == and_table[i][j], "%s", text);
			snprintf(text, sizeof text, "%s OR %s", names[i], names[j]);
			ck_assert_msg(verdict(text) == or_table[i][j], "%s", text);
		}
	}
	drop_twin();
	CHECK({"'x' OR true", 't'}, {"1 AND true", 'u'}, {"null OR false", 'u'},
	      {"tags.list AND false", 'f'});
}
END_TEST

START_TEST(test_in_is_an_or_of_equals_and_nin_its_not)
{
	CHECK({"tags.n IN [1, 5]", 't'}, {"tags.n IN [1, 2]", 'f'}, {"tags.n NIN [1, 2]", 't'},
	      {"tags.n NIN [1, 5]", 'f'}, {"tags.n IN ['5']", 'u'}, {"tags.n NIN ['5']", 'u'},
	      {"tags.n IN ['x', 5]", 't'}, {"tags.n NIN [4, 'x']", 'u'}, {"tags.missing IN [1]", 'u'},
	      {"tags.missing NIN [1]", 'u'}, {"tags.missing IN [undefined]", 'u'},
	      {"tags.nothing IN [null]", 't'}, {"tags.yes IN [true, false]", 't'},
	      {"tags.list IN [[1, 'A']]", 'u'}, {"tags.n IN [[5], 5]", 't'}, {"tags.n IN [[[5]], [5]]", 'u'},
	      {"tags.n + 1 IN [6]", 't'}, {"tags.n IN[5]AND tags.n IN [ 5 , 6 ]", 't'},
	      {"NOT tags.n IN [4]", 't'}, {"5 IN [5] OR 1 IN [2]", 't'});
}
END_TEST

START_TEST(test_is_defined_is_true_for_null_and_does_not_guess_what_a_twin_does_not_show)
{
	CHECK({"IS_DEFINED(tags.nothing)", 't'}, {"IS_DEFINED(tags.missing)", 'f'}, {"IS_DEFINED(tags)", 't'},
	      {"IS_DEFINED(tags.list)", 't'}, {"IS_DEFINED(tags.site.deeper)", 'f'},
	      {"IS_DEFINED(properties.reported.iothubDM.reboot.lastReboot)", 't'},
	      {"NOT is_defined(properties.reported.iothubDM.factoryReset)", 't'},
	      {"IS_DEFINED(configurations.[[x]].status)", 'u'}, {"IS_DEFINED(Jobs.x)", 'u'},
	      {"configurations.[[x]].status = 'Applied'", 'u'}, {"jobs.status != 'done'", 'u'},
	      {"IS_DEFINED(tags.missing) = false", 't'}, {"IS_DEFINED(nonsense)", 'f'});
}
END_TEST

START_TEST(test_startswith_and_endswith_take_texts)
{
	CHECK({"STARTSWITH(deviceId, 'dev-')", 't'}, {"STARTSWITH(deviceId, 'ev')", 'f'},
	      {"STARTSWITH(deviceId, '')", 't'}, {"STARTSWITH(deviceId, 'dev-12')", 'f'},
	      {"ENDSWITH(deviceId, '-1')", 't'}, {"ENDSWITH(deviceId, '-')", 'f'},
	      {"ENDSWITH(tags.empty, '')", 't'}, {"ENDSWITH(deviceId, 'dev-1')", 't'},
	      {"ENDSWITH(deviceId, 'x-dev-1')", 'f'}, {"STARTSWITH('dev-12', deviceId)", 't'},
	      {"STARTSWITH(tags.n, '5')", 'u'}, {"STARTSWITH(tags.missing, '5')", 'u'},
	      {"ENDSWITH(deviceId, 1)", 'u'}, {"STARTSWITH(deviceId,'d') = true", 't'});
}
END_TEST

START_TEST(test_space_is_free_between_words)
{
	CHECK({" \t\r\n tags.n=5 \n", 't'}, {"(tags.n=5)AND(tags.yes)", 't'}, {"NOT(tags.no)OR(false)", 't'},
	      {"'a'='a'AND'b'='b'", 't'}, {"tags.n\n>=\t5", 't'});
}
END_TEST

struct refusal {
	const char *text;
	size_t at;
	const char *reason; /* a part of it */
};

START_TEST(test_refusals_name_the_place_and_what_is_expected)
{
	static const struct refusal refusals[] = {
	        {"", 0, "a condition expected"},
	        {"  ", 2, "a condition expected"},
	        {"tags.a =", 8, "a value expected"},
	        {"tags.a = ;", 9, "a value expected"},
	        {"tags.a = 1;", 10, "or the end expected"},
	        {"tags.a == 1", 8, "a value expected"},
	        {"tags.a = 1 && tags.b = 1", 11, "or the end expected"},
	        {"tags.a = 1 tags.b = 1", 11, "or the end expected"},
	        {"!tags.a", 0, "a value expected"},
	        {"AND tags.a", 0, "a value expected"},
	        {"tags.a AND", 10, "a value expected"},
	        {"tags.a OR OR tags.b", 10, "a value expected"},
	        {"NOT", 3, "a value expected"},
	        {"tags.a = NOT tags.b", 9, "not in a list is NIN"},
	        {"tags.a NOT IN ['x']", 7, "not in a list is NIN"},
	        {"SELECT * FROM devices", 0, "without SELECT"},
	        {"where tags.a = 1", 0, "without WHERE"},
	        {"tags.a = 1 FROM devices", 11, "without FROM"},
	        {"tags.a = 1 ORDER BY tags.a", 11, "ORDER BY does not exist"},
	        {"tags.a = 1 group by tags.a", 11, "GROUP BY cannot"},
	        {"tags.a LIKE 'x%'", 7, "LIKE does not exist"},
	        {"tags.a BETWEEN 1 AND 2", 7, "BETWEEN does not exist"},
	        {"tags.a IS NULL", 7, "IS does not exist"},
	        {"group = 1", 0, "[[group]]"},
	        {"tags.group = 1", 5, "[[name]]"},
	        {"IS_DEFINED(tags.in)", 16, "[[name]]"},
	        {"IS_DEFINED(true)", 11, "[[name]]"},
	        {"tags.1st = 1", 5, "a name expected"},
	        {"tags. = 1", 5, "a name expected"},
	        {"tags..a = 1", 5, "a name expected"},
	        {"tags.stra\xc3\x9f"
	         "e = 1",
	         9, "or the end expected"},
	        {"tags.[[a", 5, "closing ]]"},
	        {"tags.[[]] = 1", 7, "a name expected between"},
	        {"[[", 0, "closing ]]"},
	        {"tags[[a]] = 1", 4, "follows a dot"},
	        {"tags.list[0] = 1", 9, "cannot be indexed"},
	        {"'abc", 0, "closing quote"},
	        {"tags.a = \"abc'", 9, "closing quote"},
	        {"tags.a = 'abc\\'", 9, "closing quote"},
	        {"tags.a = 'abc\\", 13, "unknown escape"},
	        {"'a\\n'", 2, "unknown escape"},
	        {"'a\\u12g4'", 2, "four hexadecimal"},
	        {"'a\\u12", 2, "four hexadecimal"},
	        {"'\\ud83d'", 1, "surrogate"},
	        {"'\\ude00'", 1, "surrogate"},
	        {"'\\ud83d\\u0041'", 1, "surrogate"},
	        {"'\\ud83d\\ud83d'", 1, "surrogate"},
	        {"'\\ud83d\\uxxxx'", 7, "four hexadecimal"},
	        {"'\\ud83d\\ue000'", 1, "surrogate"},
	        {"'\\ud83d\\\\'", 1, "surrogate"},
	        {"'\\ud83dx'", 1, "surrogate"},
	        {"'\\u00@0'", 1, "four hexadecimal"},
	        {"1 * ;", 4, "a value expected"},
	        {"1 + ;", 4, "a value expected"},
	        {"1 = - ;", 6, "a value expected"},
	        {"NOT ;", 4, "a value expected"},
	        {"true AND ;", 9, "a value expected"},
	        {"true OR ;", 8, "a value expected"},
	        {"true AND {", 9, "a value expected"},
	        {"1 = 'a", 4, "closing quote"},
	        {"1 = 0x", 6, "a hexadecimal digit expected"},
	        {"tags.a IN ['a]", 11, "closing quote"},
	        {"tags.a IN [[1, ;]]", 15, "a constant expected"},
	        {"STARTSWITH(deviceId, ;)", 21, "a value expected"},
	        {"IS_DEFINED(tags.;)", 16, "a name expected"},
	        {"[tags.a] = 1", 1, "a constant expected"},
	        {"tags.a = 12abc", 11, "number should end here"},
	        {"tags.a = 1.2.3", 12, "number should end here"},
	        {"tags.a = 1.", 11, "a digit expected"},
	        {"tags.a = .5", 9, "a value expected"},
	        {"tags.a = 1e", 11, "a digit expected"},
	        {"tags.a = 1e999", 9, "too large"},
	        {"tags.a = 0x", 11, "a hexadecimal digit expected"},
	        {"tags.a = 0x1ffffffffffffffff", 9, "64 bits"},
	        {"tags.a = 0x1g", 12, "number should end here"},
	        {"tags.a = +1", 9, "a value expected"},
	        {"tags.a = - -1", 11, "a value expected"},
	        {"tags.a IN 'x'", 10, "[ expected"},
	        {"tags.a IN ('x')", 10, "[ expected"},
	        {"tags.a IN []", 11, "a constant expected"},
	        {"tags.a IN [1,]", 13, "a constant expected"},
	        {"tags.a IN [tags.b]", 11, "a constant expected"},
	        {"tags.a IN [1 2]", 13, ", or ] expected"},
	        {"tags.a IN [1", 12, ", or ] expected"},
	        {"tags.a IN [- 1]", 12, "a digit expected"},
	        {"tags.a = 1 = 1", 11, "cannot be chained"},
	        {"1 < tags.a < 3", 11, "cannot be chained"},
	        {"tags.a IN [1] IN [1]", 14, "cannot be chained"},
	        {"(tags.a = 1", 11, "), an operator"},
	        {"(tags.a = 1 LIKE 2)", 12, "LIKE does not exist"},
	        {"tags.a = 1)", 10, "or the end expected"},
	        {"()", 1, "a value expected"},
	        {"CONTAINS(deviceId, 'x')", 0, "unknown function"},
	        {"STARTS_WITH(deviceId, 'x')", 0, "unknown function"},
	        {"1 = LOWER (deviceId)", 4, "unknown function"},
	        {"COUNT() = 1", 0, "unknown function"},
	        {"IS_DEFINED('x')", 11, "a name expected"},
	        {"IS_DEFINED()", 11, "a name expected"},
	        {"IS_DEFINED(tags.a = 1)", 18, ") expected"},
	        {"IS_DEFINED(tags.a", 17, ") expected"},
	        {"STARTSWITH(deviceId)", 19, "a second argument"},
	        {"STARTSWITH(deviceId, 'a', 'b')", 24, ") expected"},
	        {"STARTSWITH()", 11, "a value expected"},
	        {"is_defined tags.a", 11, "or the end expected"},
	};

	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		const struct refusal *r = &refusals[i];
		size_t at = 12345;
		const char *reason = NULL;
		struct where *w = where_parse(r->text, strlen(r->text), &at, &reason);

		ck_assert_msg(w == NULL, "%s: not refused", r->text);
		ck_assert_msg(at == r->at, "%s: refused at %zu, not %zu: %s", r->text, at, r->at, reason);
		ck_assert_msg(strstr(reason, r->reason) != NULL, "%s: %s", r->text, reason);
	}
}
END_TEST

START_TEST(test_text_ends_at_its_length_not_at_a_nul)
{
	size_t at = 0;
	const char *reason = NULL;
	struct where *w = where_parse("true = truer", 11, &at, &reason);

	ck_assert_ptr_nonnull(w);
	ck_assert(where_holds(w, NULL));
	where_free(w);
	where_free(NULL);
	ck_assert_ptr_null(where_parse("true\0", 5, &at, &reason));
	ck_assert_uint_eq(at, 4);
	ck_assert_ptr_null(where_parse(NULL, 0, &at, &reason));
	ck_assert_uint_eq(at, 0);
}
END_TEST

START_TEST(test_empty_twin_proves_nothing)
{
	struct where *defined = parsed("IS_DEFINED(tags.site)"),
	             *missing = parsed("NOT IS_DEFINED(tags.site)");
	struct where *other = parsed("tags.site != 'A' OR deviceId = 'dev-1'");

	twin = json_object();
	ck_assert(!where_holds(defined, twin));
	ck_assert(where_holds(missing, twin));
	ck_assert(!where_holds(other, twin));
	ck_assert(!where_holds(other, NULL));
	drop_twin();
	where_free(defined);
	where_free(missing);
	where_free(other);
}
END_TEST

static void repeat(struct buf *b, const char *s, size_t times)
{
	while (times-- > 0)
		buf_puts(b, s);
}

struct nest {
	const char *first, *open, *middle, *close;
	size_t times_max;
	size_t at; /* of what is refused, in one open too many */
};

static struct where *nested(const struct nest *n, size_t times, size_t *ret_at, const char **ret_reason)
{
	struct buf b = BUF_INIT;
	struct where *w;

	buf_puts(&b, n->first);
	repeat(&b, n->open, times);
	buf_puts(&b, n->middle);
	repeat(&b, n->close, times);
	w = where_parse(b.data, b.len, ret_at, ret_reason);
	buf_done(&b);
	return w;
}

START_TEST(test_nesting_is_refused_beyond_its_limit)
{
	static const struct nest rows[] = {{"", "(", "true", ")", 100, 0},
	                                   {"", "NOT ", "true", "", 100, 0},
	                                   {"", "false OR true AND 1 = 1 + 1 * (", "1", ")", 100, 30},
	                                   {"", "- (", "1", ")", 100, 2},
	                                   {"", "STARTSWITH('a', (", "'a'", "))", 50, 10},
	                                   {"1 IN ", "[", "1", "]", 100, 0}};
	size_t at = 0;
	const char *reason = NULL;

	ck_assert_int_eq(WHERE_DEPTH_MAX, 100);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct nest row = rows[i];
		struct where *w = nested(&row, row.times_max, &at, &reason);

		ck_assert_msg(w != NULL, "%s: at %zu: %s", row.open, at, reason);
		where_holds(w, NULL);
		where_free(w);
		ck_assert_ptr_null(nested(&row, row.times_max + 1, &at, &reason));
		ck_assert_str_eq(reason, "nested too deep: at most 100 levels");
		ck_assert_uint_eq(at, strlen(row.first) + row.times_max * strlen(row.open) + row.at);
	}
}
END_TEST

START_TEST(test_long_chains_need_no_depth)
{
	struct buf b = BUF_INIT;

	load_twin();
	buf_puts(&b, "1");
	repeat(&b, "+1", 4000);
	buf_puts(&b, "=4001");
	ck_assert(holds(b.data));
	buf_reset(&b);
	buf_puts(&b, "true");
	repeat(&b, " AND true", 900);
	ck_assert(holds(b.data));
	buf_reset(&b);
	buf_puts(&b, "tags.n IN [0");
	repeat(&b, ",1", 4000);
	buf_puts(&b, ",5]");
	ck_assert(holds(b.data));
	buf_done(&b);
	drop_twin();
}
END_TEST

START_TEST(test_text_is_refused_beyond_its_limit)
{
	struct buf b = BUF_INIT;
	size_t at = 0;
	const char *reason = NULL;
	struct where *w;

	buf_puts(&b, "true");
	repeat(&b, " ", WHERE_TEXT_MAX - b.len);
	w = where_parse(b.data, b.len, &at, &reason);
	ck_assert_ptr_nonnull(w);
	where_free(w);
	buf_putc(&b, ' ');
	ck_assert_ptr_null(where_parse(b.data, b.len, &at, &reason));
	ck_assert_uint_eq(at, 8192);
	ck_assert_str_eq(reason, "too long: at most 8192 bytes");
	buf_done(&b);
}
END_TEST

START_TEST(test_a_text_that_was_quoted_reads_as_it_is)
{
	static const char *const texts[] = {"", "plain", "it's", "\\", "\\' OR true OR '"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		json_t *device = json_pack("{s:{s:s}}", "tags", "t", texts[i]);
		struct buf b = BUF_INIT;
		const char *reason;
		struct where *w;
		size_t at;

		buf_puts(&b, "tags.t = ");
		where_quote(texts[i], &b);
		w = where_parse(b.data, b.len, &at, &reason);
		ck_assert_msg(w != NULL && where_holds(w, device), "%s", b.data);
		json_object_set_new(json_object_get(device, "tags"), "t", json_string("other"));
		ck_assert(!where_holds(w, device));
		where_free(w);
		json_decref(device);
		buf_done(&b);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("where");

	TESTS(s, "sense", test_predicates_of_contract_and_product_hold, test_only_true_holds,
	      test_names_of_hub_match_in_any_case_and_names_of_twin_exactly,
	      test_names_are_quoted_by_double_brackets, test_words_of_language_match_in_any_case,
	      test_not_binds_tighter_than_and_than_or, test_arithmetic_binds_and_associates_as_usual,
	      test_integers_stay_exact_while_they_fit, test_numbers_are_decimal_scientific_or_hex,
	      test_texts_take_both_quotes_and_escapes, test_comparisons_of_one_type_decide,
	      test_comparisons_of_other_things_are_undefined, test_and_or_not_are_three_valued,
	      test_in_is_an_or_of_equals_and_nin_its_not,
	      test_is_defined_is_true_for_null_and_does_not_guess_what_a_twin_does_not_show,
	      test_startswith_and_endswith_take_texts, test_space_is_free_between_words,
	      test_empty_twin_proves_nothing, test_a_text_that_was_quoted_reads_as_it_is);
	TESTS(s, "refusals", test_refusals_name_the_place_and_what_is_expected,
	      test_text_ends_at_its_length_not_at_a_nul, test_nesting_is_refused_beyond_its_limit,
	      test_long_chains_need_no_depth, test_text_is_refused_beyond_its_limit);
	return suite_run(s);
}
