/* clock: what time it is, and time as text. Read it once a turn and pass it down. */
#ifndef ROLLCALL_SERVER_BASE_CLOCK_H
#define ROLLCALL_SERVER_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_NONE INT64_MIN  /* no such time */
#define TIME_NEVER INT64_MAX /* later than all times */

#define TIME_TEXT_SIZE 32

/* UTC milliseconds since 1970-01-01; may be stored, may step. */
int64_t clock_now_ms(void);
/* Milliseconds that only grow; never stored. */
int64_t clock_mono_ms(void);
/* The same, but also counts while the machine sleeps. */
int64_t clock_boot_ms(void);

/* Writes RFC 3339 UTC with milliseconds ("2026-12-01T02:00:00.000Z") to out and gives out. */
const char *time_text(int64_t at_ms, char out[TIME_TEXT_SIZE]);
/* Reads an RFC 3339 instant with "Z" or an offset and any number of fraction digits (cut to milliseconds).
 * A text without an offset is read as UTC only where lax, since IoT Hub's unset times have none
 * (contract 3.2). False if it is not one. */
bool time_parse(const char *text, size_t len, bool lax, int64_t *ret_ms);
/* Reads an HTTP Date header (RFC 9110 5.6.7, IMF-fixdate only). */
bool time_parse_http(const char *text, int64_t *ret_ms);

#endif
