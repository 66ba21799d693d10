/* tests: server/hub/plain under libFuzzer: what it reads jansson reads, too, and to the same meaning. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/buf.h"
#include "server/hub/plain.h"
#include "server/hub/reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void same_text(const char *a, const char *b)
{
	assert((a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0));
}

static void same_seen(const struct seen *a, const struct seen *b)
{
	assert(a->is_there == b->is_there && a->hash == b->hash && a->at_ms == b->at_ms);
	same_text(a->json, b->json);
	same_text(a->text, b->text);
}

static void same_reading(const struct plain_object *object, const json_t *json)
{
	static const struct watch_options options = {.value_path = "a.b",
	                                             .status_path = "s",
	                                             .echo_path = "e",
	                                             .boot_path = "boot",
	                                             .group_path = "tags.site",
	                                             .zone_path = "tags.zone"};
	static struct watch *w;
	struct plain_object row = *object;
	struct reading a, b;
	enum err err = w != NULL ? ERR_OK : watch_new(&options, &w);

	assert(err == ERR_OK);
	if (!reading_from_plain_row(w, &row, &a))
		return;
	err = reading_from_row(w, json, &b);
	assert(err == ERR_OK);
	assert(a.is_there == b.is_there && a.is_enabled == b.is_enabled && a.version == b.version &&
	       a.is_point_read == b.is_point_read);
	same_seen(&a.value, &b.value);
	same_seen(&a.status, &b.status);
	same_seen(&a.echo, &b.echo);
	same_seen(&a.boot, &b.boot);
	same_seen(&a.group, &b.group);
	same_seen(&a.zone, &b.zone);
	reading_done(&a);
	reading_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data, *at = text, *end = text + n;
	struct buf put = BUF_INIT;
	struct plain_object object;
	struct plain value;
	json_t *json;
	char *dumped;

	if (!plain_value(&at, end, &value) || !plain_is_over(at, end))
		return 0;
	json = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert(json != NULL);
	dumped = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	plain_put(&value, &put);
	same_text(put.data, dumped);
	at = text;
	if (plain_object(&at, end, &object)) {
		assert(json_is_object(json) && json_object_size(json) == object.n && plain_is_over(at, end));
		same_reading(&object, json);
	}
	free(dumped);
	buf_done(&put);
	json_decref(json);
	return 0;
}
