/* server/issuer: keeps the keys of the OpenID Connect issuer (api/oidc.h) fresh: its discovery document, then
 * the key set that this names, every hour, and sooner where a token names a key that is not among them, but
 * not more often than every ISSUER_FLOOR_MS. While the issuer cannot be asked the keys stay, for a day. Loop
 * thread only. */
#ifndef ROLLCALL_SERVER_ISSUER_H
#define ROLLCALL_SERVER_ISSUER_H

#include <stdint.h>

#define ISSUER_FLOOR_MS 10000

struct issuer;
struct oidc;
struct uv_loop_s;

struct issuer_options {
	struct uv_loop_s *loop;     /* keeps */
	struct oidc *oidc;          /* keeps */
	const char *url;            /* the issuer's, https, or http to loopback; borrows */
	const char *ca_file;        /* trusted instead of the system's; NULL: the system's; borrows */
	void (*on_wake)(void *arg); /* issuer_run() is to be called soon */
	void *arg;
};

struct issuer *issuer_new(const struct issuer_options *options);
/* Does what is due; gives in how many ms to be called again. */
int64_t issuer_run(struct issuer *i, int64_t now_mono_ms);
/* Ends what is out, then frees i and calls on_freed from the loop. */
void issuer_free(struct issuer *i, void (*on_freed)(void *arg), void *arg);

#endif
