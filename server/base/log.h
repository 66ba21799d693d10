/* log: one line for each thing worth telling, as text or as JSON, with ids as fields; secrets are blanked.
 * The room that decides logs, once; deep code returns. Any thread. */
#ifndef ROLLCALL_SERVER_BASE_LOG_H
#define ROLLCALL_SERVER_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

struct log_field {
	const char *name; /* NULL ends the list */
	const char *text; /* NULL: the number counts */
	int64_t number;
};

#define LS(field, value) \
	{ \
		(field), log_text(value), 0 \
	}
#define LI(field, value) \
	{ \
		(field), NULL, (int64_t)(value) \
	}

/* Gives text, "" for NULL. */
const char *log_text(const char *text);

#define log_debug(message, ...) \
	log_write(LOG_DEBUG, message, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL, 0}})
#define log_info(message, ...) \
	log_write(LOG_INFO, message, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL, 0}})
#define log_warn(message, ...) \
	log_write(LOG_WARN, message, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL, 0}})
#define log_error(message, ...) \
	log_write(LOG_ERROR, message, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL, 0}})

/* Until called: info and above, text, to standard error. */
void log_setup(enum log_level level, bool as_json, int fd);
bool log_level_parse(const char *text, enum log_level *ret_level);
/* message is plain English, without ids: those are fields. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

#endif
