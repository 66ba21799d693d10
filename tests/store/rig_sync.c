/* tests/store: the rig over tests/lib/store_sync.c */

#include "tests/lib/store_sync.h"
#include "tests/store/rig.h"
#include "tests/lib/suite.h"

void rig_open_store(struct rig *r)
{
	struct store_options options = {.path = r->path};
	char *reason = NULL;

	ck_assert_msg(store_open(&options, &r->store, &r->head, &reason) == ERR_OK, "%s", reason);
}

static void on_closed(void *arg)
{
	*(bool *)arg = true;
}

void rig_close_store(struct rig *r)
{
	bool is_closed = false;

	store_close(r->store, on_closed, &is_closed);
	ck_assert(!is_closed);
	rig_wait(r, &is_closed);
}

void rig_wait(struct rig *r, const bool *is_done)
{
	while (!*is_done)
		ck_assert_uint_gt(store_sync_run(r->store), 0);
}
