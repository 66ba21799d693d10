/* api: see assets.h */
#include "api/assets.h"

#include <stddef.h>
#include <string.h>

#include "api/gzip.h"
#include "api/request.h"

struct asset {
	const char *name, *type;
	const char *etag; /* quoted; two bodies that differ have two strong tags (RFC 9110 8.8.3) */
	const char *gzip_etag;
	const unsigned char *gzip;
	size_t gzip_len, plain_len;
};

/* ASSETS_VERSION, and assets, the first of which is the page */
#include "api/assets.inc"
#define ASSETS_N (sizeof assets / sizeof *assets)

/* Scripts, styles and pictures of our own only, no inline ones; no text ever becomes markup or code. */
#define POLICY \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " \
	"require-trusted-types-for 'script'; trusted-types 'none'"

const char *assets_version(void)
{
	return ASSETS_VERSION;
}

static void send(struct request *r, const struct asset *a, const char *cache)
{
	bool is_gzip = request_takes_gzip(r);
	const char *etag = is_gzip ? a->gzip_etag : a->etag;
	struct buf body = BUF_INIT;

	reply_header(r, "Cache-Control", cache);
	reply_header(r, "Content-Security-Policy", POLICY);
	reply_header(r, "Cross-Origin-Opener-Policy", "same-origin");
	reply_header(r, "ETag", etag);
	reply_header(r, "Vary", "Accept-Encoding");
	if (request_has_already(r, etag)) {
		reply_empty(r, 304);
		return;
	}
	if (is_gzip) {
		reply_header(r, "Content-Encoding", "gzip");
		buf_put(&body, a->gzip, a->gzip_len);
	} else {
		gzip_open(&body, a->gzip, a->gzip_len, a->plain_len);
	}
	reply(r, 200, a->type, &body);
}

void assets_page(struct request *r)
{
	send(r, &assets[0], "no-cache");
}

void assets_file(struct request *r)
{
	for (size_t i = 1; i < ASSETS_N && strcmp(r->parts[0], ASSETS_VERSION) == 0; i++) {
		if (strcmp(r->parts[1], assets[i].name) == 0) {
			send(r, &assets[i], "public, max-age=31536000, immutable");
			return;
		}
	}
	reply_problem(r, PROBLEM_NOT_FOUND, "the dashboard of this service has no such file");
}
