/* base: see log.h */
#include "server/base/log.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/secret.h"

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static enum log_level level_min = LOG_INFO;
static bool json_lines;
static int out_fd = STDERR_FILENO;

void log_setup(enum log_level level, bool as_json, int fd)
{
	level_min = level;
	json_lines = as_json;
	out_fd = fd;
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
	for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++)
		if (strcasecmp(text, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	return false;
}

const char *log_text(const char *text)
{
	return text != NULL ? text : "";
}

static void put_json(struct buf *b, const char *when, enum log_level level, const char *message,
                     const struct log_field *f)
{
	buf_printf(b, "{\"at\":\"%s\",\"level\":\"%s\",\"message\":", when, level_names[level]);
	buf_json(b, message);
	for (; f->name != NULL; f++) {
		buf_putc(b, ',');
		buf_json(b, f->name);
		buf_putc(b, ':');
		if (f->text != NULL)
			buf_json(b, f->text);
		else
			buf_printf(b, "%lld", (long long)f->number);
	}
	buf_putc(b, '}');
}

static void put_text(struct buf *b, const char *when, enum log_level level, const char *message,
                     const struct log_field *f)
{
	buf_printf(b, "%s %-5s %s", when, level_names[level], message);
	for (; f->name != NULL; f++) {
		buf_printf(b, " %s=", f->name);
		if (f->text == NULL)
			buf_printf(b, "%lld", (long long)f->number);
		else if (f->text[0] == '\0' || strpbrk(f->text, " \t\r\n\"=") != NULL)
			buf_json(b, f->text);
		else
			buf_puts(b, f->text);
	}
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
	struct buf line = BUF_INIT;
	char when[TIME_TEXT_SIZE];
	ssize_t n;

	if (level < level_min)
		return;
	time_text(clock_now_ms(), when);
	if (json_lines)
		put_json(&line, when, level, message, fields);
	else
		put_text(&line, when, level, message, fields);
	secret_redact(&line);
	buf_putc(&line, '\n');
	n = write(out_fd, line.data, line.len);
	(void)n; /* nobody is left to be told */
	buf_done(&line);
}
