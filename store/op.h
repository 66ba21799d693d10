/* store/op: a batch as a back end reads it. */
#ifndef ROLLCALL_STORE_OP_H
#define ROLLCALL_STORE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/batch.h"

enum op_kind {
	OP_CAMPAIGN_ADD,
	OP_CAMPAIGN_PUT,
	OP_CAMPAIGN_DROP,
	OP_GROUP_ADD,
	OP_PAGE_ADD,
	OP_PAGES_DROP,
	OP_TARGET_ADD,
	OP_TARGET_PUT,
	OP_BASELINE_PUT,
	OP_ATTEMPT_ADD,
	OP_EVIDENCE_ADD,
	OP_RELAPSE_PUT,
	OP_EVENT_ADD,
	OP_IDEMPOTENCY_ADD,
	OP_ZONE_ADD,
	OP_SCHEDULE_PUT,
	OP_SCHEDULE_DROP,
	OP_NOTE_PUT,
	OP_LIST_BEGIN,
	OP_LIST_IDS,
	OP_LIST_END,
	OP_LIST_DROP,
	OP_PROGRESS_PUT,
	OP_PROGRESS_WIDEN,
	OP_PLAN_PUT,
	OP_USAGE_PUT,
	OP_EVENTS_DROP,
	OP_AUDIT_ADD,
	OP_AUDIT_DROP,
	OP_WEBHOOK_PUT,
	OP_DEAD_LETTER_ADD,
	OP_DEAD_LETTERS_DROP
};

/* All pointers lead into the batch. */
struct op {
	enum op_kind kind;
	union {
		struct {
			struct campaign_row row;
			const char *hub_names[HUBS_MAX]; /* OP_CAMPAIGN_ADD */
			size_t hubs_n;
		} campaign;        /* OP_CAMPAIGN_ADD, OP_CAMPAIGN_PUT */
		uint32_t dropped;  /* OP_CAMPAIGN_DROP, OP_SCHEDULE_DROP: its number */
		int64_t before_ms; /* OP_EVENTS_DROP */
		struct {
			uint32_t campaign, group, size;
			uint8_t hub;
			const char *name;
		} group;
		struct {
			uint32_t campaign, page;
			uint8_t hub;
			const char *continuation;
			const char *rows; /* packed by pack_selected() */
			size_t rows_bytes;
		} page; /* OP_PAGE_ADD; OP_PAGES_DROP: campaign only */
		struct {
			uint32_t campaign, no;
			const struct target_row *row;    /* OP_TARGET_ADD, OP_TARGET_PUT */
			const char *device_id;           /* OP_TARGET_ADD */
			const struct baseline *baseline; /* OP_TARGET_ADD, OP_BASELINE_PUT */
		} target;
		struct attempt_row attempt;
		struct evidence_row evidence;
		struct relapse_row relapse;
		struct {
			uint64_t id;
			int64_t at_ms;
			uint32_t campaign;
			const char *packed; /* by pack_event() */
			size_t packed_bytes;
		} event;
		struct idempotency_row idempotency;
		struct audit_row audit; /* OP_AUDIT_ADD */
		struct {
			int64_t before_ms, at_ms;
		} audit_drop;
		struct schedule_row schedule;
		struct {
			const char *name, *value;
		} note;
		struct {
			uint32_t campaign, zone;
			const char *name;
		} zone;
		struct progress_row progress; /* OP_PROGRESS_WIDEN: campaign and slot_s only */
		struct plan_row plan;
		struct usage_row usage;
		struct dead_letter
		        dead; /* OP_WEBHOOK_PUT: webhook and event_id; OP_DEAD_LETTERS_DROP: webhook */
		struct {
			const char *name, *by; /* by: OP_LIST_END */
			int64_t at_ms;         /* OP_LIST_END */
			uint32_t n;            /* OP_LIST_IDS: in this op; OP_LIST_END: in all */
			const char *ids;       /* OP_LIST_IDS: packed by pack_text() */
			size_t ids_bytes;
		} list;
	};
};

/* Reads the op at *at (0: the first) and moves *at on; false: there is none. */
bool batch_read(const struct batch *b, size_t *at, struct op *ret);

#endif
