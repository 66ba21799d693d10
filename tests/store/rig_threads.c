/* tests/store: the rig over store.c */
#include <stdlib.h>
#include <uv.h>

#include "server/base/buf.h"
#include "tests/store/rig.h"
#include "tests/lib/suite.h"

void rig_open_store(struct rig *r)
{
	struct store_options options = {.path = r->path};
	char *reason = NULL;

	r->loop = xcalloc(1, sizeof(uv_loop_t));
	ck_assert_int_eq(uv_loop_init(r->loop), 0);
	options.loop = r->loop;
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
	ck_assert_int_eq(uv_run(r->loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(uv_loop_close(r->loop), 0);
	free(r->loop);
}

void rig_wait(struct rig *r, const bool *is_done)
{
	while (!*is_done)
		uv_run(r->loop, UV_RUN_ONCE);
}
