/* agent/log: a line a message on standard error, for the journal or a file. */
#ifndef ROLLCALL_DEPLOY_AGENT_LOG_H
#define ROLLCALL_DEPLOY_AGENT_LOG_H

/* As syslog numbers them. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

/* format is printf's, without a newline. Where the journal reads, the line starts with its level. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
