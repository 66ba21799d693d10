/* base: see id.h */
#include "server/base/id.h"

#include <stdio.h>

static void base36(uint64_t v, char *out, int digits)
{
	for (int i = digits - 1; i >= 0; i--, v /= 36)
		out[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[v % 36];
}

void id_new(int64_t now_ms, uint64_t luck, char out[ID_SIZE])
{
	base36((uint64_t)now_ms, out, 9);
	base36(luck, out + 9, 12);
	out[21] = '\0';
}

void id_attempt(const char *campaign_id, uint32_t target_no, uint32_t sequence, char out[ATTEMPT_ID_SIZE])
{
	snprintf(out, ATTEMPT_ID_SIZE, "%.21s-%u-%u", campaign_id, target_no, sequence);
}
