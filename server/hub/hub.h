/* hub: one IoT Hub's service side: direct methods, twins, queries, jobs, with its credential. Knows nothing
 * of campaigns. Each request is sent once; the answer says what it means (outcome.h). Loop thread only;
 * callbacks never fire inside the call that asked, and exactly once each. */
#ifndef ROLLCALL_SERVER_HUB_HUB_H
#define ROLLCALL_SERVER_HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/hub/outcome.h"
#include "server/hub/reading.h"

struct entra;
struct hub;

struct hub_options {
	struct uv_loop_s *loop; /* keeps */
	const char *name;       /* borrows this and all that follow */
	/* HostName=…;SharedAccessKeyName=…;SharedAccessKey=… (contract 1.1), or two, a line each: where the
	 * hub refuses one the other is used */
	const char *connection_string;
	const char *connection_string_file; /* where it was read, and is read again; NULL: nowhere */
	const char *host;                   /* where there is none: the hub's name, with entra */
	const struct entra *entra;          /* how to ask for access tokens; NULL: by connection_string */
	const char *endpoint; /* overrides https://host, NULL: does not; hub_check_endpoint() says what may */
	const char *ca_file;  /* trusted instead of the system's, by host and authority; NULL: the system's */
	uint32_t inflight_max; /* calls at once: as many connections are kept, and some for reads */
};

/* Checks a connection string without using it; on ERR_INVALID *ret_reason is a static text that holds no
 * secret. */
MUST_CHECK enum err hub_check_connection_string(const char *text, const char **ret_reason);
/* Whether an endpoint may be used: https, or http to a loopback address, with nothing behind host and port.
 */
MUST_CHECK enum err hub_check_endpoint(const char *url, const char **ret_reason);

/* ERR_INVALID: connection string, endpoint or authority; ERR_NOT_FOUND: ca_file cannot be read. */
MUST_CHECK enum err hub_new(const struct hub_options *options, struct hub **ret);
const char *hub_name(const struct hub *h);
/* Why there is no access token, or its file of connection strings was not taken; "" where all is well;
 * borrowed until the next call. */
const char *hub_credential_error(const struct hub *h);
/* Reads the file of connection strings again, or asks for another access token, before the next request; what
 * is good is used on. */
void hub_renew_credential(struct hub *h);

/* May a call still be made, which had to wait for a connection? No: NOT_DELIVERED. arg is that of its answer;
 * not to ask anything of the hub. */
typedef bool hub_may_begin_cb(void *arg);

struct hub_call {
	const char *device_id;
	const char *method_name;
	const char *payload; /* JSON text, "null" for none */
	size_t payload_bytes;
	uint32_t response_timeout_s, connect_timeout_s;
	hub_may_begin_cb *may_begin; /* NULL: always */
};

enum hub_job_stage {
	HUB_JOB_UNKNOWN, /* the hub knows no such job (yet) */
	HUB_JOB_GOING,
	HUB_JOB_ENDED
};

/* All pointers borrowed until the callback returns. */
struct hub_job_row;
struct hub_answer {
	enum hub_outcome outcome;
	int http_status;        /* 0: none came */
	struct hub_error error; /* empty where answered */
	int64_t hub_at_ms;      /* Date header, TIME_NONE: none */
	int64_t retry_after_ms; /* TIME_NONE: not said */
	const char *detail;     /* plain English for a log, "" */
	int64_t took_ms;        /* where a status came: from asking to here */
	size_t answer_bytes;    /* of its body: what messages are counted by (contract 7.2) */
	/* A call that was answered: */
	int32_t method_status;
	const char *payload; /* the device's answer, compact JSON; NULL: none */
	/* A twin read that was answered or GONE: */
	const struct reading *reading; /* hub_read only; is_there false where GONE */
	/* A query page that was answered: */
	struct reading *rows;      /* in the page's order */
	size_t rows_n, bad_rows_n; /* rows without a deviceId are counted and left out */
	const char *continuation;  /* NULL: the last page */
	/* A job that was answered: */
	enum hub_job_stage job_stage;
	size_t job_devices_n; /* that the hub's index found for it, SIZE_MAX: not said (yet) */
	/* A page of a job's rows that was answered; what is no row counts as bad. */
	const struct hub_job_row *job_rows;
	size_t job_rows_n;
};

/* What became of one device of a job: answer is as if it had been called by hub_invoke(). */
struct hub_job_row {
	const char *device_id;
	bool is_final; /* else answer may change yet */
	struct hub_answer answer;
};
typedef void hub_answer_cb(void *arg, const struct hub_answer *answer);

/* Below: on failure there is no callback. ERR_CLOSED: hub_free() has begun. ERR_NO_TOKEN: no access token
 * could be had yet. ERR_INVALID, the same every time: a device id that no path can name ("", ".", ".."); a
 * query of more than 8192 bytes (contract 4.2). */

/* Invokes a direct method (contract 2). The HTTP time-out is hub_call_timeout_ms(). A 200 that is no device's
 * answer is AMBIGUOUS. Borrows call. */
MUST_CHECK enum err hub_invoke(struct hub *h, const struct hub_call *call, hub_answer_cb *on_answer,
                               void *arg);
/* Reads one twin (contract 3); keeps watch until answered. Another device's twin is TROUBLE. */
MUST_CHECK enum err hub_read(struct hub *h, const char *device_id, const struct watch *watch,
                             hub_answer_cb *on_answer, void *arg);
/* Reads one page of "SELECT <watch_select()> FROM devices [WHERE condition]", up to 100 rows (contract 4.1).
 * condition NULL: all devices. continuation NULL: the first page. Keeps watch until answered. */
MUST_CHECK enum err hub_query(struct hub *h, const char *condition, const char *continuation,
                              const struct watch *watch, hub_answer_cb *on_answer, void *arg);
/* A job: the hub itself calls a method on devices, at its own speed and one job at a time on smaller tiers
 * (contract 5). */
struct hub_job {
	const char *id; /* never used before: 1 to 64 lower-case letters, digits and - */
	const char *const *device_ids;
	size_t devices_n;
	const char *method_name, *payload; /* as of a call, the same for all */
	uint32_t response_timeout_s, connect_timeout_s;
	uint32_t time_max_s;         /* after that the hub ends it */
	hub_may_begin_cb *may_begin; /* NULL: always */
};
/* The bytes of one device in a job's condition, which has room for HUB_JOB_BYTES_MAX of them (contract 4.2).
 */
#define HUB_JOB_BYTES_MAX 8000
size_t hub_job_bytes(const char *device_id);
/* Starts a job; what is AMBIGUOUS may have started. Borrows job. */
MUST_CHECK enum err hub_job_start(struct hub *h, const struct hub_job *job, hub_answer_cb *on_answer,
                                  void *arg);
/* Reads how far one is. */
MUST_CHECK enum err hub_job_read(struct hub *h, const char *id, hub_answer_cb *on_answer, void *arg);
/* Reads up to 100 of its rows; continuation NULL: the first page. */
MUST_CHECK enum err hub_job_rows(struct hub *h, const char *id, const char *continuation,
                                 hub_answer_cb *on_answer, void *arg);
/* Ends what is out (callbacks fire with AMBIGUOUS, NOT_DELIVERED or TROUBLE), then calls on_freed. */
void hub_free(struct hub *h, void (*on_freed)(void *arg), void *arg);

/* Whole time a call may be out until its callback has fired, ms: for deadlines of those who wait. */
uint32_t hub_call_timeout_ms(uint32_t response_timeout_s, uint32_t connect_timeout_s);

#endif
