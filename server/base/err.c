/* base: see err.h */
#include "server/base/err.h"

const char *err_text(enum err e)
{
	static const char *const texts[] = {
#define X(name, text) [ERR_##name] = text,
	        ERR_LIST(X)
#undef X
	};
	return (unsigned)e < sizeof texts / sizeof *texts ? texts[e] : "unknown error";
}
