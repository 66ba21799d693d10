#include "tests/lib/suite.h"
#include "chaos.h"
#define RETRY \
	"\"retry\":{\"maxAttempts\":3,\"on\":[\"refused\",\"noProof\"],\"backoffSeconds\":60,\"backoffMaxSeconds\":90}"
#define BY_NONE "\"verify\":{\"by\":\"none\",\"settleSeconds\":0}"
#define GROUP(n) "\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":" n "}"
#define THREE_WAVES "\"waves\":[{\"upToCount\":1},{\"upToPercent\":50},{\"upToPercent\":100}]"
#define QUICK "\"verify\":{\"timeoutSeconds\":60}"

static const struct chaos_members lucky[] = {
        {"\"rollout\":{" THREE_WAVES "}", "\"rollout\":{" THREE_WAVES ",\"gate\":{\"approval\":\"each\"}}"},
        {"\"rollout\":{" THREE_WAVES ",\"gate\":{\"minSuccessPercent\":60,\"soakSeconds\":30}}",
         "\"rollout\":{" THREE_WAVES ",\"gate\":{\"minSuccessPercent\":20,\"soakSeconds\":300}}"},
        {"\"rollout\":{" THREE_WAVES ",\"gate\":{\"approval\":\"start\",\"minSuccessPercent\":100}}," RETRY,
         "\"rollout\":{" THREE_WAVES ",\"gate\":{\"approval\":\"start\",\"minSuccessPercent\":30}}"},
        {"\"rollout\":{\"waves\":[{\"upToPercent\":20,\"gate\":{\"approval\":\"each\",\"soakSeconds\":7}},"
         "{\"upToPercent\":40},{\"upToPercent\":100}],\"gate\":{\"minSuccessPercent\":50,\"approval\":"
         "\"afterFirst\"},\"maxUnavailable\":2," GROUP("1") "}," QUICK,
         NULL},
        {"\"rollout\":{" GROUP("1") "}", "\"rollout\":{\"ratePerMinute\":30," GROUP("3") "}"},
        {"\"rollout\":{" GROUP("\"50%\"") "}," QUICK "," RETRY, "\"rollout\":{" GROUP("1") "}," QUICK},
        {"\"rollout\":{" GROUP("2") "},\"precheck\":{\"where\":\"properties.reported.v = 1\"}", NULL},
        {"\"rollout\":{" GROUP("1") "},\"offline\":{\"expireAfterSeconds\":900}," QUICK
         ",\"precheck\":{\"where\":\"properties.reported.v = 1\",\"onFail\":\"skip\"}," RETRY, NULL},
        {BY_NONE ",\"rollout\":{" GROUP("1") "},\"precheck\":{\"where\":\"properties.reported.v = 1\"}", NULL},
        {"\"abort\":[{\"cause\":\"any\",\"percent\":40,\"minFinished\":3,\"do\":\"pause\"},"
         "{\"cause\":\"noProof\",\"count\":2,\"do\":\"cancel\"}]," QUICK,
         "\"abort\":[{\"cause\":\"refused\",\"count\":1,\"do\":\"pause\"}]," QUICK},
        {"\"abort\":[{\"cause\":\"any\",\"count\":1,\"do\":\"pause\"}],\"rollout\":{" THREE_WAVES
         ",\"gate\":{\"minSuccessPercent\":90}," GROUP("1") "}",
         "\"rollout\":{" THREE_WAVES "," GROUP("2") "}"},
};

START_TEST(test_promises_hold_whatever_happens)
{
	chaos_runs(4000, lucky, sizeof lucky / sizeof *lucky);
}
END_TEST
START_TEST(test_the_same_facts_give_the_same_steps)
{
	chaos_repeats(20, lucky, sizeof lucky / sizeof *lucky);
}
END_TEST
int main(void){
	Suite *s = suite_create("campaign-rollout");
	TESTS(s, "luck", test_promises_hold_whatever_happens, test_the_same_facts_give_the_same_steps);
	return suite_run(s);
}
