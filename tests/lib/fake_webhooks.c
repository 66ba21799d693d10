/* tests/lib: see fake_webhooks.h */
#include "tests/lib/fake_webhooks.h"

#include <string.h>

size_t webhooks_n(const struct webhooks *w)
{
	return w != NULL ? 1 : 0;
}

void webhooks_view(const struct webhooks *w, size_t i, struct webhook_view *ret)
{
	(void)i;
	*ret = w->view;
	ret->dead_letters = (uint32_t)w->dead_n;
}

int webhooks_find(const struct webhooks *w, const char *name)
{
	return w != NULL && strcmp(w->view.name, name) == 0 ? 0 : -1;
}

const struct dead_letter *webhooks_dead(const struct webhooks *w, size_t i, size_t *ret_n)
{
	(void)i;
	*ret_n = w->dead_n;
	return w->dead;
}

void webhooks_forget_dead(struct webhooks *w, size_t i)
{
	(void)i;
	w->dead_n = 0;
}
