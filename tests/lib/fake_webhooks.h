/* tests/lib/fake_webhooks: a double of what the API asks of server/webhook/webhooks.h, chosen by the linker:
 * one webhook, as a test wants it. */
#ifndef ROLLCALL_TESTS_LIB_FAKE_WEBHOOKS_H
#define ROLLCALL_TESTS_LIB_FAKE_WEBHOOKS_H

#include "server/webhook/webhooks.h"

struct webhooks {
	struct webhook_view view;
	const struct dead_letter *dead;
	size_t dead_n;
};

#endif
