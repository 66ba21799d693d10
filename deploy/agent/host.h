/* agent/host: what is asked of the machine: clocks, luck, files of one line. */
#ifndef ROLLCALL_DEPLOY_AGENT_HOST_H
#define ROLLCALL_DEPLOY_AGENT_HOST_H

#include <stddef.h>
#include <stdint.h>

/* When something is due: in ms since the boot, as up_ms() tells them. */
#define NEVER INT64_MAX

int64_t up_ms(void);  /* since the boot, sleep included; it never steps */
int64_t utc_ms(void); /* since 1970, as the clock stands */
uint64_t luck(void);
int64_t earlier(int64_t a_ms, int64_t b_ms);

/* The file's first line, if it is one of visible characters that fits; else empty. */
void read_line(const char *path, char *out, size_t size);

#endif
