/* agent: see host.h */
#include "deploy/agent/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t up_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

int64_t utc_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

uint64_t luck(void)
{
	uint64_t value = 0;

	if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
		value = (uint64_t)up_ms() * UINT64_C(0x9e3779b97f4a7c15);
	return value;
}

int64_t earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

void read_line(const char *path, char *out, size_t size)
{
	FILE *in = fopen(path, "re");
	size_t n = 0;

	if (in != NULL) {
		n = fread(out, 1, size - 1, in);
		fclose(in);
	}
	out[n] = '\0';
	n = strcspn(out, "\r\n");
	for (size_t i = 0; i < n; i++)
		if (out[i] < ' ' || out[i] > '~')
			n = 0;
	out[n] = '\0';
}
