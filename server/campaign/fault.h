/* campaign/fault: what is wrong with a document, all of it, each with its JSON pointer (RFC 6901). */
#ifndef ROLLCALL_SERVER_CAMPAIGN_FAULT_H
#define ROLLCALL_SERVER_CAMPAIGN_FAULT_H

#include <stddef.h>

struct fault {
	char *pointer; /* "/rollout/ratePerMinute", "" for the whole */
	char *detail;  /* plain English, says what would be right */
};

#define FAULTS_MAX 100 /* what is wrong beyond that is only counted */

struct faults {
	struct fault *all;
	size_t n, left_out;
};

#define FAULTS_INIT \
	{ \
		NULL, 0, 0 \
	}

/* Copies both; a pointer longer than 512 bytes is cut. */
void faults_add(struct faults *f, const char *pointer, const char *detail_format, ...)
        __attribute__((format(printf, 3, 4)));
void faults_done(struct faults *f);

#endif
