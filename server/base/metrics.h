/* base/metrics: what is counted over time, and its text for Prometheus (exposition format 0.0.4). */
#ifndef ROLLCALL_SERVER_BASE_METRICS_H
#define ROLLCALL_SERVER_BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

#define HISTOGRAM_BOUNDS_MAX 16

/* How often a value, in seconds, was so large. Zero bytes are an empty one without bounds. */
struct histogram {
	const double *bounds; /* upper ones, ascending; kept */
	size_t bounds_n;
	uint64_t n[HISTOGRAM_BOUNDS_MAX + 1]; /* between two bounds; the last: above all */
	double sum;
};
void histogram_init(struct histogram *h, const double *bounds, size_t bounds_n);
void histogram_add(struct histogram *h, double seconds);

/* Appends the two lines before a family's samples; type is "counter", "gauge" or "histogram". */
void metrics_family(struct buf *out, const char *name, const char *type, const char *help);
/* Appends one sample. labels: pairs of name and value, up to a NULL name. */
void metrics_sample(struct buf *out, const char *name, const char *const *labels, double value);
/* Appends a family of one sample without labels. */
void metrics_single(struct buf *out, const char *name, const char *type, const char *help, double value);
/* Appends a family that is one histogram. */
void metrics_histogram(struct buf *out, const char *name, const char *help, const struct histogram *h);
/* Appends the families that Prometheus' own clients have of their process. */
void metrics_process(struct buf *out);

#endif
