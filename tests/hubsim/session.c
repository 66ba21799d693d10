/* tests/hubsim: see session.h */
#include "tests/hubsim/session.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "server/base/buf.h"
#include "tests/hubsim/mqtt.h"

struct entry {
	struct session session;
	UT_hash_handle hh;
	char client_id[];
};

struct sessions {
	struct entry *by_id;
};

struct sessions *sessions_new(void)
{
	return xcalloc(1, sizeof(struct sessions));
}

static void forget(struct sessions *s, struct entry *entry)
{
	HASH_DEL(s->by_id, entry);
	for (size_t i = 0; i < entry->session.n; i++)
		free(entry->session.filters[i]);
	free(entry);
}

void sessions_free(struct sessions *s)
{
	struct entry *entry, *after;

	if (s == NULL)
		return;
	HASH_ITER (hh, s->by_id, entry, after)
		forget(s, entry);
	free(s);
}

static struct entry *find(const struct sessions *s, const char *client_id)
{
	struct entry *entry;

	HASH_FIND_STR(s->by_id, client_id, entry);
	return entry;
}

struct session *sessions_get(struct sessions *s, const char *client_id, bool *ret_is_new)
{
	struct entry *entry = find(s, client_id);

	*ret_is_new = entry == NULL;
	if (entry == NULL) {
		size_t size = strlen(client_id) + 1;

		entry = xcalloc(1, sizeof *entry + size);
		memcpy(entry->client_id, client_id, size);
		HASH_ADD_STR(s->by_id, client_id, entry);
	}
	return &entry->session;
}

void sessions_forget(struct sessions *s, const char *client_id)
{
	struct entry *entry = find(s, client_id);

	if (entry != NULL)
		forget(s, entry);
}

static size_t find_filter(const struct session *session, const char *filter)
{
	size_t i;

	for (i = 0; i < session->n; i++)
		if (strcmp(session->filters[i], filter) == 0)
			break;
	return i;
}

bool session_subscribe(struct session *session, const char *filter)
{
	size_t i = find_filter(session, filter);

	if (i == SESSION_FILTERS_MAX)
		return false;
	if (i == session->n)
		session->filters[session->n++] = xstrdup(filter);
	return true;
}

void session_unsubscribe(struct session *session, const char *filter)
{
	size_t i = find_filter(session, filter);

	if (i == session->n)
		return;
	free(session->filters[i]);
	session->filters[i] = session->filters[--session->n];
}

bool session_takes(const struct session *session, const char *topic)
{
	for (size_t i = 0; i < session->n; i++)
		if (mqtt_fits(session->filters[i], topic))
			return true;
	return false;
}
