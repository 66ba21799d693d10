/* base: see hash.h. FNV-1a (64 bit), finished by the mixer of splitmix64 so that all bits are of use. */
#include "server/base/hash.h"

uint64_t hash64(const void *data, size_t n)
{
	const unsigned char *at = data;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 0x100000001b3u;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
	return h ^ (h >> 31);
}
