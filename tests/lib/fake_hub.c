/* tests/lib: see fake_hub.h */
#include "tests/lib/fake_hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"

struct hub {
	enum err refusal;
	struct fake_request *all;
	size_t n, size, out;
};

const char *hub_credential_error(const struct hub *h)
{
	(void)h;
	return "";
}

struct hub *fake_hub_new(void)
{
	return xcalloc(1, sizeof(struct hub));
}

void fake_hub_free(struct hub *h)
{
	assert(h->out == 0);
	for (size_t i = 0; i < h->n; i++) {
		free(h->all[i].device_id);
		free(h->all[i].method_name);
		free(h->all[i].payload);
		free(h->all[i].condition);
		free(h->all[i].continuation);
	}
	free(h->all);
	free(h);
}

void fake_hub_refuse(struct hub *h, enum err e)
{
	h->refusal = e;
}

size_t fake_hub_n(const struct hub *h)
{
	return h->n;
}

const struct fake_request *fake_hub_at(const struct hub *h, size_t i)
{
	assert(i < h->n);
	return &h->all[i];
}

size_t fake_hub_out(const struct hub *h)
{
	return h->out;
}

void fake_hub_answer(struct hub *h, size_t i, const struct hub_answer *answer)
{
	struct fake_request *r = &h->all[i];

	assert(i < h->n && !r->is_answered);
	r->is_answered = true;
	h->out--;
	r->on_answer(r->arg, answer);
}

struct hub_answer fake_answer(enum hub_outcome outcome, int http_status)
{
	return (struct hub_answer){
	        .outcome = outcome,
	        .http_status = http_status,
	        .hub_at_ms = TIME_NONE,
	        .retry_after_ms = TIME_NONE,
	        .detail = "",
	};
}

static enum err note(struct hub *h, const struct fake_request *r)
{
	if (h->n == h->size) {
		h->size = h->size * 2 + 16;
		h->all = xrealloc(h->all, h->size * sizeof *h->all);
	}
	h->all[h->n++] = *r;
	h->out++;
	return ERR_OK;
}

static char *copy(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

enum err hub_invoke(struct hub *h, const struct hub_call *call, hub_answer_cb *on_answer, void *arg)
{
	if (h->refusal != ERR_OK)
		return h->refusal;
	return note(h, &(struct fake_request){
	                       .kind = FAKE_CALL,
	                       .device_id = copy(call->device_id),
	                       .method_name = copy(call->method_name),
	                       .payload = xstrndup(call->payload, call->payload_bytes),
	                       .payload_bytes = call->payload_bytes,
	                       .response_timeout_s = call->response_timeout_s,
	                       .connect_timeout_s = call->connect_timeout_s,
	                       .may_begin = call->may_begin,
	                       .on_answer = on_answer,
	                       .arg = arg,
	               });
}

enum err hub_read(struct hub *h, const char *device_id, const struct watch *watch, hub_answer_cb *on_answer,
                  void *arg)
{
	if (h->refusal != ERR_OK)
		return h->refusal;
	return note(h, &(struct fake_request){.kind = FAKE_READ,
	                                      .device_id = copy(device_id),
	                                      .watch = watch,
	                                      .on_answer = on_answer,
	                                      .arg = arg});
}

enum err hub_query(struct hub *h, const char *condition, const char *continuation, const struct watch *watch,
                   hub_answer_cb *on_answer, void *arg)
{
	if (h->refusal != ERR_OK)
		return h->refusal;
	return note(h, &(struct fake_request){.kind = FAKE_QUERY,
	                                      .condition = copy(condition),
	                                      .continuation = copy(continuation),
	                                      .watch = watch,
	                                      .on_answer = on_answer,
	                                      .arg = arg});
}

size_t hub_job_bytes(const char *device_id)
{
	return strlen(device_id) + 3;
}

enum err hub_job_start(struct hub *h, const struct hub_job *job, hub_answer_cb *on_answer, void *arg)
{
	struct buf ids = BUF_INIT;

	if (h->refusal != ERR_OK)
		return h->refusal;
	for (size_t i = 0; i < job->devices_n; i++)
		buf_printf(&ids, "%s%s", i > 0 ? " " : "", job->device_ids[i]);
	return note(h, &(struct fake_request){.kind = FAKE_JOB_START,
	                                      .device_id = copy(job->id),
	                                      .condition = buf_take(&ids),
	                                      .method_name = copy(job->method_name),
	                                      .payload = copy(job->payload),
	                                      .response_timeout_s = job->response_timeout_s,
	                                      .connect_timeout_s = job->connect_timeout_s,
	                                      .may_begin = job->may_begin,
	                                      .on_answer = on_answer,
	                                      .arg = arg});
}

enum err hub_job_read(struct hub *h, const char *id, hub_answer_cb *on_answer, void *arg)
{
	if (h->refusal != ERR_OK)
		return h->refusal;
	return note(
	        h, &(struct fake_request){
	                   .kind = FAKE_JOB_READ, .device_id = copy(id), .on_answer = on_answer, .arg = arg});
}

enum err hub_job_rows(struct hub *h, const char *id, const char *continuation, hub_answer_cb *on_answer,
                      void *arg)
{
	if (h->refusal != ERR_OK)
		return h->refusal;
	return note(h, &(struct fake_request){.kind = FAKE_JOB_ROWS,
	                                      .device_id = copy(id),
	                                      .continuation = copy(continuation),
	                                      .on_answer = on_answer,
	                                      .arg = arg});
}

struct watch {
	char *select, *candidates;
};

enum err watch_new(const struct watch_options *options, struct watch **ret)
{
	*ret = xcalloc(1, sizeof **ret);
	(*ret)->select = copy(options->value_path);
	(*ret)->candidates = copy(options->success);
	return ERR_OK;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	free(w->select);
	free(w->candidates);
	free(w);
}

void watch_select(const struct watch *w, struct buf *out)
{
	buf_puts(out, w->select != NULL ? w->select : "deviceId");
}

bool watch_is_in_rows(const struct watch *w)
{
	return w->candidates == NULL;
}

const char *watch_candidates(const struct watch *w)
{
	return w->candidates;
}
