/* hub: see percent.h */
#include "server/hub/percent.h"

#include <string.h>

static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

void percent_encode(const char *text, struct buf *out)
{
	while (*text != '\0') {
		size_t plain = strspn(text, unreserved);

		buf_put(out, text, plain);
		text += plain;
		if (*text != '\0')
			buf_printf(out, "%%%02X", (unsigned char)*text++);
	}
}
