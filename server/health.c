/* server: see health.h */
#include "server/health.h"

#include <curl/curl.h>
#include <signal.h>
#include <string.h>

#include "server/base/buf.h"

#define PATIENCE_MS 3000

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

static void put_url(struct buf *url, const char *address, uint16_t port, bool is_tls)
{
	const char *at = strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1"
	                 : strcmp(address, "::") == 0    ? "::1"
	                                                 : address;

	buf_printf(url, strchr(at, ':') != NULL ? "%s://[%s]:%u/readyz" : "%s://%s:%u/readyz",
	           is_tls ? "https" : "http", at, (unsigned)port);
}

enum err health_ask(const char *address, uint16_t port, bool is_tls, char **ret_reason)
{
	char why[CURL_ERROR_SIZE] = "";
	struct buf url = BUF_INIT, reason = BUF_INIT;
	CURL *easy = curl_easy_init();
	CURLcode code = CURLE_FAILED_INIT;
	enum err err = ERR_OK;
	long status = 0;

	signal(SIGPIPE, SIG_IGN); /* which TLS may raise at its end, and NOSIGNAL leaves to us */
	put_url(&url, address, port, is_tls);
	if (easy != NULL) {
		curl_easy_setopt(easy, CURLOPT_URL, url.data);
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* http_proxy is for others */
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
		code = curl_easy_perform(easy);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	}
	if (code != CURLE_OK) {
		buf_printf(&reason, "%s: %s", url.data, why[0] != '\0' ? why : curl_easy_strerror(code));
		err = ERR_IO;
	} else if (status != 200) {
		buf_printf(&reason, "%s: answered %ld", url.data, status);
		err = ERR_BUSY;
	}
	if (err != ERR_OK)
		*ret_reason = buf_take(&reason);
	curl_easy_cleanup(easy);
	buf_done(&reason);
	buf_done(&url);
	return err;
}
