/* bench: so many calls over server/hub/http.h, 64 at once, to be counted by callgrind: calls URL N [libcurl]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "server/hub/http.h"

#define AT_ONCE 64

static struct http *http;
static unsigned long to_ask, to_come;

static void on_answer(void *arg, const struct http_answer *answer);

static void ask(void)
{
	static const char body[] =
	        "{\"methodName\":\"reboot\",\"responseTimeoutInSeconds\":30,"
	        "\"connectTimeoutInSeconds\":0,\"payload\":{\"attemptId\":\"01kd5x2w6t3m9q7r-17-1\"}}";
	struct http_request r = {.method = "POST",
	                         .path = "/twins/device-0000001/methods?api-version=2021-04-12",
	                         .authorization =
	                                 "SharedAccessSignature sr=hub.example&sig=0erPtW%2BUZwK56IPujRFtwej1"
	                                 "EwQMsCuQYucBqMXo%2FLU%3D&skn=service&se=1893456000",
	                         .content_type = "application/json; charset=utf-8",
	                         .body = body,
	                         .body_bytes = sizeof body - 1,
	                         .timeout_ms = 60000,
	                         .answer_max_bytes = 65536};

	to_ask--;
	if (http_send(http, &r, on_answer, NULL) != ERR_OK)
		abort();
}

static void on_freed(void *arg)
{
	(void)arg;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	(void)arg;
	if (answer->err != ERR_OK || answer->status != 200)
		abort();
	if (to_ask > 0)
		ask();
	if (--to_come == 0)
		http_free(http, on_freed, NULL);
}

int main(int argc, char **argv)
{
	struct http_options options = {.loop = uv_default_loop(),
	                               .base_url = argc > 1 ? argv[1] : "",
	                               .is_wired = argc < 4,
	                               .connections_max = AT_ONCE};

	if (argc < 3 || http_new(&options, &http) != ERR_OK)
		return 2;
	to_ask = to_come = strtoul(argv[2], NULL, 10);
	for (unsigned i = 0; i < AT_ONCE && to_ask > 0; i++)
		ask();
	uv_run(options.loop, UV_RUN_DEFAULT);
	return to_come == 0 ? 0 : 1;
}
