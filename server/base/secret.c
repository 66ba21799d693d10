/* base: see secret.h */
#include "server/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char **secrets;
static size_t secrets_n;

void secret_register(const char *value)
{
	if (strlen(value) < 4)
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < secrets_n; i++)
		if (strcmp(secrets[i], value) == 0) {
			pthread_mutex_unlock(&lock);
			return;
		}
	secrets = xrealloc(secrets, (secrets_n + 1) * sizeof *secrets);
	secrets[secrets_n++] = xstrdup(value);
	pthread_mutex_unlock(&lock);
}

ssize_t secret_read_file(const char *file, char *text, size_t max_bytes)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, max_bytes) : -1;
	int wrong = errno;

	if (fd >= 0)
		close(fd);
	errno = wrong;
	text[n > 0 ? n : 0] = '\0';
	return n;
}

void secret_forget_all(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < secrets_n; i++) {
		explicit_bzero(secrets[i], strlen(secrets[i]));
		free(secrets[i]);
	}
	free(secrets);
	secrets = NULL;
	secrets_n = 0;
	pthread_mutex_unlock(&lock);
}

/* Cuts out from ... from + n and leaves "***" there; gives where to go on. */
static size_t blank(struct buf *b, size_t from, size_t n)
{
	struct buf out = BUF_INIT;

	buf_put(&out, b->data, from);
	buf_puts(&out, "***");
	buf_put(&out, b->data + from + n, b->len - from - n);
	buf_done(b);
	*b = out;
	return from + 3;
}

static void blank_all(struct buf *b, const char *secret)
{
	size_t n = strlen(secret), from = 0;
	const char *hit;

	while (from < b->len && (hit = memmem(b->data + from, b->len - from, secret, n)) != NULL)
		from = blank(b, (size_t)(hit - b->data), n);
}

static void blank_after(struct buf *b, const char *marker, const char *separators)
{
	size_t from = 0;
	const char *hit;

	while (from < b->len &&
	       (hit = memmem(b->data + from, b->len - from, marker, strlen(marker))) != NULL) {
		size_t start = (size_t)(hit - b->data) + strlen(marker);
		size_t n = strcspn(b->data + start, separators);

		if (n == 0 || strncmp(b->data + start, "***", 3) == 0)
			from = start;
		else
			from = blank(b, start, n);
	}
}

void secret_redact(struct buf *b)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < secrets_n; i++)
		blank_all(b, secrets[i]);
	pthread_mutex_unlock(&lock);
	blank_after(b, "SharedAccessKey=", "; \t\r\n\"'");
	blank_after(b, "sig=", "& \t\r\n\"'");
	blank_after(b, "Bearer ", " \t\r\n\"'");
}
