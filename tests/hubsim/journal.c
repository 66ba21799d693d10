/* tests/hubsim: see journal.h */
#include "tests/hubsim/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"

struct journal {
	int fd;
	struct buf lines;
};

struct journal *journal_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	struct journal *j;

	if (fd < 0)
		return NULL;
	j = xcalloc(1, sizeof *j);
	j->fd = fd;
	return j;
}

static void put_text(struct buf *b, const char *name, const char *text)
{
	if (text == NULL)
		return;
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, text);
}

/* JSON as somebody sent it: in JSON a line break can only stand between two tokens, where a space does too.
 */
static void put_json(struct buf *b, const char *name, const char *json)
{
	if (json == NULL)
		return;
	buf_printf(b, ",\"%s\":", name);
	for (; *json != '\0'; json++)
		buf_putc(b, *json == '\n' || *json == '\r' ? ' ' : *json);
}

void journal_on_entry(void *arg, const struct world_entry *entry)
{
	struct journal *j = arg;
	struct buf *b = &j->lines;
	char at[TIME_TEXT_SIZE];

	buf_printf(b, "{\"at\":\"%s\",\"kind\":\"%s\"", time_text(entry->at_ms, at),
	           world_entry_text(entry->kind));
	put_text(b, "deviceId", entry->device_id);
	if (entry->call > 0)
		buf_printf(b, ",\"call\":%llu", (unsigned long long)entry->call);
	put_text(b, "method", entry->method);
	put_text(b, "attemptId", entry->attempt_id);
	if (entry->kind == WORLD_END)
		buf_printf(b, ",\"status\":%d", entry->status);
	put_json(b, "payload", entry->payload);
	buf_puts(b, "}\n");
}

enum err journal_flush(struct journal *j)
{
	size_t at = 0;
	ssize_t n;

	while (at < j->lines.len) {
		n = write(j->fd, j->lines.data + at, j->lines.len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		at += (size_t)n;
	}
	buf_reset(&j->lines);
	return ERR_OK;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	close(j->fd);
	buf_done(&j->lines);
	free(j);
}
