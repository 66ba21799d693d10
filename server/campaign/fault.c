/* campaign: see fault.h */
#include "server/campaign/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/buf.h"

void faults_add(struct faults *f, const char *pointer, const char *detail_format, ...)
{
	char detail[1024];
	va_list ap;

	if (f->n == FAULTS_MAX) {
		f->left_out++;
		return;
	}
	va_start(ap, detail_format);
	vsnprintf(detail, sizeof detail, detail_format, ap);
	va_end(ap);
	f->all = xrealloc(f->all, (f->n + 1) * sizeof *f->all);
	f->all[f->n++] = (struct fault){xstrndup(pointer, 512), xstrdup(detail)};
}

void faults_done(struct faults *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->all[i].pointer);
		free(f->all[i].detail);
	}
	free(f->all);
	*f = (struct faults)FAULTS_INIT;
}
