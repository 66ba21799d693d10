/* agent: see log.h */
#include "deploy/agent/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void log_line(enum log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (getenv("JOURNAL_STREAM") != NULL)
		fprintf(stderr, "<%d>%s\n", (int)level, text);
	else
		fprintf(stderr, "%s%s\n",
		        level < LOG_LEVEL_WARNING ? "error: "
		        : level < LOG_LEVEL_INFO  ? "warning: "
		                                  : "",
		        text);
}
