/* api: see logins.h. An address is its debt: each failure adds LOGINS_EACH_MS, time pays it off, and who owes
 * more than LOGINS_BURST of them has to wait. */
#include "api/logins.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/rng.h"

#define WAYS 8
#define SETS (LOGINS_ADDRESSES / WAYS)

struct entry {
	uint64_t prefix;      /* IPv4: its 32 bits; IPv6: its first 64; any other text: 0 */
	int64_t paid_mono_ms; /* when nothing is owed any more */
	bool is_v6;
};

struct logins {
	uint64_t salt; /* so that nobody can choose whose place to take */
	struct entry entries[SETS][WAYS];
};

struct logins *logins_new(void)
{
	struct logins *l = xcalloc(1, sizeof *l);

	rng_system(&l->salt, sizeof l->salt);
	return l;
}

void logins_free(struct logins *l)
{
	free(l);
}

static struct entry entry_of(const char *address)
{
	struct entry e = {0, 0, false};
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, address, &v4) == 1) {
		e.prefix = v4.s_addr;
	} else if (inet_pton(AF_INET6, address, &v6) == 1) {
		e.is_v6 = !IN6_IS_ADDR_V4MAPPED(&v6);
		if (e.is_v6)
			memcpy(&e.prefix, v6.s6_addr, sizeof e.prefix);
		else
			memcpy(&e.prefix, v6.s6_addr + 12, sizeof v4.s_addr);
	}
	return e;
}

static size_t set_of(const struct logins *l, const struct entry *e)
{
	uint64_t key[] = {l->salt, e->prefix, e->is_v6};

	return (size_t)(hash64(key, sizeof key) % SETS);
}

/* The entry of that address, made where there is none. */
static struct entry *find(struct logins *l, const char *address)
{
	struct entry wanted = entry_of(address), *set = l->entries[set_of(l, &wanted)], *least = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].prefix == wanted.prefix && set[i].is_v6 == wanted.is_v6)
			return &set[i];
		if (set[i].paid_mono_ms < least->paid_mono_ms)
			least = &set[i];
	}
	*least = wanted;
	return least;
}

uint32_t logins_failed(struct logins *l, const char *address, int64_t now_mono_ms)
{
	struct entry *e = find(l, address);
	int64_t owed_ms = e->paid_mono_ms > now_mono_ms ? e->paid_mono_ms - now_mono_ms : 0;
	int64_t over_ms = owed_ms + LOGINS_EACH_MS - LOGINS_BURST * LOGINS_EACH_MS;

	if (over_ms > 0)
		return (uint32_t)((over_ms + 999) / 1000);
	e->paid_mono_ms = now_mono_ms + owed_ms + LOGINS_EACH_MS;
	return 0;
}
