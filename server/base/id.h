/* id: names for what we make. A campaign's id sorts by time of making and is never made twice, also when the
 * database is lost, since devices remember attempt ids that are made from it. */
#ifndef ROLLCALL_SERVER_BASE_ID_H
#define ROLLCALL_SERVER_BASE_ID_H

#include <stdint.h>

#define ID_SIZE 22 /* 21 characters [0-9a-z] and the NUL */
#define ATTEMPT_ID_SIZE 48

/* Writes 9 digits of now (ms, base 36) and 12 of luck to out. */
void id_new(int64_t now_ms, uint64_t luck, char out[ID_SIZE]);
/* Writes "<campaign>-<target number>-<sequence>", the attempt id that travels to the device. */
void id_attempt(const char *campaign_id, uint32_t target_no, uint32_t sequence, char out[ATTEMPT_ID_SIZE]);

#endif
