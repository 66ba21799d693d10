/* tests: server/webhook: endpoints, message */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/secret.h"
#include "server/webhook/endpoints.h"
#include "server/webhook/message.h"

static char file[64];

static void write_file(const char *text)
{
	FILE *out;

	snprintf(file, sizeof file, "/tmp/test_webhook.%d", (int)getpid());
	out = fopen(file, "w");
	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	fclose(out);
}

static void remove_file(void)
{
	unlink(file);
	secret_forget_all();
}

/* The example of the specification's own libraries (standard-webhooks, tests of the reference
 * implementations). */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

START_TEST(test_a_signature_is_that_of_the_specification)
{
	static const char body[] = "{\"test\": 2432232314}";
	char reason[MESSAGE_REASON_SIZE];
	struct message_keys keys;
	struct buf out = BUF_INIT;

	write_file(SECRET "\n");
	ck_assert_int_eq(message_keys_read(file, &keys, reason), ERR_OK);
	message_sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), &out);
	ck_assert_str_eq(out.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	message_keys_done(&keys);
	buf_done(&out);
}
END_TEST

START_TEST(test_two_secrets_give_two_signatures)
{
	char reason[MESSAGE_REASON_SIZE];
	struct message_keys keys;
	struct buf out = BUF_INIT;

	write_file("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" SECRET);
	ck_assert_int_eq(message_keys_read(file, &keys, reason), ERR_OK);
	message_sign(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}", 20, &out);
	ck_assert_uint_eq(strlen(out.data), 2 * 47 + 1);
	ck_assert_str_eq(out.data + 48, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	message_keys_done(&keys);
	buf_done(&out);
}
END_TEST

START_TEST(test_what_is_no_secret_is_refused_without_being_quoted)
{
	static const char *const wrong[] = {"",
	                                    "\n",
	                                    "whsec_c2hvcnQ=",
	                                    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	                                    "whsec_not base64",
	                                    "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	                                    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	                                    SECRET "\n" SECRET "\n" SECRET};
	char reason[MESSAGE_REASON_SIZE];
	struct message_keys keys;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_file(wrong[i]);
		ck_assert_int_eq(message_keys_read(file, &keys, reason), ERR_INVALID);
		ck_assert_ptr_null(strstr(reason, "MfKQ9"));
	}
	unlink(file);
	ck_assert_int_eq(message_keys_read(file, &keys, reason), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_a_message_tells_the_event_and_has_its_id_for_ever)
{
	struct event event = {.id = 17,
	                      .at_ms = 1000,
	                      .type = EVENT_CAMPAIGN,
	                      .campaign = 1,
	                      .from = CAMPAIGN_RUNNING,
	                      .to = CAMPAIGN_PAUSED,
	                      .detail = "\"stateReason\":\"abort rule 0\",\"stoppedBy\":\"abortRule\""};
	char id[MESSAGE_ID_SIZE];
	struct buf body = BUF_INIT;

	message_render(&event, "c1", &body, id);
	ck_assert_str_eq(id, "c1_17_1000");
	ck_assert_str_eq(body.data,
	                 "{\"type\":\"campaign.paused\",\"timestamp\":\"1970-01-01T00:00:01.000Z\",\"data\":{"
	                 "\"id\":17,\"at\":\"1970-01-01T00:00:01.000Z\",\"type\":\"campaign\",\"campaignId\":"
	                 "\"c1\",\"from\":\"running\",\"to\":\"paused\",\"stateReason\":\"abort rule 0\","
	                 "\"stoppedBy\":\"abortRule\"}}");
	buf_reset(&body);
	event.to = CAMPAIGN_RUNNING;
	event.detail = NULL;
	message_render(&event, "c1", &body, id);
	ck_assert_ptr_nonnull(strstr(body.data, "\"campaign.created\""));
	event.type = EVENT_TARGET;
	ck_assert(!message_is_told(&event));
	event.type = EVENT_WAVE;
	ck_assert(message_is_told(&event));
	buf_reset(&body);
	event.detail = "";
	message_render(&event, "c1", &body, id);
	ck_assert_ptr_nonnull(strstr(body.data, "\"type\":\"wave.moved\""));
	ck_assert_ptr_nonnull(strstr(body.data, "\"campaignId\":\"c1\"}}"));
	buf_done(&body);
}
END_TEST

static bool has_fault(const struct faults *f, const char *pointer, const char *detail)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->all[i].pointer, pointer) == 0 && strstr(f->all[i].detail, detail) != NULL)
			return true;
	return false;
}

START_TEST(test_all_that_is_wrong_with_webhooks_is_told_at_once)
{
	struct faults faults = FAULTS_INIT;
	struct endpoints all;
	char text[1024];

	write_file(SECRET);
	snprintf(
	        text, sizeof text,
	        "[{\"name\":\"a b\",\"url\":\"http://example.com/\",\"secretFile\":\"/nowhere\"},"
	        " {\"name\":\"c\",\"url\":\"https://user:pw@example.com/\",\"secretFile\":\"%s\",\"giveUpSeconds\":0},"
	        " {\"name\":\"c\",\"url\":\"https://example.com/x#y\",\"secretFile\":\"%s\",\"color\":1}, 7, {}]",
	        file, file);
	ck_assert_int_eq(endpoints_parse(text, strlen(text), &all, &faults), ERR_INVALID);
	ck_assert(has_fault(&faults, "/0/name", "letters"));
	ck_assert(has_fault(&faults, "/0/url", ""));
	ck_assert(has_fault(&faults, "/0/secretFile", "cannot be read"));
	ck_assert(has_fault(&faults, "/1/url", ""));
	ck_assert(has_fault(&faults, "/1/giveUpSeconds", ""));
	ck_assert(has_fault(&faults, "/2/name", "another webhook"));
	ck_assert(has_fault(&faults, "/2/url", "fragment"));
	ck_assert(has_fault(&faults, "/2/color", ""));
	ck_assert(has_fault(&faults, "/3", "object"));
	ck_assert(has_fault(&faults, "/4/name", "missing"));
	ck_assert(has_fault(&faults, "/4/url", "missing"));
	ck_assert(has_fault(&faults, "/4/secretFile", "missing"));
	ck_assert_uint_eq(all.n, 0);
	faults_done(&faults);
}
END_TEST

START_TEST(test_a_url_is_cut_behind_its_host)
{
	struct faults faults = FAULTS_INIT;
	struct endpoints all;
	char text[256];

	write_file(SECRET);
	snprintf(text, sizeof text,
	         "[{\"name\":\"ops\",\"url\":\"https://hooks.example:8443/a/b?c=d\",\"secretFile\":\"%s\"}]",
	         file);
	ck_assert_int_eq(endpoints_parse(text, strlen(text), &all, &faults), ERR_OK);
	ck_assert_uint_eq(all.n, 1);
	ck_assert_str_eq(all.all[0].base_url, "https://hooks.example:8443");
	ck_assert_str_eq(all.all[0].path, "/a/b?c=d");
	ck_assert_uint_eq(all.all[0].give_up_s, 86400);
	endpoints_done(&all);
	faults_done(&faults);
}
END_TEST

START_TEST(test_each_member_has_its_type_and_its_size)
{
	struct faults faults = FAULTS_INIT;
	struct endpoints all;
	char text[1024];

	write_file(SECRET);
	snprintf(text, sizeof text,
	         "[{\"name\":7,\"url\":7,\"secretFile\":7},"
	         " {\"name\":\"\",\"url\":\"nowhere\",\"secretFile\":\"%s\",\"caFile\":7},"
	         " {\"name\":\"%065d\",\"url\":\"https://example.com?x\",\"secretFile\":\"%s\"},"
	         " {\"name\":\"d\",\"url\":\"https://example.com#f\",\"secretFile\":\"%s\"}]",
	         file, 0, file, file);
	ck_assert_int_eq(endpoints_parse(text, strlen(text), &all, &faults), ERR_INVALID);
	ck_assert(has_fault(&faults, "/0/name", "text"));
	ck_assert(has_fault(&faults, "/0/url", "text"));
	ck_assert(has_fault(&faults, "/0/secretFile", "text"));
	ck_assert(has_fault(&faults, "/1/name", "letters"));
	ck_assert(has_fault(&faults, "/1/url", ""));
	ck_assert(has_fault(&faults, "/1/caFile", "text"));
	ck_assert(has_fault(&faults, "/2/name", "letters"));
	ck_assert(has_fault(&faults, "/2/url", "path before"));
	ck_assert(has_fault(&faults, "/3/url", "path before"));
	faults_done(&faults);
}
END_TEST

START_TEST(test_what_is_no_list_of_webhooks_is_refused)
{
	static const char *const wrong[] = {"{", "{}", "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct faults faults = FAULTS_INIT;
		struct endpoints all;

		ck_assert_int_eq(endpoints_parse(wrong[i], strlen(wrong[i]), &all, &faults), ERR_INVALID);
		ck_assert(has_fault(&faults, "", "array of at most 16"));
		ck_assert_uint_eq(all.n, 0);
		faults_done(&faults);
	}
}
END_TEST

START_TEST(test_a_url_without_a_path_has_the_shortest_one)
{
	struct faults faults = FAULTS_INIT;
	struct endpoints all;
	char text[256];

	write_file(SECRET);
	snprintf(text, sizeof text,
	         "[{\"name\":\"ops\",\"url\":\"https://hooks.example\",\"secretFile\":\"%s\","
	         "\"caFile\":\"/ca.pem\",\"giveUpSeconds\":60}]",
	         file);
	ck_assert_int_eq(endpoints_parse(text, strlen(text), &all, &faults), ERR_OK);
	ck_assert_str_eq(all.all[0].path, "/");
	ck_assert_str_eq(all.all[0].ca_file, "/ca.pem");
	ck_assert_uint_eq(all.all[0].give_up_s, 60);
	endpoints_done(&all);
	faults_done(&faults);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("webhook-message");
	TCase *tc = tcase_create("messages");

	tcase_add_checked_fixture(tc, NULL, remove_file);
	tcase_add_test(tc, test_a_signature_is_that_of_the_specification);
	tcase_add_test(tc, test_two_secrets_give_two_signatures);
	tcase_add_test(tc, test_what_is_no_secret_is_refused_without_being_quoted);
	tcase_add_test(tc, test_a_message_tells_the_event_and_has_its_id_for_ever);
	tcase_add_test(tc, test_all_that_is_wrong_with_webhooks_is_told_at_once);
	tcase_add_test(tc, test_a_url_is_cut_behind_its_host);
	tcase_add_test(tc, test_each_member_has_its_type_and_its_size);
	tcase_add_test(tc, test_what_is_no_list_of_webhooks_is_refused);
	tcase_add_test(tc, test_a_url_without_a_path_has_the_shortest_one);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
