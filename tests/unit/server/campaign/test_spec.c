/* tests: server/campaign/spec */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/campaign/model.h"
#include "server/campaign/member.h"
#include "server/campaign/spec.h"

/* Specs are written here with ' for " and ^ for '. */
static char *json_of(const char *text)
{
	char *json = xstrdup(text);

	for (char *c = json; *c != '\0'; c++)
		*c = *c == '\'' ? '"' : *c == '^' ? '\'' : *c;
	return json;
}

#define WHOLE(action, targets, rest) "{'name':'n','action':{" action "},'targets':{" targets "}" rest "}"
#define ACTION(action) WHOLE(action, "'all':true", "")
#define TARGETS(targets) WHOLE("'type':'reboot'", targets, "")
#define REST(rest) WHOLE("'type':'reboot'", "'all':true", "," rest)
#define METHOD "'type':'method','methodName':'m'"

struct parsed {
	struct campaign_spec spec;
	struct faults faults;
	size_t at;
	char reason[SPEC_REASON_SIZE];
	enum err err;
};

static struct parsed parse_n(const char *json, size_t len, bool is_stored)
{
	struct parsed p = {.faults = FAULTS_INIT, .at = SIZE_MAX};

	p.err = spec_parse(json, len, is_stored, &p.spec, &p.faults, &p.at, p.reason);
	return p;
}

static struct parsed parse(const char *text)
{
	char *json = json_of(text);
	struct parsed p = parse_n(json, strlen(json), false);

	free(json);
	return p;
}

static void parsed_done(struct parsed *p)
{
	spec_done(&p->spec);
	faults_done(&p->faults);
}

/* Fails the test, with all faults told, if there is one. */
static struct parsed parse_sound(const char *text)
{
	struct parsed p = parse(text);

	for (size_t i = 0; i < p.faults.n; i++)
		ck_assert_msg(false, "%s\n%s: %s", text, p.faults.all[i].pointer, p.faults.all[i].detail);
	ck_assert_msg(p.err == ERR_OK, "%s\n%s", text, p.reason);
	return p;
}

/* --- faults --- */

struct expected {
	const char *pointer, *detail; /* a part of the detail, where it matters its start */
};

struct unsound {
	const char *text;
	struct expected faults[12]; /* in the order of reading */
};

static void check_faults(const struct unsound *u, const struct parsed *p)
{
	size_t n = 0;

	ck_assert_int_eq(p->err, ERR_INVALID);
	for (; n < p->faults.n && n < 12 && u->faults[n].pointer != NULL; n++) {
		ck_assert_msg(strcmp(p->faults.all[n].pointer, u->faults[n].pointer) == 0,
		              "%s\nfault %zu is at %s: %s", u->text, n, p->faults.all[n].pointer,
		              p->faults.all[n].detail);
		ck_assert_msg(strstr(p->faults.all[n].detail, u->faults[n].detail) != NULL, "%s\n%s: %s",
		              u->text, p->faults.all[n].pointer, p->faults.all[n].detail);
	}
	ck_assert_msg(n == 12 || u->faults[n].pointer == NULL, "%s\nmisses %s", u->text,
	              u->faults[n].pointer);
	ck_assert_msg(n == p->faults.n, "%s\nhas too %s: %s", u->text, p->faults.all[n].pointer,
	              p->faults.all[n].detail);
}

static void check_unsound(const struct unsound *u)
{
	struct parsed p = parse(u->text);

	check_faults(u, &p);
	parsed_done(&p);
}

#define CHECK_ALL_UNSOUND(table) \
	for (size_t i_ = 0; i_ < sizeof table / sizeof *table; i_++) \
	check_unsound(&table[i_])

START_TEST(test_what_is_missing_is_named)
{
	static const struct unsound table[] = {
	        {"{}",
	         {{"/name", "name is required"},
	          {"/action", "action is required"},
	          {"/targets", "targets is required"}}},
	        {"{'name':'n','action':{},'targets':{}}",
	         {{"/action/type", "type is required: reboot, factoryReset, firmwareUpdate or method"},
	          {"/targets", "exactly one of where, deviceIds, list or all"}}},
	        {"[]", {{"", "a campaign must be an object, not a list"}}},
	        {"7", {{"", "a campaign must be an object, not 7"}}},
	        {ACTION("'type':'method'"),
	         {{"/action/methodName", "methodName is required for type \"method\""}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_wrong_types_are_told_with_what_was_given)
{
	static const struct unsound table[] = {
	        {"{'name':7,'hubs':'main','action':'reboot','targets':[],'rollout':1,'schedule':true,'retry':null,"
	         "'offline':1.5,'verify':''}",
	         {{"/name", "name must be a text, not 7"},
	          {"/hubs", "hubs must be a list, not \"main\""},
	          {"/action", "action must be an object, not \"reboot\""},
	          {"/targets", "targets must be an object, not a list"},
	          {"/rollout", "must be an object, not 1"},
	          {"/schedule", "must be an object, not true"},
	          {"/retry", "must be an object, not null"},
	          {"/offline", "must be an object, not 1.5"},
	          {"/verify", "must be an object, not \"\""}}},
	        {ACTION("'type':1,'methodName':null,'responseTimeoutSeconds':'30','connectTimeoutSeconds':1.0,"
	                "'attachAttemptId':0"),
	         {{"/action/type",
	           "must be \"reboot\", \"factoryReset\", \"firmwareUpdate\" or \"method\", not 1"},
	          {"/action/methodName", "must be a text, not null"},
	          {"/action/attachAttemptId", "must be true or false, not 0"},
	          {"/action/responseTimeoutSeconds", "must be a whole number from 5 to 300, not \"30\""},
	          {"/action/connectTimeoutSeconds", "must be a whole number from 0 to 300, not 1.0"}}},
	        {TARGETS("'where':{},'order':{},'seed':'1','exclude':'a'"),
	         {{"/targets/where", "where must be a text, not an object"},
	          {"/targets/exclude", "exclude must be a list, not \"a\""},
	          {"/targets/order", "must be \"shuffled\", \"byId\" or \"asGiven\", not an object"},
	          {"/targets/seed", "must be a whole number from 0 to 9007199254740991, not \"1\""}}},
	        {TARGETS("'deviceIds':3"), {{"/targets/deviceIds", "must be a list, not 3"}}},
	        {REST("'retry':{'on':'refused','doubtful':true},'offline':{'wait':'yes'},"
	              "'verify':{'by':5,'path':5,'acceptRewrite':null}"),
	         {{"/retry/on", "must be a list, not \"refused\""},
	          {"/retry/doubtful", "must be \"afterEvidence\" or \"never\", not true"},
	          {"/offline/wait", "must be true or false, not \"yes\""},
	          {"/verify/by", "must be \"reportedProperty\", \"where\", \"none\" or \"reconnect\", not 5"},
	          {"/verify/path", "must be a text, not 5"},
	          {"/verify/acceptRewrite", "must be true or false, not null"}}},
	        {REST("'schedule':{'startAt':5}"), {{"/schedule/startAt", "startAt must be a time like"}}},
	        {"{'name':'a\\u0000b','action':{'type':'reboot\\u0000'},'targets':{'deviceIds':['a\\u0000']}}",
	         {{"/name", "must not hold a NUL"},
	          {"/action/type", "must be \"reboot\""},
	          {"/targets/deviceIds/0", "must be a device id"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_numbers_out_of_range_are_refused)
{
	static const struct unsound table[] = {
	        {ACTION("'type':'reboot','responseTimeoutSeconds':4,'connectTimeoutSeconds':-1"),
	         {{"/action/responseTimeoutSeconds", "must be a whole number from 5 to 300, not 4"},
	          {"/action/connectTimeoutSeconds", "must be a whole number from 0 to 300, not -1"}}},
	        {ACTION("'type':'reboot','responseTimeoutSeconds':301,'connectTimeoutSeconds':301"),
	         {{"/action/responseTimeoutSeconds", "not 301"},
	          {"/action/connectTimeoutSeconds", "not 301"}}},
	        {ACTION("'type':'reboot','connectTimeoutSeconds':31"),
	         {{"/action/connectTimeoutSeconds", "must be at most responseTimeoutSeconds (30), not 31"}}},
	        {REST("'rollout':{'ratePerMinute':0,'maxUnavailable':0}"),
	         {{"/rollout/ratePerMinute", "from 1 to 10000000, not 0"},
	          {"/rollout/maxUnavailable",
	           "from 1 to 1000000, or a share from \"1%\" to \"100%\", not 0"}}},
	        {REST("'rollout':{'maxUnavailable':1000001}"), {{"/rollout/maxUnavailable", "not 1000001"}}},
	        {REST("'rollout':{'maxUnavailable':'0%'}"), {{"/rollout/maxUnavailable", "not \"0%\""}}},
	        {REST("'rollout':{'maxUnavailable':'101%'}"), {{"/rollout/maxUnavailable", "not \"101%\""}}},
	        {REST("'rollout':{'maxUnavailable':'10'}"), {{"/rollout/maxUnavailable", "not \"10\""}}},
	        {REST("'rollout':{'maxUnavailable':'010%'}"), {{"/rollout/maxUnavailable", "not \"010%\""}}},
	        {REST("'rollout':{'maxUnavailable':'1.5%'}"), {{"/rollout/maxUnavailable", "not \"1.5%\""}}},
	        {REST("'rollout':{'maxUnavailable':'5 %'}"), {{"/rollout/maxUnavailable", "not \"5 %\""}}},
	        {REST("'rollout':{'maxUnavailable':'99999999999999999999%'}"),
	         {{"/rollout/maxUnavailable", "not \"99999999999999999999%\""}}},
	        {REST("'schedule':{'endAfterSeconds':0}"),
	         {{"/schedule/endAfterSeconds", "from 1 to 31622400"}}},
	        {REST("'retry':{'maxAttempts':101,'backoffSeconds':0,'backoffMaxSeconds':31622401}"),
	         {{"/retry/maxAttempts", "from 1 to 100, not 101"},
	          {"/retry/backoffSeconds", "from 1 to 31622400, not 0"},
	          {"/retry/backoffMaxSeconds", "not 31622401"}}},
	        {REST("'retry':{'maxAttempts':0}"), {{"/retry/maxAttempts", "not 0"}}},
	        {REST("'retry':{'backoffSeconds':100,'backoffMaxSeconds':99}"),
	         {{"/retry/backoffMaxSeconds", "must be at least backoffSeconds (100), not 99"}}},
	        {REST("'retry':{'backoffMaxSeconds':59}"),
	         {{"/retry/backoffMaxSeconds", "must be at least backoffSeconds (60), not 59"}}},
	        {REST("'offline':{'expireAfterSeconds':0}"), {{"/offline/expireAfterSeconds", "not 0"}}},
	        {REST("'verify':{'timeoutSeconds':0,'settleSeconds':-1}"),
	         {{"/verify/timeoutSeconds", "not 0"}, {"/verify/settleSeconds", "not -1"}}},
	        {TARGETS("'all':true,'seed':-1"), {{"/targets/seed", "not -1"}}},
	        {TARGETS("'all':true,'seed':9007199254740992"), {{"/targets/seed", "not 9007199254740992"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_unsound_texts_are_refused)
{
	static const struct unsound table[] = {
	        {"{'name':'','action':{'type':'reboot'},'targets':{'all':true}}",
	         {{"/name", "must have 1 to 200 characters, not 0"}}},
	        {"{'name':'  ','action':{'type':'reboot'},'targets':{'all':true}}",
	         {{"/name", "must have 1 to 200 characters, not 2 blanks"}}},
	        {"{'name':'a\\nb','action':{'type':'reboot'},'targets':{'all':true}}",
	         {{"/name", "must not hold control characters"}}},
	        {"{'name':'a\x7f','action':{'type':'reboot'},'targets':{'all':true}}",
	         {{"/name", "must not hold control characters"}}},
	        {"{'name':false,'action':{'type':'reboot'},'targets':{'all':true}}",
	         {{"/name", "must be a text, not false"}}},
	        {REST("'hubs':[]"), {{"/hubs", "must have 1 to 64 items, not 0"}}},
	        {REST("'hubs':['a','b','a','',5]"),
	         {{"/hubs/3", "hubs[3] must be the name of a configured hub, not \"\""},
	          {"/hubs/4", "not 5"},
	          {"/hubs/2", "hubs[2] is \"a\" again, as [0] already"}}},
	        {REST("'hubs':['b','a','b','a']"), /* in the order of the list */
	         {{"/hubs/2", "hubs[2] is \"b\" again, as [0] already"},
	          {"/hubs/3", "hubs[3] is \"a\" again, as [1] already"}}},
	        {ACTION("'type':'explode'"), {{"/action/type", "not \"explode\""}}},
	        {ACTION("'type':'reboot','methodName':''"),
	         {{"/action/methodName", "must be 1 to 128 letters"}}},
	        {ACTION("'type':'reboot','methodName':'re boot'"),
	         {{"/action/methodName", "not \"re boot\""}}},
	        {ACTION("'type':'reboot','methodName':'a/b?'"), {{"/action/methodName", "not \"a/b?\""}}},
	        {TARGETS("'where':' \\t'"), {{"/targets/where", "not empty"}}},
	        {TARGETS("'deviceIds':[]"), {{"/targets/deviceIds", "must have 1 to 1000000 items, not 0"}}},
	        {TARGETS("'deviceIds':['a','','b c','å','a/b','a&b',null,'..','.']"),
	         {{"/targets/deviceIds/1", "deviceIds[1] must be a device id: 1 to 128"},
	          {"/targets/deviceIds/2", "not \"b c\""},
	          {"/targets/deviceIds/3", "not \"å\""},
	          {"/targets/deviceIds/4", "not \"a/b\""},
	          {"/targets/deviceIds/5", "not \"a&b\""},
	          {"/targets/deviceIds/6", "not null"},
	          {"/targets/deviceIds/7", "not \"..\""},
	          {"/targets/deviceIds/8", "not \".\""}}},
	        {TARGETS("'all':true,'exclude':['a b']"), {{"/targets/exclude/0", "not \"a b\""}}},
	        {TARGETS("'all':true,'order':'random'"), {{"/targets/order", "not \"random\""}}},
	        {REST("'retry':{'on':['refused','unknown']}"),
	         {{"/retry/on/1",
	           "on[1] must be \"refused\" or \"noProof\", each at most once, not \"unknown\""}}},
	        {REST("'retry':{'on':['refused','refused']}"), {{"/retry/on/1", "each at most once"}}},
	        {REST("'retry':{'on':['noProof','noProof']}"), {{"/retry/on/1", "each at most once"}}},
	        {REST("'retry':{'on':[5]}"), {{"/retry/on/0", "not 5"}}},
	        /* What is unsound is not compared with what stands beside it. */
	        {ACTION("'type':'reboot','responseTimeoutSeconds':'x','connectTimeoutSeconds':300"),
	         {{"/action/responseTimeoutSeconds", "not \"x\""}}},
	        {TARGETS("'order':'asGiven'"),
	         {{"/targets", "exactly one of where, deviceIds, list or all"}}},
	        {TARGETS("'all':true,'order':'random','seed':5"), {{"/targets/order", "not \"random\""}}},
	        {REST("'schedule':{'startAt':'2026-12-01','endAt':'2026-12-01T02:00:00'}"),
	         {{"/schedule/startAt", "(RFC 3339), not \"2026-12-01\""},
	          {"/schedule/endAt", "(RFC 3339), not \"2026-12-01T02:00:00\""}}},
	        {REST("'schedule':{'startAt':'2026-13-01T02:00:00Z'}"), {{"/schedule/startAt", "RFC 3339"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_contradictions_are_refused)
{
	static const struct unsound table[] = {
	        {TARGETS("'where':'a = 1','all':true"),
	         {{"/targets", "exactly one of where, deviceIds, list or all, not both where and all"}}},
	        {TARGETS("'all':true,'deviceIds':['a'],'where':'a = 1'"),
	         {{"/targets", "not both where and deviceIds"}}},
	        {TARGETS("'all':false"), {{"/targets/all", "must be true or left out"}}},
	        {TARGETS("'all':true,'order':'asGiven'"),
	         {{"/targets/order", "must not be \"asGiven\" without deviceIds or list"}}},
	        {TARGETS("'all':true,'order':'byId','seed':1"),
	         {{"/targets/seed", "unless order is \"shuffled\""}}},
	        {REST("'schedule':{'startAt':'2026-12-01T02:00:00Z','endAt':'2026-12-01T02:00:00Z'}"),
	         {{"/schedule/endAt", "must be later than startAt"}}},
	        {REST("'schedule':{'endAt':'2026-12-01T02:00:00Z','endAfterSeconds':60}"),
	         {{"/schedule/endAfterSeconds", "left out where endAt is given"}}},
	        {ACTION("'type':'firmwareUpdate','payload':'{}','attachAttemptId':true"),
	         {{"/action/attachAttemptId",
	           "must be false where payload is neither null nor an object: it is \"{}\""}}},
	        {ACTION("'type':'reboot','payload':{'attemptId':'mine'}"),
	         {{"/action/payload", "must not have an attemptId of its own"}}},
	        {REST("'verify':{'by':'where'}"), {{"/verify/success", "success is required"}}},
	        {REST("'verify':{'by':'where','success':'a = 1','path':'a','acceptRewrite':true}"),
	         {{"/verify/path", "must be left out unless by is \"reportedProperty\": it is \"where\""},
	          {"/verify/acceptRewrite", "must be false unless"}}},
	        {REST("'verify':{'by':'none','path':'a','success':'a = 1','failure':'a = 2'}"),
	         {{"/verify/path", "it is \"none\""},
	          {"/verify/success", "it is \"none\""},
	          {"/verify/failure", "it is \"none\""}}},
	        {REST("'verify':{'success':'a = 1'}"), {{"/verify/success", "it is \"reportedProperty\""}}},
	        {WHOLE(METHOD, "'all':true", ",'verify':{'path':'a.b'}"),
	         {{"/verify/path", "it is \"none\""}}},
	        {WHOLE(METHOD, "'all':true", ",'verify':{'by':'reportedProperty'}"),
	         {{"/verify/path", "path is required for type \"method\""}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_waves_that_do_not_cover_all_in_rising_steps_are_refused)
{
	static const struct unsound table[] = {
	        {REST("'rollout':{'waves':[]}"), {{"/rollout/waves", "must have 1 to 32 items, not 0"}}},
	        {REST("'rollout':{'waves':{'upToPercent':100}}"), {{"/rollout/waves", "must be a list"}}},
	        {REST("'rollout':{'waves':[100]}"),
	         {{"/rollout/waves/0", "waves[0] must be an object, not 100"}}},
	        {REST("'rollout':{'waves':[{},{'upToPercent':1,'upToCount':1}]}"),
	         {{"/rollout/waves/0", "a wave must have exactly one of upToPercent or upToCount"},
	          {"/rollout/waves/1", "exactly one"}}},
	        {REST("'rollout':{'waves':[{'upToPercent':0},{'upToCount':0},{'upToPercent':101}]}"),
	         {{"/rollout/waves/0/upToPercent", "from 1 to 100, not 0"},
	          {"/rollout/waves/1/upToCount", "from 1 to 1000000, not 0"},
	          {"/rollout/waves/2/upToPercent", "from 1 to 100, not 101"}}},
	        {REST("'rollout':{'waves':[{'upToPercent':10},{'upToCount':5},{'upToPercent':10},{'upToCount':4},"
	              "{'upToPercent':100}]}"),
	         {{"/rollout/waves/2/upToPercent",
	           "must be more than 10, where a wave before it ends, not 10: waves are cumulative"},
	          {"/rollout/waves/3/upToCount", "must be more than 5, where a wave before it ends, not 4"}}},
	        {REST("'rollout':{'waves':[{'upToPercent':100},{'upToPercent':100}]}"),
	         {{"/rollout/waves/1/upToPercent", "must be more than 100"}}},
	        {REST("'rollout':{'waves':[{'upToPercent':1},{'upToPercent':99}]}"),
	         {{"/rollout/waves/1",
	           "waves[1] must go up to all, as it is the last: say upToPercent 100"}}},
	        {REST("'rollout':{'waves':[{'upToPercent':100},{'upToCount':100}]}"),
	         {{"/rollout/waves/1", "must go up to all"}}},
	        {REST("'rollout':{'waves':[{'name':'a','upToCount':1},{'name':'','upToCount':2},{'name':'a\\n',"
	              "'upToCount':3},{'name':'a','upToPercent':100,'colour':1}]}"),
	         {{"/rollout/waves/1/name", "must have 1 to 64 characters, not 0"},
	          {"/rollout/waves/2/name", "must not hold control characters"},
	          {"/rollout/waves/3/colour",
	           "unknown member \"colour\": rollout/waves/3 has name, upToPercent, upToCount, gate"},
	          {"/rollout/waves/3", "waves[3] is \"a\" again, as [0] already"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_unsound_gates_are_refused)
{
	static const struct unsound table[] = {
	        {REST("'rollout':{'gate':null}"), {{"/rollout/gate", "must be an object, not null"}}},
	        {REST("'rollout':{'gate':{'minSuccessPercent':101,'soakSeconds':31622401,'approval':'all','x':1}}"),
	         {{"/rollout/gate/x", "rollout/gate has minSuccessPercent, soakSeconds, approval"},
	          {"/rollout/gate/minSuccessPercent", "from 0 to 100, not 101"},
	          {"/rollout/gate/soakSeconds", "from 0 to 31622400, not 31622401"},
	          {"/rollout/gate/approval",
	           "must be \"none\", \"start\", \"afterFirst\" or \"each\", not \"all\""}}},
	        {REST("'rollout':{'waves':[{'upToCount':1,'gate':{'approval':'start'}},{'upToCount':2,'gate':{"
	              "'approval':'start'}},{'upToPercent':100,'gate':{'approval':'afterFirst'}}]}"),
	         {{"/rollout/waves/1/gate/approval",
	           "must not be \"start\" after the first wave: say \"each\" to be asked after this one"},
	          {"/rollout/waves/2/gate/approval", "must not be \"afterFirst\" after the first wave"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_unsound_groups_lists_and_prechecks_are_refused)
{
	static const struct unsound table[] = {
	        {REST("'rollout':{'group':{}}"), {{"/rollout/group/by", "by is required: the tag"}}},
	        {REST("'rollout':{'group':{'by':5,'maxUnavailable':0,'x':1}}"),
	         {{"/rollout/group/x", "rollout/group has by, maxUnavailable"},
	          {"/rollout/group/by", "must be a text, not 5"},
	          {"/rollout/group/maxUnavailable", "from \"1%\" to \"100%\", not 0"}}},
	        {REST("'rollout':{'group':{'by':'site'}}"),
	         {{"/rollout/group/by", "must be a tag of the twin, like \"tags.site\", not \"site\""}}},
	        {REST("'rollout':{'group':{'by':'properties.reported.site'}}"),
	         {{"/rollout/group/by", "must be a tag"}}},
	        {REST("'rollout':{'group':{'by':'tags'}}"), {{"/rollout/group/by", "must be a tag"}}},
	        {REST("'rollout':{'group':{'by':'tags.'}}"),
	         {{"/rollout/group/by", "like \"tags.site\", not \"tags.\""}}},
	        {REST("'rollout':{'group':{'by':'tags.a b'}}"),
	         {{"/rollout/group/by", "any text without $"}}},
	        {REST("'rollout':{'group':{'by':'tags.$version'}}"),
	         {{"/rollout/group/by", "any text without $"}}},
	        {TARGETS("'list':''"), {{"/targets/list", "must be the name of a device list: 1 to 64"}}},
	        {TARGETS("'list':'a/b'"), {{"/targets/list", "not \"a/b\""}}},
	        {TARGETS("'list':['a']"), {{"/targets/list", "must be a text, not a list"}}},
	        {TARGETS("'list':'a','where':'b = 1'"), {{"/targets", "not both where and list"}}},
	        {TARGETS("'where':'b = 1','order':'asGiven'"), {{"/targets/order", "deviceIds or list"}}},
	        {REST("'precheck':{}"), {{"/precheck/where", "where is required"}}},
	        {REST("'precheck':{'where':' ','onFail':'fail','do':1}"),
	         {{"/precheck/do", "precheck has where, onFail"},
	          {"/precheck/where", "not empty"},
	          {"/precheck/onFail", "must be \"wait\" or \"skip\", not \"fail\""}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_unsound_abort_rules_are_refused)
{
	static const struct unsound table[] = {
	        {REST("'abort':{}"), {{"/abort", "must be a list, not an object"}}},
	        {REST("'abort':[1,{}]"),
	         {{"/abort/0", "abort[0] must be an object, not 1"},
	          {"/abort/1", "an abort rule must have exactly one of percent or count"}}},
	        {REST("'abort':[{'percent':5,'count':3},{'percent':0},{'percent':101},{'count':0},"
	              "{'percent':5,'minFinished':0},{'count':1,'minFinished':1}]"),
	         {{"/abort/0", "exactly one"},
	          {"/abort/1/percent", "from 1 to 100, not 0"},
	          {"/abort/2/percent", "not 101"},
	          {"/abort/3/count", "from 1 to 1000000, not 0"},
	          {"/abort/4/minFinished", "from 1 to 1000000, not 0"},
	          {"/abort/5/minFinished", "must be left out where count is given"}}},
	        {REST("'abort':[{'cause':'precheck','count':1,'do':'stop','x':1}]"),
	         {{"/abort/0/x", "abort/0 has cause, percent, minFinished, count, do"},
	          {"/abort/0/cause",
	           "must be \"any\", \"refused\", \"noMethod\", \"deviceFailed\", \"noProof\", \"unknown\", "
	           "\"offlineExpired\", \"hubRejected\" or \"gone\", not \"precheck\""},
	          {"/abort/0/do", "must be \"pause\" or \"cancel\", not \"stop\""}}},
	        {REST("'abort':[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"),
	         {{"/abort", "must have 0 to 16 items, not 17"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_what_comes_later_is_refused_and_never_ignored)
{
	static const struct unsound table[] = {
	        {REST("'verify':{'by':'reconnect','path':'a','success':'tags.a = 1','acceptRewrite':true}"),
	         {{"/verify/path", "it is \"reconnect\""},
	          {"/verify/success", "it is \"reconnect\""},
	          {"/verify/acceptRewrite", "it is \"reconnect\""}}},
	        {REST("'verify':{'by':'none','relapseWatchSeconds':1}"),
	         {{"/verify/relapseWatchSeconds", "must be 0 where by is \"none\""}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_unsound_windows_zones_and_blackouts_are_refused)
{
	static const struct unsound table[] = {
	        {REST("'schedule':{'windows':[{'cron':'0 2 * * *'},{'durationMinutes':0},7,"
	              "{'cron':'x','rrule':'y','durationMinutes':1,'until':1}]}"),
	         {{"/schedule/windows/0/durationMinutes", "is required"},
	          {"/schedule/windows/1", "exactly one of cron or rrule"},
	          {"/schedule/windows/1/durationMinutes", "from 1 to"},
	          {"/schedule/windows/2", "object"},
	          {"/schedule/windows/3/until", "unknown member"},
	          {"/schedule/windows/3", "exactly one of cron or rrule"}}},
	        {REST("'schedule':{'blackouts':[{'from':'2026-02-30','to':'2026-03-01'},"
	              "{'from':'2026-03-02','to':'2026-03-01'},{}]}"),
	         {{"/schedule/blackouts/0/from", "must be a local date"},
	          {"/schedule/blackouts/1/to", "must not be before from"},
	          {"/schedule/blackouts/2/from", "is required"},
	          {"/schedule/blackouts/2/to", "is required"}}},
	        {REST("'schedule':{'timeZone':'UTC','deviceTimeZone':{'from':'zone','x':1}}"),
	         {{"/schedule/deviceTimeZone/x", "unknown member"},
	          {"/schedule/deviceTimeZone/from", "must be a tag of the twin, like \"tags.timeZone\""},
	          {"/schedule/deviceTimeZone", "must be left out unless timeZone is \"device\""}}},
	        {REST("'schedule':{'timeZone':'','mustFinishInWindow':1}"),
	         {{"/schedule/timeZone", "1 to 64 bytes"},
	          {"/schedule/mustFinishInWindow", "true or false"}}},
	        {REST("'schedule':{'timeZone':'0123456789012345678901234567890123456789012345678901234567890123x'}"),
	         {{"/schedule/timeZone", "1 to 64 bytes, not 65"}}},
	        {REST("'schedule':{'blackouts':[5,{'from':'2026-12-24','to':5},{'from':5,'to':'2026-12-26'}]}"),
	         {{"/schedule/blackouts/0", "must be an object, not 5"},
	          {"/schedule/blackouts/1/to", "must be a text, not 5"},
	          {"/schedule/blackouts/2/from", "must be a text, not 5"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

#define HUB_JOB(rest) WHOLE("'type':'reboot','transport':'hubJob'", "'all':true", rest)

START_TEST(test_what_a_hub_job_cannot_heed_is_refused_beside_it)
{
	static const struct unsound table[] = {
	        {ACTION("'type':'reboot','transport':'carrier'"), {{"/action/transport", "must be"}}},
	        {ACTION("'type':'reboot','transport':'hubJob','attachAttemptId':true"),
	         {{"/action/attachAttemptId", "must be false where transport is \"hubJob\""}}},
	        {HUB_JOB(",'rollout':{'ratePerMinute':60,'group':{'by':'tags.site','maxUnavailable':1}}"),
	         {{"/rollout/ratePerMinute", "cannot be paced"},
	          {"/rollout/group", "does not spare groups"}}},
	        {HUB_JOB(",'abort':[{'count':1}]"), {{"/abort", "cannot be stopped"}}},
	        {HUB_JOB(",'abort':null"), {{"/abort", "must be a list, not null"}}},
	        {HUB_JOB(",'schedule':{'windows':[{'cron':'0 2 * * *','durationMinutes':60}],"
	                 "'blackouts':[{'from':'2026-12-24','to':'2026-12-26'}]}"),
	         {{"/schedule/windows", "does not stop when a window ends"},
	          {"/schedule/blackouts", "does not stop for a blackout"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_windows_are_rendered_as_they_are_read)
{
	static const char *const sections[] = {
	        "'windows':[{'cron':'0 2 * * 1-5','durationMinutes':120},"
	        "{'rrule':'FREQ=WEEKLY;BYDAY=SU;BYHOUR=1;BYMINUTE=0','durationMinutes':240}],"
	        "'timeZone':'Europe/Stockholm','mustFinishInWindow':true,"
	        "'blackouts':[{'from':'2026-12-24','to':'2026-12-26'}],'endAfterSeconds':60",
	        "'timeZone':'device','deviceTimeZone':{'from':'tags.site.zone','fallback':'Asia/Tokyo'},"
	        "'endAfterSeconds':60",
	        "'windows':[{'cron':'0 2 * * *','durationMinutes':1}],'timeZone':'UTC',"
	        "'mustFinishInWindow':false,'endAfterSeconds':60",
	        "'timeZone':'Asia/Tokyo','blackouts':[{'from':'2026-12-24','to':'2026-12-26'},"
	        "{'from':'2027-01-01','to':'2027-01-01'}],'endAfterSeconds':60",
	};

	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		struct buf text = BUF_INIT, out = BUF_INIT;
		struct parsed p;

		buf_printf(&text,
		           "{'name':'n','action':{'type':'reboot'},'targets':{'all':true},'schedule':{%s}}",
		           sections[i]);
		p = parse_sound(text.data);
		spec_render(&p.spec, &out);
		buf_reset(&text);
		buf_printf(&text, "\"schedule\":{%s}", sections[i]);
		for (char *c = text.data; *c != '\0'; c++)
			*c = *c == '\'' ? '"' : *c;
		ck_assert_msg(strstr(out.data, text.data) != NULL, "no %s in %s", text.data, out.data);
		parsed_done(&p);
		buf_done(&text);
		buf_done(&out);
	}
}
END_TEST

START_TEST(test_a_silent_device_time_zone_has_its_defaults)
{
	struct parsed p = parse_sound(REST("'schedule':{'timeZone':'device'}"));

	ck_assert(p.spec.schedule.is_device_zone);
	ck_assert_str_eq(p.spec.schedule.zone_tag, "tags.timeZone");
	ck_assert_str_eq(p.spec.schedule.time_zone, "UTC");
	parsed_done(&p);
}
END_TEST

START_TEST(test_a_hub_job_takes_waves_and_limits_and_attaches_no_attempt_id)
{
	struct parsed p = parse_sound(HUB_JOB(
	        ",'rollout':{'maxUnavailable':'10%','waves':[{'upToCount':1},{'upToPercent':100}]},'abort':[]"));
	struct buf out = BUF_INIT;

	ck_assert_int_eq(p.spec.action.transport, TRANSPORT_HUB_JOB);
	ck_assert(!p.spec.action.attach_attempt_id);
	spec_render(&p.spec, &out);
	ck_assert_ptr_nonnull(strstr(out.data, "\"attachAttemptId\":false,\"transport\":\"hubJob\""));
	buf_done(&out);
	parsed_done(&p);
}
END_TEST

START_TEST(test_unknown_members_are_refused_by_name)
{
	static const struct unsound table[] = {
	        {REST("'colour':1"),
	         {{"/colour", "unknown member \"colour\": a campaign has name, hubs, action, targets"}}},
	        {REST("'a/b~c':1,'':2"),
	         {{"/a~1b~0c", "unknown member \"a/b~c\""}, {"/", "unknown member \"\""}}},
	        {REST("'rollout':{'Waves':1},'schedule':{'end':1},'retry':{'max':1},'offline':{'x':1},'verify':{'y':1}"),
	         {{"/rollout/Waves", "rollout has waves, gate, ratePerMinute, maxUnavailable, group"},
	          {"/schedule/end", "unknown member"},
	          {"/retry/max", "unknown member"},
	          {"/offline/x", "offline has wait, expireAfterSeconds"},
	          {"/verify/y", "unknown member"}}},
	        {WHOLE("'type':'reboot','delay':1", "'all':true,'limit':1", ""),
	         {{"/action/delay", "unknown member"}, {"/targets/limit", "unknown member"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

START_TEST(test_paths_that_are_none_are_refused)
{
	static const char *const paths[] = {
	        "",
	        ".",
	        "a.",
	        ".a",
	        "a..b",
	        "$version",
	        "a.$lastUpdated",
	        "a b",
	        "a-b",
	        "1a",
	        "å",
	        "[[]]",
	        "[[a",
	        "[[a]]b",
	        "[[$version]]",
	        "a[0]",
	        "[a]",
	        "[[a\\n]]",
	        "[[a\x7f]]",
	        "a.[[b]",
	        "properties.desired.a",
	        "properties.reported.",
	        "properties.reported",
	        "Properties.Reported.properties.a",
	};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		char text[256];

		snprintf(text, sizeof text, REST("'verify':{'path':'%s'}"), paths[i]);
		check_unsound(&(struct unsound){text, {{"/verify/path", "path must be"}}});
	}
}
END_TEST

START_TEST(test_duplicate_ids_are_named_by_place_and_the_rest_counted)
{
	static const struct unsound table[] = {
	        {TARGETS("'deviceIds':['b','a','A','a','a','b']"),
	         {{"/targets/deviceIds/3", "deviceIds[3] is \"a\" again, as [1] already"},
	          {"/targets/deviceIds/4", "\"a\" again, as [1]"},
	          {"/targets/deviceIds/5", "\"b\" again, as [0]"}}},
	        {TARGETS("'deviceIds':['a','a','a','a','a','a','a','a']"),
	         {{"/targets/deviceIds/1", "\"a\" again, as [0] already"},
	          {"/targets/deviceIds/2", "\"a\" again, as [0] already"},
	          {"/targets/deviceIds/3", "\"a\" again, as [0] already"},
	          {"/targets/deviceIds/4", "\"a\" again, as [0] already"},
	          {"/targets/deviceIds/5", "\"a\" again, as [0] already"},
	          {"/targets/deviceIds", "has 2 more items that are there already"}}},
	        {TARGETS("'deviceIds':['a',7,'a']"),
	         {{"/targets/deviceIds/1", "not 7"}, {"/targets/deviceIds/2", "as [0]"}}},
	};

	CHECK_ALL_UNSOUND(table);
}
END_TEST

/* --- lengths --- */

/* A spec with n times c, a character, in place of its %s. */
static struct parsed parse_long(const char *format, const char *c, size_t n)
{
	const char *at = strstr(format, "%s");
	struct buf b = BUF_INIT;
	struct parsed p;

	buf_put(&b, format, (size_t)(at - format));
	for (size_t i = 0; i < n; i++)
		buf_puts(&b, c);
	buf_puts(&b, at + 2);
	p = parse(b.data);
	buf_done(&b);
	return p;
}

START_TEST(test_lengths_have_limits)
{
	static const struct {
		const char *format, *c;
		size_t max;
		const char *pointer;
	} table[] = {
	        {"{'name':'%s','action':{'type':'reboot'},'targets':{'all':true}}", "å", 200, "/name"},
	        {REST("'hubs':['%s']"), "h", 64, "/hubs/0"},
	        {ACTION("'type':'reboot','methodName':'%s'"), "m", 128, "/action/methodName"},
	        {TARGETS("'deviceIds':['%s']"), "d", 128, "/targets/deviceIds/0"},
	        {TARGETS("'where':'%s'"), "w", 7000, "/targets/where"},
	        {TARGETS("'list':'%s'"), "l", 64, "/targets/list"},
	        {REST("'rollout':{'waves':[{'name':'%s','upToPercent':100}]}"), "å", 64,
	         "/rollout/waves/0/name"},
	        {REST("'rollout':{'group':{'by':'tags.%s'}}"), "p", 251, "/rollout/group/by"},
	        {REST("'precheck':{'where':'%s'}"), "w", 7000, "/precheck/where"},
	        {REST("'verify':{'path':'%s'}"), "p", 256, "/verify/path"},
	        {REST("'schedule':{'timeZone':'%s'}"), "z", 64, "/schedule/timeZone"},
	        {REST("'verify':{'by':'where','success':'%s'}"), "s", 7000, "/verify/success"},
	        {REST("'verify':{'by':'where','success':'s','failure':'%s'}"), "f", 7000, "/verify/failure"},
	        {ACTION(METHOD ",'payload':'%s'"), "x", 131070, "/action/payload"},
	        {ACTION("'type':'reboot','payload':{'p':'%s'}"), "x", 131000, "/action/payload"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = parse_long(table[i].format, table[i].c, table[i].max);

		ck_assert_msg(p.err == ERR_OK, "%s", table[i].format);
		parsed_done(&p);
		p = parse_long(table[i].format, table[i].c, table[i].max + 1);
		ck_assert_uint_eq(p.faults.n, 1);
		ck_assert_str_eq(p.faults.all[0].pointer, table[i].pointer);
		parsed_done(&p);
	}
}
END_TEST

/* With fewer digits it would have just that many bytes. */
START_TEST(test_a_payload_that_is_too_long_is_not_made_short_by_saying_another_number)
{
	struct parsed p = parse_long(ACTION(METHOD ",'payload':['%s',0.30000000000000004]"), "x", 131072 - 8);

	ck_assert_uint_eq(p.faults.n, 1);
	ck_assert_str_eq(p.faults.all[0].pointer, "/action/payload");
	parsed_done(&p);
}
END_TEST

START_TEST(test_a_long_text_is_told_cut_between_its_characters)
{
	struct parsed p = parse_long(TARGETS("'deviceIds':['%s']"), "aå", 50);

	ck_assert_uint_eq(p.faults.n, 1);
	ck_assert_ptr_nonnull(strstr(p.faults.all[0].detail, "not \"aåaåaåaåaåaåaåaåaåaåaåaåaåa…\""));
	parsed_done(&p);
	p = parse_long(TARGETS("'deviceIds':['%s']"), "€", 50); /* of three bytes: 40 are 13 and one more */
	ck_assert_uint_eq(p.faults.n, 1);
	ck_assert_ptr_nonnull(strstr(p.faults.all[0].detail, "not \"€€€€€€€€€€€€€…\""));
	parsed_done(&p);
}
END_TEST

START_TEST(test_faults_beyond_the_most_that_are_kept_are_counted)
{
	struct buf b = BUF_INIT;
	struct parsed p;

	for (size_t i = 0; i < 250; i++)
		buf_printf(&b, "%s' '", i > 0 ? "," : "");
	p = parse_long(TARGETS("'deviceIds':[%s]"), b.data, 1);
	ck_assert_int_eq(p.err, ERR_INVALID);
	ck_assert_uint_eq(p.faults.n, FAULTS_MAX);
	ck_assert_uint_eq(p.faults.left_out, 250 - FAULTS_MAX);
	ck_assert_str_eq(p.faults.all[99].pointer, "/targets/deviceIds/99");
	parsed_done(&p);
	buf_done(&b);
}
END_TEST

/* Reads the member name of {"a": json} by each reader; how many find it sound. What they give else stays. */
static unsigned read_by_all(const char *json, const char *name, struct faults *faults)
{
	static const char *const choices[] = {"one", "other", NULL};
	json_t *whole = json_pack("{s:o}", "a", json_loads(json, JSON_DECODE_ANY, NULL)), *list = NULL;
	struct section s = {"", whole, faults}, section = {"as it was", NULL, NULL};
	const char *text = "as it was";
	int64_t at_ms = 17;
	uint64_t u64 = 17;
	uint32_t u32 = 17;
	size_t choice = 17;
	bool flag = true;
	unsigned n = 0;

	n += member_section(&s, name, &section) || strcmp(section.pointer, "as it was") != 0;
	n += member_u32(&s, name, 1, 16, &u32) || u32 != 17;
	n += member_u64(&s, name, 16, &u64) || u64 != 17;
	n += member_flag(&s, name, &flag) || !flag;
	n += member_text(&s, name, &text) || strcmp(text, "as it was") != 0;
	n += member_choice(&s, name, choices, &choice) || choice != 17;
	n += member_time(&s, name, &at_ms) || at_ms != 17;
	n += member_list(&s, name, 1, 2, &list) || list != NULL;
	json_decref(whole);
	return n;
}

START_TEST(test_a_reader_gives_what_is_there_and_sound_and_leaves_the_rest_as_it_was)
{
	static const struct {
		const char *json;
		unsigned sound_n;
	} rows[] = {
	        {"{}", 1},        {"0", 1} /* a u64 */,
	        {"17", 0},        {"16", 2},
	        {"-1", 0},        {"1.5", 0},
	        {"false", 1},     {"\"text\"", 1},
	        {"\"other\"", 2}, {"\"2026-12-01T02:00:00Z\"", 2},
	        {"[]", 0},        {"[1,2]", 1},
	        {"[1,2,3]", 0},   {"\"2026-12-01\"", 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults faults = FAULTS_INIT;

		ck_assert_msg(read_by_all(rows[i].json, "a", &faults) == rows[i].sound_n, "%s", rows[i].json);
		ck_assert_msg(faults.n == 8 - rows[i].sound_n, "%s: %zu faults", rows[i].json, faults.n);
		faults_done(&faults);
		ck_assert_uint_eq(read_by_all(rows[i].json, "b", &faults), 0);
		ck_assert_uint_eq(faults.n, 0);
	}
}
END_TEST

/* --- not JSON --- */

START_TEST(test_what_is_not_json_has_a_place_and_a_reason)
{
	static const struct {
		const char *json;
		size_t at;
		const char *reason;
	} table[] = {
	        {"", 0, "end of file"},
	        {"{\"name\":", 8, "end of file"},
	        {"{\"name\":\"n\"} x", 14, "end of file expected"},
	        {"{\"name\":\"n\",\"name\":\"m\"}", 18, "duplicate object key"},
	        {"{\"action\":{\"payload\":{\"a\":1,\"a\":2}}}", 31, "duplicate object key"},
	        {"{'name':'n'}", 2, "string or '}' expected"},
	        {"{\"a\":99999999999999999999}", 25, "too big integer"},
	        {"\"\xff\"", 1, "unable to decode byte 0xff"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = parse_n(table[i].json, strlen(table[i].json), false);

		ck_assert_int_eq(p.err, ERR_INVALID);
		ck_assert_uint_eq(p.faults.n, 0);
		ck_assert_msg(strstr(p.reason, table[i].reason) != NULL, "%s: %s", table[i].json, p.reason);
		ck_assert_msg(p.at == table[i].at, "%s: %s at %zu", table[i].json, p.reason, p.at);
		parsed_done(&p);
	}
}
END_TEST

START_TEST(test_deep_nesting_is_refused_and_less_deep_taken)
{
	struct parsed p = parse_long("%s", "[", 1000000);

	ck_assert_int_eq(p.err, ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(p.reason, "depth"));
	parsed_done(&p);
	p = parse_long("%s", "{'name':", 1000000);
	ck_assert_ptr_nonnull(strstr(p.reason, "depth"));
	parsed_done(&p);
	p = parse_long("{'name':%s1}", "{'a':", 2000);
	ck_assert_uint_eq(p.faults.n, 0);
	ck_assert_int_eq(p.err, ERR_INVALID);
	parsed_done(&p);
}
END_TEST

/* --- defaults --- */

static void check_common_defaults(const struct campaign_spec *s)
{
	ck_assert_str_eq(s->name, "n");
	ck_assert_uint_eq(s->hubs.n, 0);
	ck_assert_str_eq(s->action.payload, "null");
	ck_assert_uint_eq(s->action.response_timeout_s, 30);
	ck_assert_uint_eq(s->action.connect_timeout_s, 0);
	ck_assert_int_eq(s->targets.by, TARGETS_ALL);
	ck_assert_uint_eq(s->targets.exclude.n, 0);
	ck_assert_int_eq(s->targets.order, ORDER_SHUFFLED);
	ck_assert(!s->targets.has_seed);
	ck_assert_uint_eq(s->rollout.rate_per_minute, 0);
	ck_assert_uint_eq(s->rollout.max_unavailable.value, 100);
	ck_assert(!s->rollout.max_unavailable.is_percent);
	ck_assert_uint_eq(s->rollout.waves_n, 1);
	ck_assert(s->rollout.waves[0].is_percent && !s->rollout.waves[0].has_gate);
	ck_assert_uint_eq(s->rollout.waves[0].up_to, 100);
	ck_assert_ptr_null(s->rollout.waves[0].name);
	ck_assert_uint_eq(s->rollout.gate.min_success_percent, 0);
	ck_assert_uint_eq(s->rollout.gate.soak_s, 0);
	ck_assert_int_eq(s->rollout.gate.approval, APPROVAL_NONE);
	ck_assert_ptr_null(s->rollout.group_by);
	ck_assert_ptr_null(s->precheck.where);
	ck_assert_uint_eq(s->aborts_n, 0);
	ck_assert(s->schedule.start_at_ms == TIME_NONE && s->schedule.end_at_ms == TIME_NONE);
	ck_assert_uint_eq(s->schedule.end_after_s, 2592000);
	ck_assert_uint_eq(s->retry.max_attempts, 1);
	ck_assert(!s->retry.on_refused && !s->retry.on_no_proof && !s->retry.doubtful_never);
	ck_assert_uint_eq(s->retry.backoff_s, 60);
	ck_assert_uint_eq(s->retry.backoff_max_s, 3600);
	ck_assert(s->offline.wait);
	ck_assert_uint_eq(s->offline.expire_after_s, 86400);
	ck_assert_ptr_null(s->verify.success);
	ck_assert_ptr_null(s->verify.failure);
	ck_assert(!s->verify.accept_rewrite);
}

START_TEST(test_a_silent_spec_has_the_defaults_of_its_type)
{
	static const struct {
		const char *text, *method, *path;
		enum action_type type;
		enum verify_by by;
		uint32_t timeout_s, settle_s;
		bool attaches;
	} table[] = {
	        {ACTION("'type':'reboot'"), "reboot", "iothubDM.reboot.lastReboot", ACTION_REBOOT,
	         VERIFY_PROPERTY, 900, 120, true},
	        {ACTION("'type':'factoryReset'"), "factoryReset", "iothubDM.factoryReset.lastFactoryReset",
	         ACTION_FACTORY_RESET, VERIFY_PROPERTY, 3600, 300, true},
	        {ACTION("'type':'firmwareUpdate'"), "firmwareUpdate", "iothubDM.firmwareUpdate.status",
	         ACTION_FIRMWARE_UPDATE, VERIFY_PROPERTY, 3600, 0, true},
	        {ACTION(METHOD), "m", NULL, ACTION_METHOD, VERIFY_NONE, 900, 0, false},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = parse_sound(table[i].text);

		check_common_defaults(&p.spec);
		ck_assert_int_eq(p.spec.action.type, table[i].type);
		ck_assert_str_eq(p.spec.action.method_name, table[i].method);
		ck_assert(p.spec.action.attach_attempt_id == table[i].attaches);
		ck_assert_int_eq(p.spec.verify.by, table[i].by);
		ck_assert_pstr_eq(p.spec.verify.path, table[i].path);
		ck_assert(p.spec.verify.path_is_profiles == (table[i].path != NULL));
		ck_assert_uint_eq(p.spec.verify.timeout_s, table[i].timeout_s);
		ck_assert_uint_eq(p.spec.verify.settle_s, table[i].settle_s);
		parsed_done(&p);
	}
}
END_TEST

START_TEST(test_settling_follows_the_profile_unless_nothing_is_verified)
{
	struct parsed p = parse_sound(REST("'verify':{'by':'none'}"));

	ck_assert_uint_eq(p.spec.verify.settle_s, 0);
	ck_assert_uint_eq(p.spec.verify.timeout_s, 900);
	ck_assert_ptr_null(p.spec.verify.path);
	parsed_done(&p);
	p = parse_sound(REST("'verify':{'by':'where','success':'a = 1'}"));
	ck_assert_uint_eq(p.spec.verify.settle_s, 120);
	ck_assert_str_eq(p.spec.verify.success, "a = 1");
	parsed_done(&p);
	p = parse_sound(REST("'verify':{'by':'reconnect','relapseWatchSeconds':7}"));
	ck_assert_int_eq(p.spec.verify.by, VERIFY_RECONNECT);
	ck_assert_uint_eq(p.spec.verify.settle_s, 120);
	ck_assert_uint_eq(p.spec.verify.relapse_watch_s, 7);
	ck_assert_ptr_null(p.spec.verify.path);
	parsed_done(&p);
}
END_TEST

START_TEST(test_a_path_is_taken_with_and_without_its_prefix)
{
	static const struct {
		const char *text, *path;
		bool is_profiles;
	} table[] = {
	        {REST("'verify':{'path':'properties.reported.lastReboot'}"), "lastReboot", false},
	        {REST("'verify':{'path':'Properties.REPORTED.iothubDM.reboot.lastReboot'}"),
	         "iothubDM.reboot.lastReboot", true},
	        {REST("'verify':{'by':'reportedProperty','path':'a_1.[[my prop.é]].b2'}"),
	         "a_1.[[my prop.é]].b2", false},
	        {REST("'verify':{'path':'[[properties]].x'}"), "[[properties]].x", false},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = parse_sound(table[i].text);

		ck_assert_str_eq(p.spec.verify.path, table[i].path);
		ck_assert(p.spec.verify.path_is_profiles == table[i].is_profiles);
		parsed_done(&p);
	}
}
END_TEST

START_TEST(test_the_longest_backoff_is_never_below_the_first)
{
	struct parsed p = parse_sound(REST("'retry':{'backoffSeconds':7200}"));

	ck_assert_uint_eq(p.spec.retry.backoff_max_s, 7200);
	parsed_done(&p);
}
END_TEST

START_TEST(test_later_members_may_be_said_where_they_ask_for_nothing)
{
	struct parsed p = parse_sound(WHOLE(
	        "'type':'reboot','transport':'direct'", "'all':true",
	        ",'schedule':{'windows':[],'blackouts':[],'mustFinishInWindow':false},'verify':{'relapseWatchSeconds':0}"));

	parsed_done(&p);
}
END_TEST

START_TEST(test_a_device_id_may_have_all_the_characters_that_the_hub_allows)
{
	struct parsed p = parse_sound(TARGETS("'deviceIds':['azAZ09-.+%_#*?!(),:;=@$^','AZaz09']"));

	ck_assert_str_eq(p.spec.targets.ids.all[0], "azAZ09-.+%_#*?!(),:;=@$'");
	parsed_done(&p);
}
END_TEST

/* --- payloads --- */

START_TEST(test_the_attempt_id_is_added_where_wanted_and_possible)
{
	static const struct {
		const char *action, *payload;
		bool attaches;
	} table[] = {
	        {ACTION("'type':'reboot'"), "{\"attemptId\":\"c-7-1\"}", true},
	        {ACTION("'type':'reboot','payload':null"), "{\"attemptId\":\"c-7-1\"}", true},
	        {ACTION("'type':'reboot','payload':{ }"), "{\"attemptId\":\"c-7-1\"}", true},
	        {ACTION("'type':'reboot','payload':{ 'b' : [1, {}], 'a':null}"),
	         "{\"b\":[1,{}],\"a\":null,\"attemptId\":\"c-7-1\"}", true},
	        {ACTION("'type':'reboot','payload':{'attemptId':1},'attachAttemptId':false"),
	         "{\"attemptId\":1}", false},
	        {ACTION("'type':'firmwareUpdate','payload':'{\\'fwPackageUri\\':1}'"),
	         "\"{\\\"fwPackageUri\\\":1}\"", false},
	        {ACTION("'type':'reboot','payload':[]"), "[]", false},
	        {ACTION("'type':'reboot','payload':false"), "false", false},
	        {ACTION(METHOD), "null", false},
	        {ACTION(METHOD ",'payload':{},'attachAttemptId':true"), "{\"attemptId\":\"c-7-1\"}", true},
	        {ACTION(METHOD ",'payload':[0.1,21.7,1e300,-0.0,0.30000000000000004,9007199254740993]"),
	         "[0.10000000000000001,21.699999999999999,1.0000000000000001e300,-0.0,0.30000000000000004,9007199254740993]",
	         false},
	        {ACTION(METHOD ",'payload':{'t':21.7,'n':1.0}"), "{\"t\":21.7,\"n\":1.0}", false},
	        {ACTION(METHOD ",'payload':'a\\u0000é\\/'"), "\"a\\u0000é/\"", false},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = parse_sound(table[i].action);
		struct buf b = BUF_INIT;

		spec_payload(&p.spec, "c-7-1", &b);
		ck_assert_str_eq(b.data, table[i].payload);
		ck_assert(p.spec.action.attach_attempt_id == table[i].attaches);
		buf_done(&b);
		parsed_done(&p);
	}
}
END_TEST

/* --- waves --- */

static void check_same_gate(const struct gate_spec *a, const struct gate_spec *b)
{
	ck_assert_uint_eq(a->min_success_percent, b->min_success_percent);
	ck_assert_uint_eq(a->soak_s, b->soak_s);
	ck_assert_int_eq(a->approval, b->approval);
}

START_TEST(test_a_wave_inherits_what_its_own_gate_does_not_say)
{
	struct parsed p = parse_sound(REST(
	        "'rollout':{'gate':{'minSuccessPercent':95,'soakSeconds':600,'approval':'each'},'waves':["
	        "{'upToPercent':1},{'upToPercent':10,'gate':{'soakSeconds':0}},{'upToPercent':20,'gate':{"
	        "'minSuccessPercent':0,'approval':'none'}},{'upToPercent':100,'gate':{}}]}"));
	static const struct {
		struct gate_spec gate;
		bool has_gate;
	} waves[] = {
	        {{95, 600, APPROVAL_EACH}, false},
	        {{95, 0, APPROVAL_EACH}, true},
	        {{0, 600, APPROVAL_NONE}, true},
	        {{95, 600, APPROVAL_EACH}, true},
	};

	ck_assert_uint_eq(p.spec.rollout.waves_n, 4);
	for (size_t i = 0; i < 4; i++) {
		check_same_gate(&p.spec.rollout.waves[i].gate, &waves[i].gate);
		ck_assert(p.spec.rollout.waves[i].has_gate == waves[i].has_gate);
	}
	parsed_done(&p);
	p = parse_sound(REST("'rollout':{'gate':{'approval':'start'}}"));
	ck_assert_int_eq(p.spec.rollout.waves[0].gate.approval, APPROVAL_START);
	ck_assert(!p.spec.rollout.waves[0].has_gate);
	parsed_done(&p);
}
END_TEST

static struct parsed parse_waves(uint32_t n)
{
	struct buf b = BUF_INIT;
	struct parsed p;

	buf_puts(&b, "{'name':'n','action':{'type':'reboot'},'targets':{'all':true},'rollout':{'waves':[");
	for (uint32_t i = 1; i < n; i++)
		buf_printf(&b, "{'upToCount':%u},", i);
	buf_puts(&b, "{'upToPercent':100}]}}");
	p = parse(b.data);
	buf_done(&b);
	return p;
}

START_TEST(test_as_many_waves_as_allowed_are_taken_and_no_more)
{
	struct parsed p = parse_waves(32);

	ck_assert_int_eq(p.err, ERR_OK);
	ck_assert_uint_eq(p.spec.rollout.waves_n, 32);
	ck_assert_uint_eq(wave_end(&p.spec, 30, 1000), 31);
	ck_assert_uint_eq(wave_end(&p.spec, 31, 1000), 1000);
	parsed_done(&p);
	p = parse_waves(33);
	ck_assert_uint_eq(p.faults.n, 1);
	ck_assert_str_eq(p.faults.all[0].detail, "waves must have 1 to 32 items, not 33");
	parsed_done(&p);
}
END_TEST

START_TEST(test_waves_end_where_they_should_for_any_number_of_targets)
{
	static const struct {
		uint32_t total, end[4];
	} table[] = {
	        {0, {0, 0, 0, 0}},
	        {1, {1, 1, 1, 1}},
	        {2, {1, 2, 2, 2}},
	        {19, {1, 5, 5, 19}}, /* the third wave is empty */
	        {100, {1, 5, 10, 100}},
	        {199, {1, 5, 19, 199}}, /* of 1.99 and 19.9 */
	        {200, {2, 5, 20, 200}},
	        {1000, {10, 10, 100, 1000}}, /* the second wave is empty */
	        {TARGETS_MAX, {10000, 10000, 100000, TARGETS_MAX}},
	};
	struct parsed p = parse_sound(REST(
	        "'rollout':{'waves':[{'upToPercent':1},{'upToCount':5},{'upToPercent':10},{'upToPercent':100}]}"));

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		for (uint32_t w = 0; w < 4; w++)
			ck_assert_msg(wave_end(&p.spec, w, table[i].total) == table[i].end[w],
			              "wave %u of %u ends at %u", w, table[i].total,
			              wave_end(&p.spec, w, table[i].total));
	ck_assert_uint_eq(wave_of(&p.spec, 0, 19), 0);
	ck_assert_uint_eq(wave_of(&p.spec, 1, 19), 1);
	ck_assert_uint_eq(wave_of(&p.spec, 4, 19), 1);
	ck_assert_uint_eq(wave_of(&p.spec, 5, 19), 3);
	ck_assert_uint_eq(wave_of(&p.spec, 18, 19), 3);
	ck_assert_uint_eq(wave_of(&p.spec, 19, 19), 3);
	ck_assert_uint_eq(wave_of(&p.spec, 0, 0), 3);
	parsed_done(&p);
}
END_TEST

START_TEST(test_every_target_is_in_the_wave_that_ends_behind_it)
{
	struct parsed p = parse_sound(REST(
	        "'rollout':{'waves':[{'upToCount':3},{'upToPercent':7},{'upToCount':20},{'upToPercent':100}]}"));

	for (uint32_t total = 0; total < 400; total++) {
		uint32_t start = 0;

		for (uint32_t w = 0; w < 4; w++) {
			uint32_t end = wave_end(&p.spec, w, total);

			ck_assert_uint_le(start, end);
			for (; start < end; start++)
				ck_assert_uint_eq(wave_of(&p.spec, start, total), w);
		}
		ck_assert_uint_eq(start, total);
	}
	parsed_done(&p);
}
END_TEST

START_TEST(test_limits_round_down_and_are_at_least_one)
{
	ck_assert_uint_eq(limit_of((struct limit){100, false}, 7), 100);
	ck_assert_uint_eq(limit_of((struct limit){10, true}, 1000), 100);
	ck_assert_uint_eq(limit_of((struct limit){10, true}, 1009), 100);
	ck_assert_uint_eq(limit_of((struct limit){10, true}, 9), 1);
	ck_assert_uint_eq(limit_of((struct limit){1, true}, 0), 1);
	ck_assert_uint_eq(limit_of((struct limit){100, true}, TARGETS_MAX), TARGETS_MAX);
	ck_assert_uint_eq(limit_of((struct limit){100, true}, UINT32_MAX), UINT32_MAX);
}
END_TEST

/* --- rendering --- */

#define FULL \
	"{'name':'Kiosks \\'1\\'','hubs':['main','b'],'action':{'type':'reboot','methodName':'restart'," \
	"'payload':{'a':[1.5,null]},'responseTimeoutSeconds':60,'connectTimeoutSeconds':60," \
	"'attachAttemptId':false,'transport':'direct'},'targets':{'where':'tags.site = ^gbg^','exclude':[" \
	"'kiosk-7','x^@#'],'order':'shuffled','seed':9007199254740991}," \
	"'rollout':{'waves':[{'name':'canary','upToCount':3,'gate':{'minSuccessPercent':100,'soakSeconds':31622400," \
	"'approval':'start'}},{'upToPercent':50,'gate':{'soakSeconds':0}},{'upToPercent':100,'gate':{}}]," \
	"'gate':{'minSuccessPercent':95,'soakSeconds':600,'approval':'each'},'ratePerMinute':600," \
	"'maxUnavailable':'10%','group':{'by':'tags.[[a site]].x','maxUnavailable':'5%'}},'schedule':{'startAt':'2026-12-01T02:00:00.000Z'," \
	"'endAt':'2026-12-08T00:00:00.000Z'},'retry':{'maxAttempts':3,'on':['refused','noProof']," \
	"'doubtful':'never','backoffSeconds':1,'backoffMaxSeconds':31622400},'offline':{'wait':false," \
	"'expireAfterSeconds':5},'verify':{'by':'reportedProperty','path':'iothubDM.[[x y]]'," \
	"'timeoutSeconds':10,'settleSeconds':0,'relapseWatchSeconds':0,'acceptRewrite':true}," \
	"'precheck':{'where':'properties.reported.battery > 50','onFail':'skip'},'abort':[{'cause':'any','percent':5," \
	"'minFinished':20,'do':'pause'},{'cause':'noProof','count':3,'do':'cancel'}]}"

#define RENDERED(targets, group, rest) \
	"{'name':'n','action':{'type':'reboot','methodName':'reboot','payload':null,'responseTimeoutSeconds':30," \
	"'connectTimeoutSeconds':0,'attachAttemptId':true,'transport':'direct'},'targets':{" targets \
	"},'rollout':{'waves':[{'upToPercent':100}],'gate':{'minSuccessPercent':0,'soakSeconds':0," \
	"'approval':'none'},'maxUnavailable':100" group "},'schedule':{'endAfterSeconds':2592000}," \
	"'retry':{'maxAttempts':1,'on':[],'doubtful':'afterEvidence','backoffSeconds':60," \
	"'backoffMaxSeconds':3600},'offline':{'wait':true,'expireAfterSeconds':86400},'verify':{" \
	"'by':'reportedProperty','path':'iothubDM.reboot.lastReboot','timeoutSeconds':900,'settleSeconds':120," \
	"'relapseWatchSeconds':0,'acceptRewrite':false}" rest "}"

START_TEST(test_a_spec_is_rendered_with_its_defaults_in_the_contracts_order)
{
	static const char *const table[][2] = {
	        {TARGETS("'deviceIds':['a','b','c']"),
	         RENDERED("'deviceIds':3,'exclude':[],'order':'shuffled'", "", ",'abort':[]")},
	        {TARGETS("'list':'tills_1.a-B','order':'asGiven'"),
	         RENDERED("'list':'tills_1.a-B','exclude':[],'order':'asGiven'", "", ",'abort':[]")},
	        {REST("'rollout':{'group':{'by':'TAGS.site'}},'precheck':{'where':'a = 1'},"
	              "'abort':[{'percent':2},{'cause':'gone','count':1}]"),
	         RENDERED("'all':true,'exclude':[],'order':'shuffled'",
	                  ",'group':{'by':'tags.site','maxUnavailable':1}",
	                  ",'precheck':{'where':'a = 1','onFail':'wait'},'abort':[{'cause':'any','percent':2,"
	                  "'minFinished':1,'do':'pause'},{'cause':'gone','count':1,'do':'pause'}]")},
	        {FULL, FULL},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = parse_sound(table[i][0]);
		char *expected = json_of(table[i][1]);
		struct buf b = BUF_INIT;

		spec_render(&p.spec, &b);
		ck_assert_str_eq(b.data, expected);
		free(expected);
		buf_done(&b);
		parsed_done(&p);
	}
}
END_TEST

static void check_same_strings(const struct strings *a, const struct strings *b)
{
	ck_assert_uint_eq(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		ck_assert_str_eq(a->all[i], b->all[i]);
}

static void check_same_waves(const struct campaign_spec *a, const struct campaign_spec *b)
{
	check_same_gate(&a->rollout.gate, &b->rollout.gate);
	ck_assert_uint_eq(a->rollout.waves_n, b->rollout.waves_n);
	for (uint32_t i = 0; i < a->rollout.waves_n; i++) {
		const struct wave_spec *v = &a->rollout.waves[i], *w = &b->rollout.waves[i];

		ck_assert_pstr_eq(v->name, w->name);
		ck_assert(v->is_percent == w->is_percent);
		ck_assert_uint_eq(v->up_to, w->up_to);
		check_same_gate(&v->gate, &w->gate);
		ck_assert(v->has_gate == w->has_gate);
		ck_assert(v->owns_min_success == w->owns_min_success);
		ck_assert(v->owns_soak == w->owns_soak);
		ck_assert(v->owns_approval == w->owns_approval);
	}
}

static void check_same_aborts(const struct campaign_spec *a, const struct campaign_spec *b)
{
	ck_assert_uint_eq(a->aborts_n, b->aborts_n);
	for (uint32_t i = 0; i < a->aborts_n; i++) {
		ck_assert_int_eq(a->aborts[i].cause, b->aborts[i].cause);
		ck_assert_uint_eq(a->aborts[i].count, b->aborts[i].count);
		ck_assert_uint_eq(a->aborts[i].percent, b->aborts[i].percent);
		ck_assert_uint_eq(a->aborts[i].min_finished, b->aborts[i].min_finished);
		ck_assert(a->aborts[i].cancels == b->aborts[i].cancels);
	}
}

static void check_same(const struct campaign_spec *a, const struct campaign_spec *b)
{
	ck_assert_str_eq(a->name, b->name);
	check_same_strings(&a->hubs, &b->hubs);
	ck_assert_int_eq(a->action.type, b->action.type);
	ck_assert_str_eq(a->action.method_name, b->action.method_name);
	ck_assert_str_eq(a->action.payload, b->action.payload);
	ck_assert_uint_eq(a->action.response_timeout_s, b->action.response_timeout_s);
	ck_assert_uint_eq(a->action.connect_timeout_s, b->action.connect_timeout_s);
	ck_assert(a->action.attach_attempt_id == b->action.attach_attempt_id);
	ck_assert_int_eq(a->targets.by, b->targets.by);
	ck_assert_pstr_eq(a->targets.where, b->targets.where);
	ck_assert_pstr_eq(a->targets.list, b->targets.list);
	ck_assert_uint_eq(a->targets.ids_n, b->targets.ids_n);
	check_same_strings(&a->targets.exclude, &b->targets.exclude);
	ck_assert_int_eq(a->targets.order, b->targets.order);
	ck_assert_uint_eq(a->targets.seed, b->targets.seed);
	ck_assert(a->targets.has_seed == b->targets.has_seed);
	ck_assert_uint_eq(a->rollout.rate_per_minute, b->rollout.rate_per_minute);
	ck_assert_uint_eq(a->rollout.max_unavailable.value, b->rollout.max_unavailable.value);
	ck_assert(a->rollout.max_unavailable.is_percent == b->rollout.max_unavailable.is_percent);
	ck_assert_pstr_eq(a->rollout.group_by, b->rollout.group_by);
	ck_assert_uint_eq(a->rollout.group_max_unavailable.value, b->rollout.group_max_unavailable.value);
	ck_assert(a->rollout.group_max_unavailable.is_percent == b->rollout.group_max_unavailable.is_percent);
	check_same_waves(a, b);
	ck_assert_pstr_eq(a->precheck.where, b->precheck.where);
	ck_assert(a->precheck.skips == b->precheck.skips);
	check_same_aborts(a, b);
	ck_assert(a->schedule.start_at_ms == b->schedule.start_at_ms);
	ck_assert(a->schedule.end_at_ms == b->schedule.end_at_ms);
	ck_assert_uint_eq(a->schedule.end_after_s, b->schedule.end_after_s);
	ck_assert_uint_eq(a->retry.max_attempts, b->retry.max_attempts);
	ck_assert(a->retry.on_refused == b->retry.on_refused);
	ck_assert(a->retry.on_no_proof == b->retry.on_no_proof);
	ck_assert(a->retry.doubtful_never == b->retry.doubtful_never);
	ck_assert_uint_eq(a->retry.backoff_s, b->retry.backoff_s);
	ck_assert_uint_eq(a->retry.backoff_max_s, b->retry.backoff_max_s);
	ck_assert(a->offline.wait == b->offline.wait);
	ck_assert_uint_eq(a->offline.expire_after_s, b->offline.expire_after_s);
	ck_assert_int_eq(a->verify.by, b->verify.by);
	ck_assert_pstr_eq(a->verify.path, b->verify.path);
	ck_assert(a->verify.path_is_profiles == b->verify.path_is_profiles);
	ck_assert_pstr_eq(a->verify.success, b->verify.success);
	ck_assert_pstr_eq(a->verify.failure, b->verify.failure);
	ck_assert_uint_eq(a->verify.timeout_s, b->verify.timeout_s);
	ck_assert_uint_eq(a->verify.settle_s, b->verify.settle_s);
	ck_assert(a->verify.accept_rewrite == b->verify.accept_rewrite);
}

START_TEST(test_what_is_stored_reads_back_the_same)
{
	static const char *const table[] = {
	        FULL,
	        ACTION("'type':'reboot'"),
	        ACTION("'type':'factoryReset'"),
	        ACTION("'type':'firmwareUpdate','payload':'x'"),
	        ACTION(METHOD),
	        TARGETS("'deviceIds':['a','b','c'],'order':'asGiven'"),
	        TARGETS("'where':'a = \\'\\\\é\\'','order':'byId'"),
	        TARGETS("'list':'tills','order':'asGiven'"),
	        REST("'rollout':{'waves':[{'upToCount':1,'gate':{}},{'name':'é\\'','upToPercent':100}],"
	             "'gate':{'approval':'start'},'group':{'by':'tags.a','maxUnavailable':7}}"),
	        REST("'abort':[{'cause':'refused','percent':100,'minFinished':1000000},{'count':1000000}]"),
	        REST("'retry':{'on':['refused']},'schedule\':{'endAfterSeconds':1,'startAt':'1969-12-31T23:59:59.999Z'}"),
	        REST("'retry':{'on':['noProof']},'schedule':{'endAt':'2026-12-08T01:02:03+01:00'}"),
	        REST("'schedule':{'blackouts':[{'from':'2026-12-24','to':'2026-12-26'}]}"),
	        REST("'schedule':{'mustFinishInWindow':true}"),
	        REST("'verify':{'by':'where','success':'a = 1','failure':'a = 2'}"),
	        REST("'verify':{'by':'where','success':'a = 1'}"),
	        REST("'verify':{'by':'none','settleSeconds':9}"),
	        WHOLE(METHOD, "'all':true", ",'verify':{'by':'reportedProperty','path':'a.b'}"),
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = parse_sound(table[i]), again;
		struct buf b = BUF_INIT;

		spec_render(&p.spec, &b);
		again = parse_n(b.data, b.len, true);
		ck_assert_int_eq(again.err, ERR_OK);
		check_same(&p.spec, &again.spec);
		parsed_done(&again);
		parsed_done(&p);
		buf_done(&b);
	}
}
END_TEST

/* --- patches --- */

/* A spec, stored, and patched by a text that is written as specs are here. */
static struct parsed patch_of(const char *spec, const char *patch)
{
	struct parsed old = parse_sound(spec), p = {.faults = FAULTS_INIT, .at = SIZE_MAX};
	char *json = json_of(patch);

	p.err = spec_patch(&old.spec, json, strlen(json), &p.spec, &p.faults, &p.at, p.reason);
	parsed_done(&old);
	free(json);
	return p;
}

START_TEST(test_a_live_campaigns_pace_gates_rules_and_end_can_be_patched)
{
	static const struct {
		const char *spec, *patch, *expected;
	} table[] = {
	        {FULL, "{}", FULL},
	        {FULL, FULL, FULL},
	        {REST("'rollout':{'ratePerMinute':5}"),
	         "{'rollout':{'ratePerMinute':7,'maxUnavailable':'3%'}}",
	         REST("'rollout':{'ratePerMinute':7,'maxUnavailable':'3%'}")},
	        {REST("'rollout':{'ratePerMinute':5,'maxUnavailable':5}"),
	         "{'rollout':{'ratePerMinute':null,'maxUnavailable':null}}", ACTION("'type':'reboot'")},
	        {REST("'rollout':{'group':{'by':'tags.a'}}"), "{'rollout':{'group':{'maxUnavailable':4}}}",
	         REST("'rollout':{'group':{'by':'tags.a','maxUnavailable':4}}")},
	        {REST("'rollout':{'gate':{'soakSeconds':5,'minSuccessPercent':9}}"),
	         "{'rollout':{'gate':{'approval':'each','soakSeconds':null}}}",
	         REST("'rollout':{'gate':{'minSuccessPercent':9,'approval':'each'}}")},
	        {REST("'rollout':{'waves':[{'name':'a','upToCount':1,'gate':{'soakSeconds':1}},{'upToPercent':100}]}"),
	         "{'rollout':{'gate':{'minSuccessPercent':9,'soakSeconds':9}}}",
	         REST("'rollout':{'gate':{'minSuccessPercent':9,'soakSeconds':9},'waves':[{'name':'a','upToCount':1,"
	              "'gate':{'soakSeconds':1}},{'upToPercent':100}]}")},
	        {REST("'rollout':{'waves':[{'upToCount':1,'gate':{'soakSeconds':1}},{'upToPercent':100}]}"),
	         "{'rollout':{'waves':[{'upToCount':1},{'upToPercent':100,'gate':{'approval':'each'}}]}}",
	         REST("'rollout':{'waves':[{'upToCount':1},{'upToPercent':100,'gate':{'approval':'each'}}]}")},
	        {REST("'abort':[{'count':1}]"), "{'abort':[{'percent':1},{'cause':'gone','count':2}]}",
	         REST("'abort':[{'percent':1},{'cause':'gone','count':2}]")},
	        {REST("'abort':[{'count':1}]"), "{'abort':null}", REST("'abort':[]")},
	        {REST("'retry':{'maxAttempts':2}"),
	         "{'retry':{'maxAttempts':3,'on':['noProof'],'backoffSeconds':5,'backoffMaxSeconds':6},"
	         "'offline':{'wait':false,'expireAfterSeconds':9}}",
	         REST("'retry':{'maxAttempts':3,'on':['noProof'],'backoffSeconds':5,'backoffMaxSeconds':6},"
	              "'offline':{'wait':false,'expireAfterSeconds':9}")},
	        {REST("'schedule':{'endAfterSeconds':5}"), "{'schedule':{'endAt':'2026-12-01T02:00:00Z'}}",
	         REST("'schedule':{'endAt':'2026-12-01T02:00:00Z'}")},
	        {REST("'schedule':{'endAt':'2026-12-01T02:00:00Z'}"), "{'schedule':{'endAfterSeconds':5}}",
	         REST("'schedule':{'endAfterSeconds':5}")},
	        {REST("'schedule':{'endAfterSeconds':5}"), "{'schedule':{'endAt':null}}",
	         REST("'schedule':{'endAfterSeconds':5}")},
	        {REST("'schedule':{'endAt':'2026-12-01T02:00:00Z'}"),
	         "{'schedule':{'endAt':null,'endAfterSeconds':6}}", REST("'schedule':{'endAfterSeconds':6}")},
	        {REST("'schedule':{'startAt':'2026-12-01T02:00:00Z'}"),
	         "{'schedule':{'startAt':'2026-12-01T03:00:00+01:00','endAfterSeconds':7}}",
	         REST("'schedule':{'startAt':'2026-12-01T02:00:00Z','endAfterSeconds':7}")},
	        {WHOLE("'type':'reboot','payload':{'a':21.7,'b':{'c':1}}", "'all':true", ""),
	         "{'action':{'payload':{'b':{'c':1,'d':null}}},'verify':null,'retry':{'maxAttempts':2}}",
	         WHOLE("'type':'reboot','payload':{'a':21.7,'b':{'c':1}}", "'all':true",
	               ",'retry':{'maxAttempts':2}")},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct parsed p = patch_of(table[i].spec, table[i].patch),
		              expected = parse_sound(table[i].expected);

		for (size_t f = 0; f < p.faults.n; f++)
			ck_assert_msg(false, "%s\n%s: %s", table[i].patch, p.faults.all[f].pointer,
			              p.faults.all[f].detail);
		ck_assert_int_eq(p.err, ERR_OK);
		check_same(&p.spec, &expected.spec);
		parsed_done(&p);
		parsed_done(&expected);
	}
}
END_TEST

struct unsound_patch {
	const char *spec;
	struct unsound patch;
};

static void check_unsound_patches(const struct unsound_patch *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct parsed p = patch_of(all[i].spec, all[i].patch.text);

		check_faults(&all[i].patch, &p);
		parsed_done(&p);
	}
}

START_TEST(test_a_patch_of_anything_else_has_a_fault_for_each_member)
{
	static const struct unsound_patch table[] = {
	        {FULL,
	         {"{'name':'m','hubs':null,'action':{'type':'factoryReset','payload':{'a':[2]}},'targets':{"
	          "'where':null,'all':true,'exclude':[],'seed':1},'precheck':null}",
	          {{"/name", "name cannot change once the campaign exists"},
	           {"/hubs", "hubs cannot change"},
	           {"/action/type", "type cannot change"},
	           {"/action/payload", "payload cannot change"},
	           {"/targets/where", "where cannot change"},
	           {"/targets/exclude", "exclude cannot change"},
	           {"/targets/seed", "seed cannot change"},
	           {"/targets/all", "all cannot change"},
	           {"/precheck", "precheck cannot change"}}}},
	        {FULL,
	         {"{'rollout':{'group':{'by':'tags.b'}},'schedule':{'startAt':null},'retry':{'doubtful':"
	          "'afterEvidence'},'verify':{'timeoutSeconds':11},'precheck':{'onFail':'wait'}}",
	          {{"/rollout/group/by", "by cannot change"},
	           {"/schedule/startAt", "startAt cannot change"},
	           {"/retry/doubtful", "doubtful cannot change"},
	           {"/verify/timeoutSeconds", "timeoutSeconds cannot change"},
	           {"/precheck/onFail", "onFail cannot change"}}}},
	        {FULL,
	         {"{'rollout':null}",
	          {{"/rollout/waves", "waves cannot change"}, {"/rollout/group", "group cannot change"}}}},
	        {FULL,
	         {"{'rollout':{'waves':[{'name':'Canary','upToCount':4},{'upToCount':5,'name':'b'},"
	          "{'upToPercent':100}]}}",
	          {{"/rollout/waves/0/name", "name cannot change"},
	           {"/rollout/waves/0/upToCount", "upToCount cannot change"},
	           {"/rollout/waves/1/upToPercent", "upToPercent cannot change"},
	           {"/rollout/waves/1/name", "name cannot change"},
	           {"/rollout/waves/1/upToCount", "upToCount cannot change"}}}},
	        {REST("'abort':[]"),
	         {"{'rollout':{'waves':[{'upToCount':4},{'upToPercent':100}],'group':{'by':'tags.a'}},'precheck':{"
	          "'where':'a = 1'},'hubs':['b'],'schedule':{'startAt':'2026-12-01T02:00:00Z'}}",
	          {{"/rollout/waves", "waves cannot change"},
	           {"/rollout/group", "group cannot change"},
	           {"/schedule/startAt", "startAt cannot change"},
	           {"/hubs", "hubs cannot change"},
	           {"/precheck", "precheck cannot change"}}}},
	        {TARGETS("'deviceIds':['a']"),
	         {"{'targets':{'deviceIds':['a','b']}}",
	          {{"/targets/deviceIds", "deviceIds cannot change"}}}},
	        {TARGETS("'deviceIds':['a']"),
	         {"{'targets':{'deviceIds':2}}", {{"/targets/deviceIds", "deviceIds cannot change"}}}},
	        {ACTION("'type':'reboot','payload':5"),
	         {"{'action':{'payload':{'a':1}}}", {{"/action/payload", "payload cannot change"}}}},
	};

	check_unsound_patches(table, sizeof table / sizeof *table);
}
END_TEST

START_TEST(test_an_unsound_patch_has_each_fault_once)
{
	static const struct unsound_patch table[] = {
	        {FULL, {"[]", {{"", "a patch must be an object, not a list"}}}},
	        {FULL, {"null", {{"", "a patch must be an object, not null"}}}},
	        {FULL,
	         {"{'rollout':5,'a/b':{'c':null},'name':null}",
	          {{"/a~1b", "unknown member \"a/b\""},
	           {"/name", "name is required"},
	           {"/rollout", "must be an object, not 5"}}}},
	        {FULL,
	         {"{'rollout':{'maxUnavailable':0,'waves':[{'upToCount':7},5,{'upToPercent':100}]},"
	          "'targets':{'all':true},'verify':{'relapseWatchSeconds':5}}",
	          {{"/targets", "exactly one of where, deviceIds, list or all, not both where and all"},
	           {"/rollout/waves/1", "must be an object, not 5"},
	           {"/rollout/maxUnavailable", "not 0"},
	           {"/targets/all", "all cannot change"},
	           {"/rollout/waves/0/upToCount", "upToCount cannot change"},
	           {"/verify/relapseWatchSeconds", "relapseWatchSeconds cannot change"}}}},
	        {FULL, /* a fault at what only begins like it is another's */
	         {"{'name':'m','nameX':1}", {{"/nameX", "unknown member"}, {"/name", "name cannot change"}}}},
	        {FULL, {"{'rollout':{'waves':5}}", {{"/rollout/waves", "must be a list, not 5"}}}},
	        {FULL, {"{'targets':{'exclude':['a b']}}", {{"/targets/exclude/0", "not \"a b\""}}}},
	        {FULL, {"{'rollout':{'waves':null},'what':1}", {{"/what", "unknown member"}}}},
	        {FULL,
	         {"{'schedule':{'endAt':'2026-12-09T00:00:00Z','endAfterSeconds':6}}",
	          {{"/schedule/endAfterSeconds", "must be left out where endAt is given"}}}},
	        {FULL,
	         {"{'retry':{'backoffSeconds':31622401},'schedule':{'startAt':null}}",
	          {{"/retry/backoffSeconds", "not 31622401"}}}},
	};

	check_unsound_patches(table, sizeof table / sizeof *table);
}
END_TEST

START_TEST(test_a_patch_that_is_not_json_has_a_place_and_a_reason)
{
	struct parsed p = patch_of(FULL, "{'rollout':");

	ck_assert_int_eq(p.err, ERR_INVALID);
	ck_assert_uint_eq(p.faults.n, 0);
	ck_assert_uint_eq(p.at, 11);
	ck_assert_ptr_nonnull(strstr(p.reason, "end of file"));
	parsed_done(&p);
	p = patch_of(FULL, "{'name':'a','name':'a'}");
	ck_assert_int_eq(p.err, ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(p.reason, "duplicate"));
	parsed_done(&p);
}
END_TEST

START_TEST(test_a_hundred_thousand_ids_are_read_in_order_and_fast)
{
	struct buf b = BUF_INIT;
	struct parsed p;
	clock_t began;
	char text[32];

	buf_puts(&b, "{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"deviceIds\":[");
	for (uint32_t i = 0; i < 100000; i++)
		buf_printf(&b, "%s\"gateway-%08x\"", i > 0 ? "," : "", i * 2654435761u);
	buf_puts(&b, "]}}");
	began = clock();
	p = parse_n(b.data, b.len, false);
	ck_assert_int_eq(p.err, ERR_OK);
	/* Some 50 ms; the rest is for sanitizers and slow machines, far below what comparing each with each
	 * takes. */
	ck_assert_msg(clock() - began < 2 * CLOCKS_PER_SEC, "%ld ticks", (long)(clock() - began));
	ck_assert_uint_eq(p.spec.targets.ids.n, 100000);
	ck_assert_uint_eq(p.spec.targets.ids_n, 100000);
	for (uint32_t i = 0; i < 100000; i++) {
		snprintf(text, sizeof text, "gateway-%08x", i * 2654435761u);
		ck_assert_str_eq(p.spec.targets.ids.all[i], text);
	}
	parsed_done(&p);
	buf_done(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-spec");

	TESTS(s, "faults", test_what_is_missing_is_named, test_wrong_types_are_told_with_what_was_given,
	      test_numbers_out_of_range_are_refused, test_unsound_texts_are_refused,
	      test_contradictions_are_refused, test_waves_that_do_not_cover_all_in_rising_steps_are_refused,
	      test_unsound_gates_are_refused, test_unsound_groups_lists_and_prechecks_are_refused,
	      test_unsound_abort_rules_are_refused, test_what_comes_later_is_refused_and_never_ignored,
	      test_unsound_windows_zones_and_blackouts_are_refused, test_unknown_members_are_refused_by_name,
	      test_paths_that_are_none_are_refused,
	      test_duplicate_ids_are_named_by_place_and_the_rest_counted, test_lengths_have_limits,
	      test_a_reader_gives_what_is_there_and_sound_and_leaves_the_rest_as_it_was,
	      test_a_payload_that_is_too_long_is_not_made_short_by_saying_another_number,
	      test_a_long_text_is_told_cut_between_its_characters,
	      test_faults_beyond_the_most_that_are_kept_are_counted);
	TESTS(s, "not json", test_what_is_not_json_has_a_place_and_a_reason,
	      test_deep_nesting_is_refused_and_less_deep_taken);
	TESTS(s, "hub jobs", test_what_a_hub_job_cannot_heed_is_refused_beside_it,
	      test_a_hub_job_takes_waves_and_limits_and_attaches_no_attempt_id);
	TESTS(s, "defaults", test_a_silent_spec_has_the_defaults_of_its_type,
	      test_settling_follows_the_profile_unless_nothing_is_verified,
	      test_a_path_is_taken_with_and_without_its_prefix,
	      test_the_longest_backoff_is_never_below_the_first, test_windows_are_rendered_as_they_are_read,
	      test_a_silent_device_time_zone_has_its_defaults,
	      test_later_members_may_be_said_where_they_ask_for_nothing,
	      test_a_device_id_may_have_all_the_characters_that_the_hub_allows);
	TESTS(s, "waves", test_a_wave_inherits_what_its_own_gate_does_not_say,
	      test_as_many_waves_as_allowed_are_taken_and_no_more,
	      test_waves_end_where_they_should_for_any_number_of_targets,
	      test_every_target_is_in_the_wave_that_ends_behind_it);
	TESTS(s, "patches", test_a_live_campaigns_pace_gates_rules_and_end_can_be_patched,
	      test_a_patch_of_anything_else_has_a_fault_for_each_member,
	      test_an_unsound_patch_has_each_fault_once,
	      test_a_patch_that_is_not_json_has_a_place_and_a_reason);
	TESTS(s, "payload and limits", test_the_attempt_id_is_added_where_wanted_and_possible,
	      test_limits_round_down_and_are_at_least_one);
	TESTS(s, "rendering", test_a_spec_is_rendered_with_its_defaults_in_the_contracts_order,
	      test_what_is_stored_reads_back_the_same,
	      test_a_hundred_thousand_ids_are_read_in_order_and_fast);
	return suite_run(s);
}
