/* agent: see state.h */
#include "deploy/agent/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#define FORMAT 1
#define FILE_BYTES_MAX (8 * 1024 * 1024)

static const char *const type_texts[ACT_TYPES_N] = {"reboot", "factoryReset", "firmwareUpdate"};
static const char *const phase_texts[PHASES_N] = {"accepted", "begun", "done", "failed", "unknown"};

const char *act_type_text(enum act_type type)
{
	return type_texts[type];
}

const char *act_phase_text(enum act_phase phase)
{
	return phase_texts[phase];
}

/* --- the list of acts --- */

static bool is_pending(const struct act *a)
{
	return a->phase == PHASE_ACCEPTED || a->phase == PHASE_BEGUN;
}

struct act *state_find(struct state *s, const char *attempt_id)
{
	for (size_t i = s->n; attempt_id[0] != '\0' && i-- > 0;)
		if (strcmp(s->acts[i].attempt_id, attempt_id) == 0)
			return &s->acts[i];
	return NULL;
}

struct act *state_pending(struct state *s)
{
	return s->n > 0 && is_pending(&s->acts[s->n - 1]) ? &s->acts[s->n - 1] : NULL;
}

const struct act *state_last(const struct state *s, enum act_type type)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->acts[i].type == type)
			return &s->acts[i];
	return NULL;
}

const struct act *state_last_done(const struct state *s, enum act_type type)
{
	for (size_t i = s->n; i-- > 0;)
		if (s->acts[i].type == type && s->acts[i].phase == PHASE_DONE)
			return &s->acts[i];
	return NULL;
}

struct act *state_add(struct state *s)
{
	assert(state_pending(s) == NULL);
	if (s->n == STATE_ACTS_MAX) {
		free(s->acts[0].payload);
		memmove(&s->acts[0], &s->acts[1], (STATE_ACTS_MAX - 1) * sizeof *s->acts);
		s->n--;
	}
	s->acts[s->n] = (struct act){.phase = PHASE_ACCEPTED};
	return &s->acts[s->n++];
}

void state_drop_last(struct state *s)
{
	assert(s->n > 0);
	free(s->acts[--s->n].payload);
	s->acts[s->n].payload = NULL;
}

void state_done(struct state *s)
{
	while (s->n > 0)
		state_drop_last(s);
}

/* --- as JSON --- */

static json_t *act_json(const struct act *a)
{
	return json_pack("{s:s, s:s, s:s, s:s*, s:s, s:I, s:I, s:I, s:I, s:b, s:s, s:I, s:s, s:i, s:s}",
	                 "attemptId", a->attempt_id, "type", type_texts[a->type], "phase",
	                 phase_texts[a->phase], "payload", a->payload, "bootId", a->boot_id, "acceptedAt",
	                 (json_int_t)a->accepted_at_ms, "acceptedUp", (json_int_t)a->accepted_up_ms,
	                 "begunUp", (json_int_t)a->begun_up_ms, "endedAt", (json_int_t)a->ended_at_ms,
	                 "pretended", (int)a->is_pretended, "endBootId", a->end_boot_id, "endBootedAt",
	                 (json_int_t)a->end_booted_at_ms, "endFirmware", a->end_firmware, "errorCode",
	                 a->error_code, "error", a->error);
}

static json_t *state_json(const struct state *s)
{
	json_t *acts = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (json_array_append_new(acts, act_json(&s->acts[i])) < 0) {
			json_decref(acts);
			return NULL;
		}
	return json_pack("{s:i, s:s, s:I, s:s, s:I, s:o}", "format", FORMAT, "bootId", s->boot_id, "bootedAt",
	                 (json_int_t)s->booted_at_ms, "pretendedOver", s->pretended_over, "lastRebootAt",
	                 (json_int_t)s->last_reboot_at_ms, "acts", acts);
}

static bool word(const char *text, const char *const *texts, int n, int *ret)
{
	for (int i = 0; i < n; i++)
		if (strcmp(text, texts[i]) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

static bool copy(const char *text, char *out, size_t size)
{
	if (strlen(text) >= size)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static bool act_read(json_t *json, struct act *a)
{
	const char *id, *type, *phase, *payload = NULL, *boot, *end_boot, *firmware, *error;
	json_int_t accepted_at, accepted_up, begun_up, ended_at, end_booted_at;
	int pretended, number;

	if (json_unpack(json, "{s:s, s:s, s:s, s?s, s:s, s:I, s:I, s:I, s:I, s:b, s:s, s:I, s:s, s:i, s:s}",
	                "attemptId", &id, "type", &type, "phase", &phase, "payload", &payload, "bootId",
	                &boot, "acceptedAt", &accepted_at, "acceptedUp", &accepted_up, "begunUp", &begun_up,
	                "endedAt", &ended_at, "pretended", &pretended, "endBootId", &end_boot, "endBootedAt",
	                &end_booted_at, "endFirmware", &firmware, "errorCode", &a->error_code, "error",
	                &error) < 0)
		return false;
	if (!copy(id, a->attempt_id, sizeof a->attempt_id) || !copy(boot, a->boot_id, sizeof a->boot_id) ||
	    !copy(end_boot, a->end_boot_id, sizeof a->end_boot_id) ||
	    !copy(firmware, a->end_firmware, sizeof a->end_firmware) ||
	    !copy(error, a->error, sizeof a->error))
		return false;
	if (!word(type, type_texts, ACT_TYPES_N, &number))
		return false;
	a->type = (enum act_type)number;
	if (!word(phase, phase_texts, PHASES_N, &number))
		return false;
	a->phase = (enum act_phase)number;
	a->accepted_at_ms = accepted_at;
	a->accepted_up_ms = accepted_up;
	a->begun_up_ms = begun_up;
	a->ended_at_ms = ended_at;
	a->end_booted_at_ms = end_booted_at;
	a->is_pretended = pretended != 0;
	if (payload != NULL)
		a->payload = strdup(payload);
	return is_pending(a) == (a->payload != NULL);
}

static bool state_read(json_t *json, struct state *s)
{
	const char *boot, *over;
	json_int_t booted_at, last_reboot_at;
	json_t *acts;
	size_t i;
	int format;

	if (json_unpack(json, "{s:i, s:s, s:I, s:s, s:I, s:o}", "format", &format, "bootId", &boot,
	                "bootedAt", &booted_at, "pretendedOver", &over, "lastRebootAt", &last_reboot_at,
	                "acts", &acts) < 0 ||
	    format != FORMAT || !json_is_array(acts) || json_array_size(acts) > STATE_ACTS_MAX ||
	    !copy(boot, s->boot_id, sizeof s->boot_id) ||
	    !copy(over, s->pretended_over, sizeof s->pretended_over))
		return false;
	s->booted_at_ms = booted_at;
	s->last_reboot_at_ms = last_reboot_at;
	for (i = 0; i < json_array_size(acts); i++) {
		if (state_pending(s) != NULL || !act_read(json_array_get(acts, i), state_add(s)))
			return false;
	}
	return true;
}

/* --- on disk --- */

/* Gives the path with an ending, yours to free(). */
static char *beside(const char *path, const char *ending)
{
	char *other = NULL;

	return asprintf(&other, "%s%s", path, ending) < 0 ? NULL : other;
}

/* Gives the file's text, yours to free(); NULL with errno. */
static char *read_whole(const char *path)
{
	char *text = NULL;
	struct stat st;
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 &&
	    (st.st_size > FILE_BYTES_MAX || (text = malloc((size_t)st.st_size + 1)) == NULL))
		errno = EFBIG;
	while (text != NULL && n < (size_t)st.st_size) {
		ssize_t got = read(fd, text + n, (size_t)st.st_size - n);

		if (got < 0 && errno != EINTR) {
			free(text);
			text = NULL;
		} else if (got == 0) {
			break;
		} else if (got > 0) {
			n += (size_t)got;
		}
	}
	if (text != NULL)
		text[n] = '\0';
	close(fd);
	return text;
}

static void put_aside(const char *path)
{
	char *damaged = beside(path, ".damaged");

	if (damaged != NULL && rename(path, damaged) < 0)
		unlink(path);
	free(damaged);
}

enum state_load state_load(const char *path, struct state *s)
{
	char *text = read_whole(path);
	json_t *json;
	bool is_sound;

	*s = (struct state){.n = 0};
	if (text == NULL)
		return errno == ENOENT ? STATE_NEW : STATE_UNREADABLE;
	json = json_loads(text, 0, NULL);
	free(text);
	is_sound = json != NULL && state_read(json, s);
	json_decref(json);
	if (is_sound)
		return STATE_LOADED;
	state_done(s);
	*s = (struct state){.n = 0};
	put_aside(path);
	return STATE_DAMAGED;
}

static bool write_whole(const char *path, const char *text)
{
	size_t n = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), error;

	if (fd < 0)
		return false;
	while (n > 0) {
		ssize_t put = write(fd, text, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			goto failed;
		text += put;
		n -= (size_t)put;
	}
	if (fsync(fd) < 0)
		goto failed;
	return close(fd) == 0;
failed:
	error = errno;
	close(fd);
	errno = error;
	return false;
}

/* Makes the names in the folder of path durable. */
static bool sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
	        slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
	bool is_done = fd >= 0 && fsync(fd) == 0;

	error = errno;
	if (fd >= 0)
		close(fd);
	free(folder);
	errno = error;
	return is_done;
}

enum state_save state_save(const char *path, const struct state *s)
{
	json_t *json = state_json(s);
	char *text = json == NULL ? NULL : json_dumps(json, JSON_INDENT(1));
	char *next = beside(path, ".new");
	enum state_save save = STATE_KEPT;

	if (text == NULL || next == NULL)
		errno = ENOMEM;
	else if (write_whole(next, text) && rename(next, path) == 0)
		save = sync_folder(path) ? STATE_SAVED : STATE_IN_DOUBT;
	free(next);
	free(text);
	json_decref(json);
	return save;
}
