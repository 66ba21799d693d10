/* tests/hubsim: see usage.h */
#include "tests/hubsim/usage.h"

#include <stdio.h>

enum err usage_write(const struct world *w, const char *path)
{
	struct world_throttle_use use;
	uint64_t of_callers, of_devices;
	FILE *out = fopen(path, "w");
	bool has_failed;

	if (out == NULL)
		return ERR_IO;
	world_messages_by(w, &of_callers, &of_devices);
	fprintf(out, "{\"messages\":{\"service\":%llu,\"devices\":%llu},\"throttles\":{",
	        (unsigned long long)of_callers, (unsigned long long)of_devices);
	for (size_t i = 0; world_throttle_use(w, i, &use); i++)
		fprintf(out,
		        "%s\"%s\":{\"taken\":%llu,\"delayed\":%llu,\"refused\":%llu,\"delayMaxMs\":%lld}",
		        i > 0 ? "," : "", use.name, (unsigned long long)use.taken,
		        (unsigned long long)use.delayed, (unsigned long long)use.refused,
		        (long long)use.delay_max_ms);
	fputs("}}\n", out);
	has_failed = ferror(out) != 0;
	return fclose(out) != 0 || has_failed ? ERR_IO : ERR_OK;
}
