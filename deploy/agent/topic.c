/* agent: see topic.h */
#include "deploy/agent/topic.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Copies n characters of text, if they are that many and fit. */
static bool take(const char *text, size_t n, char *out, size_t size)
{
	if (n == 0 || n >= size)
		return false;
	memcpy(out, text, n);
	out[n] = '\0';
	return true;
}

/* What stands after prefix in topic, NULL where it has another. */
static const char *after(const char *topic, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(topic, prefix, n) == 0 ? topic + n : NULL;
}

/* The request id of "/?$rid=…", up to the next parameter; text starts at the slash. */
static bool read_rid(const char *text, char rid[TOPIC_RID_SIZE])
{
	const char *at = after(text, "/?$rid=");

	return at != NULL && take(at, strcspn(at, "&"), rid, TOPIC_RID_SIZE);
}

bool topic_read_method(const char *topic, char name[TOPIC_NAME_SIZE], char rid[TOPIC_RID_SIZE])
{
	const char *at = after(topic, "$iothub/methods/POST/");
	size_t n;

	if (at == NULL)
		return false;
	n = strcspn(at, "/");
	return take(at, n, name, TOPIC_NAME_SIZE) && read_rid(at + n, rid);
}

bool topic_read_twin(const char *topic, int *ret_status, char rid[TOPIC_RID_SIZE])
{
	const char *at = after(topic, "$iothub/twin/res/");
	char *end = NULL;
	long status;

	if (at == NULL || *at < '0' || *at > '9')
		return false;
	status = strtol(at, &end, 10);
	if (status > 999 || !read_rid(end, rid))
		return false;
	*ret_status = (int)status;
	return true;
}
