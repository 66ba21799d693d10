/* api: see auth.h */
#include "api/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/json.h"
#include "api/oidc.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/campaign/fault.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define TOKEN_BYTES 32

struct token {
	struct identity who;
	unsigned char sha256[SHA256_DIGEST_LENGTH];
};

struct auth {
	char *path;        /* NULL: no tokens file */
	struct oidc *oidc; /* NULL: no issuer */
	struct token *tokens;
	size_t tokens_n;
};

static const char *const role_texts[] = {
#define X(name, text) text,
        ROLES(X)
#undef X
};

const char *role_text(enum role r)
{
	return role_texts[r];
}

bool role_parse(const char *text, enum role *ret)
{
	for (enum role r = ROLE_METRICS; r <= ROLE_ADMIN; r++) {
		if (strcmp(text, role_texts[r]) == 0) {
			*ret = r;
			return true;
		}
	}
	return false;
}

static bool is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);

	return n > 0 && n <= IDENTITY_NAME_MAX && strspn(name, allowed) == n;
}

static bool read_sha256(const char *text, unsigned char out[SHA256_DIGEST_LENGTH])
{
	size_t n;

	return strlen(text) == 2 * SHA256_DIGEST_LENGTH &&
	       OPENSSL_hexstr2buf_ex(out, SHA256_DIGEST_LENGTH, &n, text, '\0') == 1;
}

/* ---- the file ---- */

static enum err read_file(const char *path, struct buf *out, struct faults *faults)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	while (fd >= 0 && out->len <= FILE_MAX_BYTES && (n = read(fd, buf_reserve(out, 65536), 65536)) > 0)
		out->len += (size_t)n;
	if (fd < 0 || n < 0)
		faults_add(faults, "", "%s", strerror(errno));
	else if (out->len > FILE_MAX_BYTES)
		faults_add(faults, "", "larger than %zu bytes", FILE_MAX_BYTES);
	if (fd >= 0)
		close(fd);
	return faults->n == 0 ? ERR_OK : ERR_IO;
}

struct reading {
	struct token *tokens;
	size_t n;
	struct faults *faults;
};

/* Has one entry checked and kept; what it lacks json_tokens() has told already, and gives as NULL. */
static void on_entry(void *arg, const char *pointer, const char *name, const char *role, const char *sha256)
{
	struct reading *r = arg;
	struct token t = {0};

	if (name != NULL && !is_name(name))
		faults_add(r->faults, pointer, "name must be 1 to %d letters, digits, '.', '_' or '-'",
		           IDENTITY_NAME_MAX);
	if (role != NULL && !role_parse(role, &t.who.role))
		faults_add(r->faults, pointer, "role must be metrics, viewer, operator, approver or admin");
	if (sha256 != NULL && !read_sha256(sha256, t.sha256))
		faults_add(r->faults, pointer, "sha256 must be 64 hexadecimal digits");
	if (name == NULL || role == NULL || sha256 == NULL || r->faults->n > 0)
		return;
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->tokens[i].who.name, name) == 0)
			faults_add(r->faults, pointer, "name is used twice");
		if (memcmp(r->tokens[i].sha256, t.sha256, sizeof t.sha256) == 0)
			faults_add(r->faults, pointer, "sha256 is used twice");
	}
	memcpy(t.who.name, name, strlen(name) + 1);
	t.who.until_ms = TIME_NEVER;
	r->tokens = xrealloc(r->tokens, (r->n + 1) * sizeof *r->tokens);
	r->tokens[r->n++] = t;
}

static char *reason_of(const char *path, const struct faults *faults)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "tokens file %s: ", path);
	for (size_t i = 0; i < faults->n; i++)
		buf_printf(&b, "%s%s%s%s", i > 0 ? "; " : "", faults->all[i].pointer,
		           faults->all[i].pointer[0] != '\0' ? ": " : "", faults->all[i].detail);
	return buf_take(&b);
}

enum err auth_reload(struct auth *a, char **ret_reason)
{
	struct faults faults = FAULTS_INIT;
	struct reading r = {NULL, 0, &faults};
	struct buf text = BUF_INIT;
	enum err err = ERR_OK;

	if (a->path == NULL)
		return ERR_OK;
	err = read_file(a->path, &text, &faults);
	if (err == ERR_OK) {
		json_tokens(text.data != NULL ? text.data : "", text.len, &faults, on_entry, &r);
		if (faults.n == 0 && r.n == 0)
			faults_add(&faults, "", "no tokens in it, so nobody could do anything");
	}
	if (faults.n > 0) {
		*ret_reason = reason_of(a->path, &faults);
		err = err != ERR_OK ? err : ERR_INVALID;
		free(r.tokens);
	} else {
		free(a->tokens);
		a->tokens = r.tokens;
		a->tokens_n = r.n;
	}
	buf_done(&text);
	faults_done(&faults);
	return err;
}

enum err auth_load(const char *path, struct auth **ret, char **ret_reason)
{
	struct auth *a = xcalloc(1, sizeof *a);
	enum err err;

	a->path = path != NULL ? xstrdup(path) : NULL;
	err = auth_reload(a, ret_reason);
	if (err == ERR_OK)
		*ret = a;
	else
		auth_free(a);
	return err;
}

void auth_free(struct auth *a)
{
	if (a == NULL)
		return;
	free(a->path);
	free(a->tokens);
	free(a);
}

/* ---- a request ---- */

bool auth_has_tokens(const struct auth *a)
{
	return a->path != NULL || a->oidc != NULL;
}

void auth_take_oidc(struct auth *a, struct oidc *oidc)
{
	a->oidc = oidc;
}

/* What is behind "Bearer "; NULL: it is none. */
static const char *bearer_of(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (authorization == NULL || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
		return NULL;
	authorization += strlen(scheme);
	return authorization + strspn(authorization, " ");
}

bool auth_check(const struct auth *a, const char *authorization, struct identity *ret)
{
	const char *bearer = bearer_of(authorization);
	unsigned char sha256[SHA256_DIGEST_LENGTH];
	const struct token *found = NULL;

	if (!auth_has_tokens(a)) {
		*ret = (struct identity){"local", ROLE_ADMIN, TIME_NEVER};
		return true;
	}
	if (bearer == NULL)
		return false;
	SHA256((const unsigned char *)bearer, strlen(bearer), sha256);
	for (size_t i = 0; i < a->tokens_n; i++)
		if (CRYPTO_memcmp(a->tokens[i].sha256, sha256, sizeof sha256) == 0)
			found = &a->tokens[i];
	if (found == NULL)
		return false;
	*ret = found->who;
	return true;
}

enum login auth_login(const struct auth *a, const char *authorization, int64_t now_ms, struct identity *ret,
                      char reason[AUTH_REASON_SIZE])
{
	const char *bearer = bearer_of(authorization);

	if (auth_check(a, authorization, ret))
		return LOGIN_GOOD;
	if (a->oidc != NULL && bearer != NULL && oidc_is_token(bearer))
		return oidc_check(a->oidc, bearer, now_ms, ret, reason);
	snprintf(reason, AUTH_REASON_SIZE, "%s", authorization == NULL ? "there is none" : "it is not known");
	return LOGIN_BAD;
}

static void put_hex(struct buf *out, const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%02x", data[i]);
}

enum err auth_token_new(const char *name, enum role role, struct buf *token, struct buf *entry)
{
	unsigned char luck[TOKEN_BYTES], sha256[SHA256_DIGEST_LENGTH];
	size_t start = token->len;

	if (!is_name(name))
		return ERR_INVALID;
	rng_system(luck, sizeof luck);
	put_hex(token, luck, sizeof luck);
	SHA256((const unsigned char *)token->data + start, token->len - start, sha256);
	buf_printf(entry, "{\"name\":\"%s\",\"role\":\"%s\",\"sha256\":\"", name, role_text(role));
	put_hex(entry, sha256, sizeof sha256);
	buf_puts(entry, "\"}");
	OPENSSL_cleanse(luck, sizeof luck);
	return ERR_OK;
}
