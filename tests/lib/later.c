/* tests/lib: see later.h */
#include "tests/lib/later.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "server/base/buf.h"

struct call {
	STAILQ_ENTRY(call) entry;
	void (*fn)(void *arg);
	void *arg;
};

static STAILQ_HEAD(, call) calls = STAILQ_HEAD_INITIALIZER(calls);
static size_t calls_n;
static bool is_on_hold;

void later(void (*fn)(void *arg), void *arg)
{
	struct call *c = xmalloc(sizeof *c);

	*c = (struct call){.fn = fn, .arg = arg};
	STAILQ_INSERT_TAIL(&calls, c, entry);
	calls_n++;
}

size_t later_run(void)
{
	size_t n = is_on_hold ? 0 : calls_n;

	for (size_t i = 0; i < n; i++) {
		struct call *c = STAILQ_FIRST(&calls);

		STAILQ_REMOVE_HEAD(&calls, entry);
		calls_n--;
		c->fn(c->arg);
		free(c);
	}
	return n;
}

void later_hold(bool is_held)
{
	is_on_hold = is_held;
}

size_t later_n(void)
{
	return calls_n;
}
