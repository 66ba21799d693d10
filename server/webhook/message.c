/* webhook: see message.h */
#include "server/webhook/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "server/base/clock.h"
#include "server/base/secret.h"

#define FILE_MAX_BYTES 1024
#define KEY_MIN_BYTES 24
#define KEY_MAX_BYTES 64
#define PREFIX "whsec_"

bool message_is_told(const struct event *event)
{
	return event->type == EVENT_CAMPAIGN || event->type == EVENT_WAVE;
}

/* What has become of it: "paused", of a new campaign "created", of a wave "moved". */
static const char *change_of(const struct event *event)
{
	if (event->type == EVENT_WAVE)
		return "moved";
	return event->from == event->to ? "created" : campaign_state_text((enum campaign_state)event->to);
}

void message_render(const struct event *event, const char *campaign_id, struct buf *body,
                    char id[MESSAGE_ID_SIZE])
{
	char at[TIME_TEXT_SIZE];

	snprintf(id, MESSAGE_ID_SIZE, "%s_%" PRIu64 "_%" PRId64, campaign_id, event->id, event->at_ms);
	time_text(event->at_ms, at);
	buf_printf(body,
	           "{\"type\":\"%s.%s\",\"timestamp\":\"%s\",\"data\":{\"id\":%" PRIu64
	           ",\"at\":\"%s\",\"type\":\"%s\",\"campaignId\":",
	           event_type_text(event->type), change_of(event), at, event->id, at,
	           event_type_text(event->type));
	buf_json(body, campaign_id);
	if (event->type == EVENT_CAMPAIGN && event->from != event->to)
		buf_printf(body, ",\"from\":\"%s\"", campaign_state_text((enum campaign_state)event->from));
	if (event->type == EVENT_CAMPAIGN)
		buf_printf(body, ",\"to\":\"%s\"", campaign_state_text((enum campaign_state)event->to));
	if (event->detail != NULL && event->detail[0] != '\0')
		buf_printf(body, ",%s", event->detail);
	buf_puts(body, "}}");
}

/* ---- secrets ---- */

static enum err read_file(const char *file, char *text, char reason[MESSAGE_REASON_SIZE])
{
	if (secret_read_file(file, text, FILE_MAX_BYTES) >= 0)
		return ERR_OK;
	snprintf(reason, MESSAGE_REASON_SIZE, "%.150s cannot be read: %s", file, strerror(errno));
	return ERR_NOT_FOUND;
}

enum err message_keys_read(const char *file, struct message_keys *ret, char reason[MESSAGE_REASON_SIZE])
{
	char text[FILE_MAX_BYTES + 1], *rest = text, *line;
	enum err err = read_file(file, text, reason);

	ret->n = 0;
	while (err == ERR_OK && (line = strsep(&rest, " \t\r\n")) != NULL) {
		struct sas_key *key = &ret->all[ret->n];

		if (line[0] == '\0')
			continue;
		secret_register(line);
		if (ret->n == MESSAGE_KEYS_MAX || strncmp(line, PREFIX, strlen(PREFIX)) != 0 ||
		    !sas_key_read(line + strlen(PREFIX), key) || key->n < KEY_MIN_BYTES ||
		    key->n > KEY_MAX_BYTES)
			err = ERR_INVALID;
		else
			ret->n++;
	}
	if (err == ERR_OK && ret->n == 0)
		err = ERR_INVALID;
	if (err == ERR_INVALID)
		snprintf(reason, MESSAGE_REASON_SIZE,
		         "%.100s must hold one or two lines of " PREFIX " and base64 of %d to %d bytes", file,
		         KEY_MIN_BYTES, KEY_MAX_BYTES);
	explicit_bzero(text, sizeof text);
	return err;
}

void message_keys_done(struct message_keys *keys)
{
	explicit_bzero(keys, sizeof *keys);
}

void message_sign(const struct message_keys *keys, const char *id, int64_t at_s, const char *body,
                  size_t body_bytes, struct buf *out)
{
	struct buf signed_text = BUF_INIT;

	buf_printf(&signed_text, "%s.%" PRId64 ".", id, at_s);
	buf_put(&signed_text, body, body_bytes);
	for (size_t i = 0; i < keys->n; i++) {
		unsigned char mac[EVP_MAX_MD_SIZE], text[EVP_MAX_MD_SIZE * 2];
		unsigned n = 0;

		if (HMAC(EVP_sha256(), keys->all[i].bytes, (int)keys->all[i].n,
		         (const unsigned char *)signed_text.data, signed_text.len, mac, &n) == NULL)
			n = 0; /* no memory: the receiver refuses it, and it is sent again */
		EVP_EncodeBlock(text, mac, (int)n);
		buf_printf(out, "%sv1,%s", i > 0 ? " " : "", (const char *)text);
	}
	buf_done(&signed_text);
}
