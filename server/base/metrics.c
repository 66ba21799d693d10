/* base: see metrics.h */
#include "server/base/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void histogram_init(struct histogram *h, const double *bounds, size_t bounds_n)
{
	assert(bounds_n <= HISTOGRAM_BOUNDS_MAX);
	*h = (struct histogram){.bounds = bounds, .bounds_n = bounds_n};
}

void histogram_add(struct histogram *h, double seconds)
{
	size_t i = 0;

	while (i < h->bounds_n && seconds > h->bounds[i])
		i++;
	h->n[i]++;
	h->sum += seconds;
}

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(struct buf *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			buf_puts(out, "\\n");
		else if (*value == '"' || *value == '\\')
			buf_printf(out, "\\%c", *value);
		else
			buf_put(out, value, 1);
	}
}

void metrics_sample(struct buf *out, const char *name, const char *const *labels, double value)
{
	buf_puts(out, name);
	for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
		buf_printf(out, "%c%s=\"", i == 0 ? '{' : ',', labels[i]);
		put_value(out, labels[i + 1]);
		buf_puts(out, labels[i + 2] == NULL ? "\"}" : "\"");
	}
	buf_printf(out, " %.15g\n", value);
}

void metrics_single(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	metrics_family(out, name, type, help);
	metrics_sample(out, name, NULL, value);
}

void metrics_histogram(struct buf *out, const char *name, const char *help, const struct histogram *h)
{
	char series[128], bound[32];
	const char *labels[] = {"le", bound, NULL};
	uint64_t n = 0;

	metrics_family(out, name, "histogram", help);
	snprintf(series, sizeof series, "%s_bucket", name);
	for (size_t i = 0; i <= h->bounds_n; i++) {
		n += h->n[i];
		if (i < h->bounds_n)
			snprintf(bound, sizeof bound, "%.6g", h->bounds[i]);
		else
			snprintf(bound, sizeof bound, "+Inf");
		metrics_sample(out, series, labels, (double)n);
	}
	snprintf(series, sizeof series, "%s_sum", name);
	metrics_sample(out, series, NULL, h->sum);
	snprintf(series, sizeof series, "%s_count", name);
	metrics_sample(out, series, NULL, (double)n);
}

/* ---- of this process (proc(5)) ---- */

static double seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* -1: the system does not tell. */
static double resident_bytes(void)
{
	FILE *in = fopen("/proc/self/statm", "re");
	long size, resident = -1;

	if (in == NULL)
		return -1;
	if (fscanf(in, "%ld %ld", &size, &resident) != 2)
		resident = -1;
	fclose(in);
	return resident < 0 ? -1 : (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = -3; /* ".", "..", and the folder's own */

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* -1: the system does not tell. */
static double started_at(void)
{
	FILE *in = fopen("/proc/self/stat", "re");
	char line[1024], *at = NULL;
	unsigned long long ticks = 0, booted_s = 0;

	if (in != NULL) {
		at = fgets(line, sizeof line, in) != NULL ? strrchr(line, ')')
		                                          : NULL; /* names may hold spaces */
		fclose(in);
	}
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL || sscanf(at, "%llu", &ticks) != 1 || (in = fopen("/proc/stat", "re")) == NULL)
		return -1;
	while (booted_s == 0 && fgets(line, sizeof line, in) != NULL)
		if (sscanf(line, "btime %llu", &booted_s) != 1)
			booted_s = 0;
	fclose(in);
	return booted_s == 0 ? -1 : (double)booted_s + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void metrics_process(struct buf *out)
{
	struct rusage usage;
	struct rlimit limit;
	double bytes = resident_bytes(), files = open_files(), start_s = started_at();

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		metrics_single(out, "process_cpu_seconds_total", "counter", "Processor time used.",
		               seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
	if (start_s >= 0)
		metrics_single(out, "process_start_time_seconds", "gauge",
		               "When it started, seconds since 1970, by the clock as it is now.", start_s);
	if (bytes >= 0)
		metrics_single(out, "process_resident_memory_bytes", "gauge", "Memory held.", bytes);
	if (files >= 0)
		metrics_single(out, "process_open_fds", "gauge", "Files and sockets open.", files);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		metrics_single(out, "process_max_fds", "gauge", "How many may be open.",
		               (double)limit.rlim_cur);
}
