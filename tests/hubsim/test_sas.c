/* tests: tests/hubsim/sas.h, auth.h */
#include "tests/lib/suite.h"

#include <string.h>

#include "tests/hubsim/auth.h"
#include "tests/hubsim/sas.h"

/* The vectors of contract 1.2, made with real clients and checked with another HMAC. */
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HUB "SharedAccessSignature sr=myhub.azure-devices.net&"
#define DEVICE "SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fdev-1&"

#define NOW_MS 1893455999999 /* just before the vectors expire */
#define HOST "hub.example"

static bool is_good(const char *header)
{
	struct sas_token token;
	struct sas_key key;

	ck_assert(sas_key_read(KEY, &key));
	return sas_read(header, &token) && sas_is_signed_by(&token, &key);
}

START_TEST(test_vectors_of_the_contract_are_good)
{
	ck_assert(is_good(
	        HUB "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&skn=service&se=1893456000"));
	ck_assert(is_good(
	        HUB "sig=L%2F4MIp4z11KCiLNdABALTAichg8jxTYme%2B2qN6%2B%2FAD0%3D&skn=service&se=1893456002"));
	ck_assert(is_good(DEVICE "sig=xGx18r8CP%2FGty2onrPdoP%2FXp6ZZ6Kkd1JKx602k4MeM%3D&se=1893456000"));
}
END_TEST

START_TEST(test_order_of_fields_and_spelling_of_escapes_do_not_matter)
{
	ck_assert(is_good(
	        "SharedAccessSignature se=1893456000&skn=service&sig=0erPtW%2bUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2fLU%3d"
	        "&sr=myhub.azure-devices.net"));
	/* Python leaves "/" as it is, and a bare "+" or "=" is itself */
	ck_assert(is_good(HUB "sig=0erPtW+UZwK56IPujRFtwej1EwQMsCuQYucBqMXo/LU=&skn=service&se=1893456000"));
}
END_TEST

START_TEST(test_any_change_of_what_is_signed_spoils_a_token)
{
	ck_assert(!is_good(
	        HUB "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&skn=service&se=1893456001"));
	ck_assert(
	        !is_good("SharedAccessSignature sr=Myhub.azure-devices.net&"
	                 "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&skn=service&se=1893456000"));
	ck_assert(!is_good(
	        HUB "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLA%3D&skn=service&se=1893456000"));
}
END_TEST

START_TEST(test_what_is_no_token_is_refused)
{
	static const char *const broken[] = {
	        "",
	        "Bearer abc",
	        "SharedAccessSignature ",
	        "SharedAccessSignature sr=h&se=1",                                              /* no sig */
	        "SharedAccessSignature sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D", /* nothing
	                                                                                           else */
	        HUB "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&se=",
	        HUB "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&se=-1",
	        HUB "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&se=1&se=2",
	        HUB "sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&se=1&skn",
	        HUB "sig=0erPtW%2&se=1",
	        HUB "sig=0erPtW%00&se=1",
	        HUB "sig=AAAA&se=1", /* three bytes */
	        HUB "sig=&se=1",
	        HUB "sig=****&se=1",
	};
	struct sas_token token;

	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		ck_assert_msg(!sas_read(broken[i], &token), "%s", broken[i]);
}
END_TEST

START_TEST(test_a_scope_covers_whole_segments_of_its_host_only)
{
	ck_assert(sas_resource_covers("hub.example", HOST, "/twins/d"));
	ck_assert(sas_resource_covers("HUB.example:8443", HOST, "/twins/d"));
	ck_assert(sas_resource_covers("hub.example/", HOST, "/twins/d"));
	ck_assert(sas_resource_covers("hub.example/devices/dev-1", HOST, "/devices/dev-1"));
	ck_assert(sas_resource_covers("hub.example/devices/dev-1/", HOST, "/devices/dev-1/modules/m"));
	ck_assert(!sas_resource_covers("hub.example/devices/dev-1", HOST, "/devices/dev-10"));
	ck_assert(!sas_resource_covers("hub.example/devices/dev-1", HOST, "/devices"));
	ck_assert(!sas_resource_covers("hub.example/devices/dev-1", HOST, "/devices/DEV-1"));
	ck_assert(!sas_resource_covers("hub.example.org", HOST, "/"));
	ck_assert(!sas_resource_covers("hub", HOST, "/"));
	ck_assert(!sas_resource_covers("", HOST, "/"));
}
END_TEST

START_TEST(test_keys_are_read_and_written_as_base64)
{
	struct buf text = BUF_INIT;
	struct sas_key key;

	ck_assert(sas_key_read(KEY, &key));
	ck_assert_uint_eq(key.len, 32);
	ck_assert_uint_eq(key.bytes[31], 0x1f);
	sas_key_write(&key, &text);
	ck_assert_str_eq(text.data, KEY);
	ck_assert(!sas_key_read("", &key));
	ck_assert(!sas_key_read("AAE", &key));
	ck_assert(!sas_key_read(" AAE", &key));
	ck_assert(!sas_key_read("A===", &key));
	buf_done(&text);
}
END_TEST

START_TEST(test_a_written_token_has_the_signature_of_the_vector)
{
	struct buf text = BUF_INIT;
	struct sas_key key;

	ck_assert(sas_key_read(KEY, &key));
	sas_write("myhub.azure-devices.net", "service", &key, 1893456000, &text);
	ck_assert_str_eq(text.data, HUB
	                 "sig=0erPtW%2bUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2fLU%3d&se=1893456000&skn=service");
	buf_done(&text);
}
END_TEST

/* --- auth ----------------------------------------------------------------------------------------------- */

static bool may(struct auth *a, const char *policy, const char *method, const char *target)
{
	struct buf token = BUF_INIT;
	bool ok;

	auth_token(a, policy, false, NOW_MS / 1000 + 3600, &token);
	ok = auth_permits(a, token.data, method, target, NOW_MS);
	/* the second time it is remembered, and means the same */
	ck_assert_int_eq(auth_permits(a, token.data, method, target, NOW_MS), ok);
	buf_done(&token);
	return ok;
}

START_TEST(test_each_policy_has_the_rights_of_contract_1_3)
{
	static const struct {
		const char *method, *target, *policies; /* who may, of O S D R W */
	} rows[] = {
	        {"GET", "/twins/d?api-version=2021-04-12", "OS"},
	        {"PATCH", "/twins/d", "OS"},
	        {"POST", "/twins/d/methods?api-version=2021-04-12", "OS"},
	        {"POST", "/%74wins/d/methods", "OS"},
	        {"POST", "/devices/query?api-version=2021-04-12", "OS"},
	        {"GET", "/devices/query", "ORW"}, /* a device of that name */
	        {"GET", "/jobs/v2/j", "OS"},
	        {"GET", "/devices/", "ORW"},
	        {"GET", "/devices/d", "ORW"},
	        {"GET", "/statistics/devices", "ORW"},
	        {"PUT", "/devices/d", "OW"},
	        {"POST", "/devices", "OW"},
	        {"DELETE", "/devices/d", "OW"},
	        {"GET", "/nothing", "OSDRW"},
	        {"GET", "/twins/%zz", ""},
	};
	static const char *const policies[] = {"iothubowner", "service", "device", "registryRead",
	                                       "registryReadWrite"};
	struct auth *a = auth_new(HOST, "secret");

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (size_t p = 0; p < 5; p++)
			ck_assert_msg(may(a, policies[p], rows[i].method, rows[i].target) ==
			                      (strchr(rows[i].policies, "OSDRW"[p]) != NULL),
			              "%s %s by %s", rows[i].method, rows[i].target, policies[p]);
	}
	auth_free(a);
}
END_TEST

START_TEST(test_a_remembered_token_still_expires)
{
	struct auth *a = auth_new(HOST, "secret");
	struct buf token = BUF_INIT;

	auth_token(a, "service", false, 1000, &token);
	ck_assert(auth_permits(a, token.data, "GET", "/twins/d", 999999));
	ck_assert(!auth_permits(a, token.data, "GET", "/twins/d", 1000000));
	ck_assert(auth_permits(a, token.data, "GET", "/twins/d", 999999));
	buf_done(&token);
	auth_free(a);
}
END_TEST

START_TEST(test_a_bearer_token_is_good_for_all_if_it_is_the_one_and_for_no_device)
{
	struct auth *a = auth_new(HOST, "secret");
	int64_t until;

	ck_assert(!auth_permits(a, "Bearer good", "GET", "/twins/d1", 0));
	auth_accept_bearer(a, "good");
	ck_assert(auth_permits(a, "Bearer good", "GET", "/twins/d1", 0));
	ck_assert(auth_permits(a, "bearer good", "DELETE", "/devices/d1", 0));
	ck_assert(!auth_permits(a, "Bearer goo", "GET", "/twins/d1", 0));
	ck_assert(!auth_permits(a, "Bearer goods", "GET", "/twins/d1", 0));
	ck_assert(!auth_permits(a, "good", "GET", "/twins/d1", 0));
	ck_assert(!auth_permits_device(a, "good", "d1", "AAAA", "AAAA", 0, &until));
	auth_free(a);
}
END_TEST

START_TEST(test_the_secondary_key_is_another_and_as_good)
{
	struct auth *a = auth_new(HOST, "secret");
	struct buf first = BUF_INIT, second = BUF_INIT;

	auth_token(a, "service", false, NOW_MS, &first);
	auth_token(a, "service", true, NOW_MS, &second);
	ck_assert_str_ne(first.data, second.data);
	ck_assert(auth_permits(a, second.data, "GET", "/twins/d", NOW_MS));
	buf_done(&first);
	buf_done(&second);
	auth_free(a);
}
END_TEST

/* The key of the connection string, and a token of our own making. */
START_TEST(test_tokens_of_other_hubs_keys_policies_and_paths_are_refused)
{
	struct auth *a = auth_new(HOST, "secret"), *other = auth_new(HOST, "another secret");
	struct buf string = BUF_INIT, token = BUF_INIT;
	struct sas_key key;

	auth_connection_string(a, "service", false, &string);
	ck_assert(strncmp(string.data, "HostName=" HOST ";SharedAccessKeyName=service;", 46) == 0);
	ck_assert(sas_key_read(strstr(string.data, "SharedAccessKey=") + strlen("SharedAccessKey="), &key));
	sas_write(HOST, "service", &key, NOW_MS, &token);
	ck_assert(auth_permits(a, token.data, "GET", "/twins/d", NOW_MS));
	ck_assert(!auth_permits(other, token.data, "GET", "/twins/d", NOW_MS));
	buf_reset(&token);
	sas_write("hub2.example", "service", &key, NOW_MS, &token);
	ck_assert(!auth_permits(a, token.data, "GET", "/twins/d", NOW_MS));
	buf_reset(&token);
	sas_write(HOST, "iothubowner", &key, NOW_MS, &token);
	ck_assert(!auth_permits(a, token.data, "GET", "/twins/d", NOW_MS));
	buf_reset(&token);
	sas_write(HOST, "nobody", &key, NOW_MS, &token);
	ck_assert(!auth_permits(a, token.data, "GET", "/twins/d", NOW_MS));
	buf_reset(&token);
	sas_write(HOST "/twins/d", "service", &key, NOW_MS, &token);
	ck_assert(auth_permits(a, token.data, "GET", "/twins/d", NOW_MS));
	ck_assert(!auth_permits(a, token.data, "GET", "/twins/d2", NOW_MS));
	ck_assert(!auth_permits(a, NULL, "GET", "/twins/d", NOW_MS));
	buf_done(&string);
	buf_done(&token);
	auth_free(a);
	auth_free(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sas");

	TESTS(s, "sas", test_vectors_of_the_contract_are_good,
	      test_order_of_fields_and_spelling_of_escapes_do_not_matter,
	      test_any_change_of_what_is_signed_spoils_a_token, test_what_is_no_token_is_refused,
	      test_a_scope_covers_whole_segments_of_its_host_only, test_keys_are_read_and_written_as_base64,
	      test_a_written_token_has_the_signature_of_the_vector);
	TESTS(s, "auth", test_each_policy_has_the_rights_of_contract_1_3,
	      test_a_remembered_token_still_expires,
	      test_a_bearer_token_is_good_for_all_if_it_is_the_one_and_for_no_device,
	      test_the_secondary_key_is_another_and_as_good,
	      test_tokens_of_other_hubs_keys_policies_and_paths_are_refused);
	return suite_run(s);
}
