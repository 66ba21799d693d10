/* store/batch: see batch.h. All ops lie one behind the other in one buffer, each as a head, a fixed part as
 * it is in memory, and its strings. A string that is NULL is not there; the pointer in the fixed part tells
 * which are. */
#include "store/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "store/op.h"
#include "store/pack.h"

struct batch {
	struct buf ops;
	size_t n;
	size_t open_at; /* where the op that is being written starts */
};

struct head {
	uint32_t kind;
	uint32_t bytes; /* with this head; the next one starts at the next multiple of 8, so that fixed parts
	                   are aligned */
};

/* The fixed parts that are not rows of the model. */
struct campaign_part {
	struct campaign_row row;
	size_t hubs_n;
};
struct page_part {
	uint32_t campaign, page;
	uint8_t hub;
	const char *continuation;
};
struct target_part {
	struct target_row row;
	struct baseline baseline;
};
struct baseline_part {
	uint32_t campaign, no;
	struct baseline baseline;
};
struct event_part {
	uint64_t id;
	int64_t at_ms;
	uint32_t campaign;
};
struct group_part {
	uint32_t campaign, group, size;
	uint8_t hub;
	const char *name;
};
struct list_part {
	const char *name, *by;
	int64_t at_ms;
	uint32_t n;
};

struct zone_part {
	uint32_t campaign, zone;
	const char *name;
};
struct note_part {
	const char *name, *value;
};

#define LIST_IDS_MAX 1000 /* in one op: what a reader of one of them has to skip at most */

struct batch *batch_new(void)
{
	return xcalloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	buf_done(&b->ops);
	free(b);
}

size_t batch_n(const struct batch *b)
{
	return b->n;
}

static size_t round_up(size_t bytes)
{
	return (bytes + 7) / 8 * 8;
}

static void open_op(struct batch *b, enum op_kind kind, const void *part, size_t part_bytes)
{
	struct head head = {(uint32_t)kind, 0};

	b->open_at = b->ops.len;
	buf_put(&b->ops, &head, sizeof head);
	buf_put(&b->ops, part, part_bytes);
}

static void put_string(struct batch *b, const char *s)
{
	if (s != NULL)
		buf_put(&b->ops, s, strlen(s) + 1);
}

static void close_op(struct batch *b)
{
	static const char zeros[8];
	size_t bytes = b->ops.len - b->open_at;
	uint32_t short_bytes = (uint32_t)bytes;

	assert(bytes <= UINT32_MAX);
	memcpy(b->ops.data + b->open_at + offsetof(struct head, bytes), &short_bytes, sizeof short_bytes);
	buf_put(&b->ops, zeros, round_up(bytes) - bytes);
	b->n++;
}

static void put_campaign(struct batch *b, enum op_kind kind, const struct campaign_row *row,
                         const char *const *hub_names, size_t hubs_n)
{
	struct campaign_part part = {*row, hubs_n};

	open_op(b, kind, &part, sizeof part);
	put_string(b, row->name);
	put_string(b, row->spec);
	put_string(b, row->state_reason);
	put_string(b, row->created_by);
	for (size_t i = 0; i < hubs_n; i++)
		put_string(b, hub_names[i]);
	close_op(b);
}

void batch_campaign_add(struct batch *b, const struct campaign_row *row, const char *const *hub_names,
                        size_t hubs_n)
{
	assert(row->spec != NULL && hubs_n <= HUBS_MAX);
	put_campaign(b, OP_CAMPAIGN_ADD, row, hub_names, hubs_n);
}

void batch_campaign_put(struct batch *b, const struct campaign_row *row)
{
	put_campaign(b, OP_CAMPAIGN_PUT, row, NULL, 0);
}

void batch_campaign_drop(struct batch *b, uint32_t campaign)
{
	open_op(b, OP_CAMPAIGN_DROP, &campaign, sizeof campaign);
	close_op(b);
}

void batch_events_drop(struct batch *b, int64_t before_ms)
{
	open_op(b, OP_EVENTS_DROP, &before_ms, sizeof before_ms);
	close_op(b);
}

void batch_group_add(struct batch *b, uint32_t campaign, uint32_t group, uint8_t hub, const char *name,
                     uint32_t size)
{
	struct group_part part = {campaign, group, size, hub, name};

	open_op(b, OP_GROUP_ADD, &part, sizeof part);
	put_string(b, name);
	close_op(b);
}

void batch_page_add(struct batch *b, uint32_t campaign, const struct selection_page *page)
{
	struct page_part part = {campaign, page->page, page->hub, page->continuation};

	open_op(b, OP_PAGE_ADD, &part, sizeof part);
	put_string(b, page->continuation);
	for (size_t i = 0; i < page->rows_n; i++)
		pack_selected(&b->ops, &page->rows[i]);
	close_op(b);
}

void batch_pages_drop(struct batch *b, uint32_t campaign)
{
	open_op(b, OP_PAGES_DROP, &campaign, sizeof campaign);
	close_op(b);
}

void batch_target_add(struct batch *b, const struct target_row *row, const char *device_id,
                      const struct baseline *baseline)
{
	struct target_part part = {*row, *baseline};

	open_op(b, OP_TARGET_ADD, &part, sizeof part);
	put_string(b, device_id);
	close_op(b);
}

void batch_target_put(struct batch *b, const struct target_row *row)
{
	open_op(b, OP_TARGET_PUT, row, sizeof *row);
	close_op(b);
}

void batch_baseline_put(struct batch *b, uint32_t campaign, uint32_t no, const struct baseline *baseline)
{
	struct baseline_part part = {campaign, no, *baseline};

	open_op(b, OP_BASELINE_PUT, &part, sizeof part);
	close_op(b);
}

void batch_attempt_add(struct batch *b, const struct attempt_row *row)
{
	open_op(b, OP_ATTEMPT_ADD, row, sizeof *row);
	put_string(b, row->outcome);
	put_string(b, row->payload);
	put_string(b, row->tracking_id);
	close_op(b);
}

void batch_evidence_add(struct batch *b, const struct evidence_row *row)
{
	open_op(b, OP_EVIDENCE_ADD, row, sizeof *row);
	put_string(b, row->verdict);
	put_string(b, row->value);
	close_op(b);
}

void batch_event_add(struct batch *b, const struct event *event)
{
	struct event_part part = {event->id, event->at_ms, event->campaign};

	open_op(b, OP_EVENT_ADD, &part, sizeof part);
	pack_event(&b->ops, event);
	close_op(b);
}

void batch_idempotency_add(struct batch *b, const struct idempotency_row *row)
{
	open_op(b, OP_IDEMPOTENCY_ADD, row, sizeof *row);
	put_string(b, row->key);
	put_string(b, row->campaign_id);
	close_op(b);
}

void batch_audit_add(struct batch *b, const struct audit_row *row)
{
	open_op(b, OP_AUDIT_ADD, row, sizeof *row);
	for (size_t i = 0; i < AUDIT_TEXTS_N; i++)
		put_string(b, row->text[i]);
	close_op(b);
}

void batch_audit_drop(struct batch *b, int64_t before_ms, int64_t at_ms)
{
	const int64_t times[] = {before_ms, at_ms};

	open_op(b, OP_AUDIT_DROP, times, sizeof times);
	close_op(b);
}

void batch_relapse_put(struct batch *b, const struct relapse_row *row)
{
	open_op(b, OP_RELAPSE_PUT, row, sizeof *row);
	close_op(b);
}

static void put_progress(struct batch *b, enum op_kind kind, const struct progress_row *row)
{
	open_op(b, kind, row, sizeof *row);
	close_op(b);
}

void batch_progress_put(struct batch *b, const struct progress_row *row)
{
	put_progress(b, OP_PROGRESS_PUT, row);
}

void batch_progress_widen(struct batch *b, uint32_t campaign, uint32_t slot_s)
{
	assert(slot_s > 0);
	put_progress(b, OP_PROGRESS_WIDEN, &(struct progress_row){.campaign = campaign, .slot_s = slot_s});
}

void batch_plan_put(struct batch *b, const struct plan_row *row)
{
	open_op(b, OP_PLAN_PUT, row, sizeof *row);
	put_string(b, row->text);
	close_op(b);
}

void batch_usage_put(struct batch *b, const struct usage_row *row)
{
	open_op(b, OP_USAGE_PUT, row, sizeof *row);
	put_string(b, row->hub);
	close_op(b);
}

void batch_zone_add(struct batch *b, uint32_t campaign, uint32_t zone, const char *name)
{
	struct zone_part part = {campaign, zone, name};

	open_op(b, OP_ZONE_ADD, &part, sizeof part);
	put_string(b, name);
	close_op(b);
}

void batch_schedule_put(struct batch *b, const struct schedule_row *row)
{
	open_op(b, OP_SCHEDULE_PUT, row, sizeof *row);
	put_string(b, row->name);
	put_string(b, row->spec);
	put_string(b, row->created_by);
	close_op(b);
}

void batch_schedule_drop(struct batch *b, uint32_t schedule)
{
	open_op(b, OP_SCHEDULE_DROP, &schedule, sizeof schedule);
	close_op(b);
}

void batch_note_put(struct batch *b, const char *name, const char *value)
{
	struct note_part part = {name, value};

	open_op(b, OP_NOTE_PUT, &part, sizeof part);
	put_string(b, name);
	put_string(b, value);
	close_op(b);
}

static void put_dead(struct batch *b, enum op_kind kind, const struct dead_letter *row)
{
	open_op(b, kind, row, sizeof *row);
	put_string(b, row->webhook);
	put_string(b, row->message_id);
	put_string(b, row->error);
	put_string(b, row->body);
	close_op(b);
}

void batch_webhook_put(struct batch *b, const char *name, uint64_t after_id)
{
	put_dead(b, OP_WEBHOOK_PUT, &(struct dead_letter){.webhook = name, .event_id = after_id});
}

void batch_dead_letter_add(struct batch *b, const struct dead_letter *row)
{
	put_dead(b, OP_DEAD_LETTER_ADD, row);
}

void batch_dead_letters_drop(struct batch *b, const char *webhook)
{
	put_dead(b, OP_DEAD_LETTERS_DROP, &(struct dead_letter){.webhook = webhook});
}

static void open_list(struct batch *b, enum op_kind kind, const struct list_part *part)
{
	open_op(b, kind, part, sizeof *part);
	put_string(b, part->name);
	put_string(b, part->by);
}

void batch_list_begin(struct batch *b, const char *name)
{
	open_list(b, OP_LIST_BEGIN, &(struct list_part){.name = name});
	close_op(b);
}

void batch_list_ids(struct batch *b, const char *name, const char *const *ids, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t some = n - done < LIST_IDS_MAX ? n - done : LIST_IDS_MAX;

		open_list(b, OP_LIST_IDS, &(struct list_part){.name = name, .n = (uint32_t)some});
		for (size_t end = done + some; done < end; done++)
			pack_text(&b->ops, ids[done]);
		close_op(b);
	}
}

void batch_list_end(struct batch *b, const char *name, uint32_t n, int64_t at_ms, const char *by)
{
	open_list(b, OP_LIST_END, &(struct list_part){.name = name, .by = by, .at_ms = at_ms, .n = n});
	close_op(b);
}

void batch_list_drop(struct batch *b, const char *name)
{
	open_list(b, OP_LIST_DROP, &(struct list_part){.name = name});
	close_op(b);
}

/* ---- reading ---- */

/* Sets *s, unless it is NULL, to the string at *at and moves *at behind it. */
static void take_string(const char **s, const char **at)
{
	if (*s == NULL)
		return;
	*s = *at;
	*at += strlen(*at) + 1;
}

static void read_campaign(const char *part_at, struct op *ret)
{
	struct campaign_part part;
	const char *at = part_at + sizeof part;

	memcpy(&part, part_at, sizeof part);
	ret->campaign.row = part.row;
	ret->campaign.hubs_n = part.hubs_n;
	take_string(&ret->campaign.row.name, &at);
	take_string(&ret->campaign.row.spec, &at);
	take_string(&ret->campaign.row.state_reason, &at);
	take_string(&ret->campaign.row.created_by, &at);
	for (size_t i = 0; i < part.hubs_n; i++, at += strlen(at) + 1)
		ret->campaign.hub_names[i] = at;
}

static void read_page(const char *part_at, const char *end, struct op *ret)
{
	struct page_part part;
	const char *at = part_at + sizeof part;

	memcpy(&part, part_at, sizeof part);
	take_string(&part.continuation, &at);
	ret->page.campaign = part.campaign;
	ret->page.page = part.page;
	ret->page.hub = part.hub;
	ret->page.continuation = part.continuation;
	ret->page.rows = at;
	ret->page.rows_bytes = (size_t)(end - at);
}

static void read_target(const void *part_at, struct op *ret)
{
	const struct target_part *part = part_at;

	ret->target.campaign = part->row.campaign;
	ret->target.no = part->row.no;
	ret->target.row = &part->row;
	ret->target.baseline = &part->baseline;
	ret->target.device_id = (const char *)(part + 1);
}

static void read_target_put(const void *part_at, struct op *ret)
{
	const struct target_row *row = part_at;

	ret->target.campaign = row->campaign;
	ret->target.no = row->no;
	ret->target.row = row;
}

static void read_baseline(const void *part_at, struct op *ret)
{
	const struct baseline_part *part = part_at;

	ret->target.campaign = part->campaign;
	ret->target.no = part->no;
	ret->target.baseline = &part->baseline;
}

static void read_attempt(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->attempt;

	memcpy(&ret->attempt, part_at, sizeof ret->attempt);
	take_string(&ret->attempt.outcome, &at);
	take_string(&ret->attempt.payload, &at);
	take_string(&ret->attempt.tracking_id, &at);
}

static void read_evidence(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->evidence;

	memcpy(&ret->evidence, part_at, sizeof ret->evidence);
	take_string(&ret->evidence.verdict, &at);
	take_string(&ret->evidence.value, &at);
}

static void read_event(const char *part_at, const char *end, struct op *ret)
{
	struct event_part part;

	memcpy(&part, part_at, sizeof part);
	ret->event.id = part.id;
	ret->event.at_ms = part.at_ms;
	ret->event.campaign = part.campaign;
	ret->event.packed = part_at + sizeof part;
	ret->event.packed_bytes = (size_t)(end - ret->event.packed);
}

static void read_idempotency(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->idempotency;

	memcpy(&ret->idempotency, part_at, sizeof ret->idempotency);
	take_string(&ret->idempotency.key, &at);
	take_string(&ret->idempotency.campaign_id, &at);
}

static void read_zone(const char *part_at, struct op *ret)
{
	struct zone_part part;
	const char *at = part_at + sizeof part;

	memcpy(&part, part_at, sizeof part);
	take_string(&part.name, &at);
	ret->zone.campaign = part.campaign;
	ret->zone.zone = part.zone;
	ret->zone.name = part.name;
}

static void read_schedule(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->schedule;

	memcpy(&ret->schedule, part_at, sizeof ret->schedule);
	take_string(&ret->schedule.name, &at);
	take_string(&ret->schedule.spec, &at);
	take_string(&ret->schedule.created_by, &at);
}

static void read_note(const char *part_at, struct op *ret)
{
	struct note_part part;
	const char *at = part_at + sizeof part;

	memcpy(&part, part_at, sizeof part);
	take_string(&part.name, &at);
	take_string(&part.value, &at);
	ret->note.name = part.name;
	ret->note.value = part.value;
}

static void read_audit(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->audit;

	memcpy(&ret->audit, part_at, sizeof ret->audit);
	for (size_t i = 0; i < AUDIT_TEXTS_N; i++)
		take_string(&ret->audit.text[i], &at);
}

static void read_group(const char *part_at, struct op *ret)
{
	struct group_part part;
	const char *at = part_at + sizeof part;

	memcpy(&part, part_at, sizeof part);
	take_string(&part.name, &at);
	ret->group.campaign = part.campaign;
	ret->group.group = part.group;
	ret->group.size = part.size;
	ret->group.hub = part.hub;
	ret->group.name = part.name;
}

static void read_plan(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->plan;

	memcpy(&ret->plan, part_at, sizeof ret->plan);
	take_string(&ret->plan.text, &at);
}

static void read_usage(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->usage;

	memcpy(&ret->usage, part_at, sizeof ret->usage);
	take_string(&ret->usage.hub, &at);
}

static void read_dead(const char *part_at, struct op *ret)
{
	const char *at = part_at + sizeof ret->dead;

	memcpy(&ret->dead, part_at, sizeof ret->dead);
	take_string(&ret->dead.webhook, &at);
	take_string(&ret->dead.message_id, &at);
	take_string(&ret->dead.error, &at);
	take_string(&ret->dead.body, &at);
}

static void read_list(const char *part_at, const char *end, struct op *ret)
{
	struct list_part part;
	const char *at = part_at + sizeof part;

	memcpy(&part, part_at, sizeof part);
	take_string(&part.name, &at);
	take_string(&part.by, &at);
	ret->list.name = part.name;
	ret->list.by = part.by;
	ret->list.at_ms = part.at_ms;
	ret->list.n = part.n;
	ret->list.ids = at;
	ret->list.ids_bytes = (size_t)(end - at);
}

bool batch_read(const struct batch *b, size_t *at, struct op *ret)
{
	struct head head;
	const char *part, *end;

	if (*at == b->ops.len)
		return false;
	memcpy(&head, b->ops.data + *at, sizeof head);
	part = b->ops.data + *at + sizeof head;
	end = b->ops.data + *at + head.bytes;
	*at += round_up(head.bytes);
	ret->kind = (enum op_kind)head.kind;
	switch (ret->kind) {
	case OP_CAMPAIGN_ADD:
	case OP_CAMPAIGN_PUT:
		read_campaign(part, ret);
		break;
	case OP_CAMPAIGN_DROP:
	case OP_SCHEDULE_DROP:
		memcpy(&ret->dropped, part, sizeof ret->dropped);
		break;
	case OP_GROUP_ADD:
		read_group(part, ret);
		break;
	case OP_PAGE_ADD:
		read_page(part, end, ret);
		break;
	case OP_PAGES_DROP:
		memcpy(&ret->page.campaign, part, sizeof ret->page.campaign);
		break;
	case OP_TARGET_ADD:
		read_target(part, ret);
		break;
	case OP_TARGET_PUT:
		read_target_put(part, ret);
		break;
	case OP_BASELINE_PUT:
		read_baseline(part, ret);
		break;
	case OP_ATTEMPT_ADD:
		read_attempt(part, ret);
		break;
	case OP_EVIDENCE_ADD:
		read_evidence(part, ret);
		break;
	case OP_EVENT_ADD:
		read_event(part, end, ret);
		break;
	case OP_IDEMPOTENCY_ADD:
		read_idempotency(part, ret);
		break;
	case OP_AUDIT_ADD:
		read_audit(part, ret);
		break;
	case OP_AUDIT_DROP:
		memcpy(&ret->audit_drop, part, sizeof ret->audit_drop);
		break;
	case OP_EVENTS_DROP:
		memcpy(&ret->before_ms, part, sizeof ret->before_ms);
		break;
	case OP_PROGRESS_PUT:
	case OP_PROGRESS_WIDEN:
		memcpy(&ret->progress, part, sizeof ret->progress);
		break;
	case OP_RELAPSE_PUT:
		memcpy(&ret->relapse, part, sizeof ret->relapse);
		break;
	case OP_PLAN_PUT:
		read_plan(part, ret);
		break;
	case OP_USAGE_PUT:
		read_usage(part, ret);
		break;
	case OP_ZONE_ADD:
		read_zone(part, ret);
		break;
	case OP_SCHEDULE_PUT:
		read_schedule(part, ret);
		break;
	case OP_NOTE_PUT:
		read_note(part, ret);
		break;
	case OP_WEBHOOK_PUT:
	case OP_DEAD_LETTER_ADD:
	case OP_DEAD_LETTERS_DROP:
		read_dead(part, ret);
		break;
	case OP_LIST_BEGIN:
	case OP_LIST_IDS:
	case OP_LIST_END:
	case OP_LIST_DROP:
		read_list(part, end, ret);
		break;
	}
	return true;
}
