/* webhook/message: what a webhook is told, and how it is signed (Standard Webhooks 1.0,
 * standardwebhooks.com). Transitions of campaigns and waves are told; a message's id is the same however
 * often it is sent. */
#ifndef ROLLCALL_SERVER_WEBHOOK_MESSAGE_H
#define ROLLCALL_SERVER_WEBHOOK_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/campaign/model.h"
#include "server/hub/sas.h"

#define MESSAGE_ID_SIZE 80
#define MESSAGE_REASON_SIZE 256
#define MESSAGE_KEYS_MAX 2 /* a new secret beside the old one */

/* Whether an event is told at all. */
bool message_is_told(const struct event *event);
/* Appends the body: {"type":"campaign.paused","timestamp":"…","data":{the event, as the API shows it}}. The
 * id holds the event's, and its time too, since a restored backup gives numbers again. */
void message_render(const struct event *event, const char *campaign_id, struct buf *body,
                    char id[MESSAGE_ID_SIZE]);

struct message_keys {
	struct sas_key all[MESSAGE_KEYS_MAX];
	size_t n;
};
/* Reads a file of one secret a line ("whsec_" and base64 of 24 to 64 bytes), two at most, and registers them
 * as secrets. ERR_NOT_FOUND, ERR_INVALID: reason is plain English, without a secret. ret is set in any case.
 */
MUST_CHECK enum err message_keys_read(const char *file, struct message_keys *ret,
                                      char reason[MESSAGE_REASON_SIZE]);
/* Overwrites them. */
void message_keys_done(struct message_keys *keys);
/* Appends the value of webhook-signature: "v1,…", once for each key, with a space between. */
void message_sign(const struct message_keys *keys, const char *id, int64_t at_s, const char *body,
                  size_t body_bytes, struct buf *out);

#endif
