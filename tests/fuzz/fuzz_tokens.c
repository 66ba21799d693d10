/* tests: the tokens file under libFuzzer: it is taken whole, or refused with a reason that holds nothing of
 * it that could be a token's; a file that is refused leaves those tokens that were there; and nobody gets in
 * by a token that is not in it. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/auth.h"
#include "server/base/buf.h"

#define GOOD "Bearer viewer-token"
#define HASH "d036bd6d01a1cae081d39a2f8dab751dc042de814fd60df31fcb553170950f29"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void put(int fd, const void *data, size_t n)
{
	assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, n, 0) == (ssize_t)n);
}

static size_t count(const uint8_t *data, size_t n, const char *text)
{
	const uint8_t *at, *end = data + n;
	size_t found = 0;

	for (; n > 0 && (at = memmem(data, (size_t)(end - data), text, strlen(text))) != NULL; data = at + 1)
		found++;
	return found;
}

/* Whether a hash stands there as such, and nowhere else: names of members are told. */
static bool is_value(const uint8_t *data, size_t n)
{
	return count(data, n, HASH) == 1 && count(data, n, "\"sha256\":\"" HASH "\"") == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char old[] = "[{\"name\":\"eva\",\"role\":\"viewer\",\"sha256\":\"" HASH "\"}]";
	static int fd = -1;
	char path[64], *reason = NULL;
	struct identity who = {.role = ROLE_NONE};
	struct auth *a = NULL;
	enum err err;

	if (fd < 0)
		fd = memfd_create("tokens", MFD_CLOEXEC);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	put(fd, old, sizeof old - 1);
	assert(auth_load(path, &a, &reason) == ERR_OK);
	put(fd, data, n);
	err = auth_reload(a, &reason);
	if (err == ERR_OK) {
		assert(reason == NULL && auth_has_tokens(a));
		/* "viewer-token" is known by that hash alone; an escape could spell it otherwise. */
		if (auth_check(a, GOOD, &who))
			assert(who.role >= ROLE_METRICS && who.role <= ROLE_ADMIN && who.name[0] != '\0');
		else
			assert(!is_value(data, n));
	} else {
		assert(err == ERR_INVALID && strncmp(reason, "tokens file ", 12) == 0);
		assert(!is_value(data, n) || strstr(reason, HASH) == NULL);
		assert(auth_check(a, GOOD, &who) && who.role == ROLE_VIEWER && strcmp(who.name, "eva") == 0);
	}
	assert(!auth_check(a, "Bearer x", &who) && !auth_check(a, "Bearer ", &who) &&
	       !auth_check(a, NULL, &who));
	free(reason);
	auth_free(a);
	return 0;
}
