/* api/cli: see field.h */
#include "api/cli/field.h"

#include <string.h>

#include "server/base/clock.h"

json_t *field(const json_t *o, const char *path)
{
	for (;;) {
		size_t len = strcspn(path, ".");

		o = json_object_getn(o, path, len);
		if (path[len] == '\0' || o == NULL)
			return (json_t *)(uintptr_t)o;
		path += len + 1;
	}
}

const char *field_text(const json_t *o, const char *path)
{
	const char *text = json_string_value(field(o, path));

	return text != NULL ? text : "";
}

int64_t field_int(const json_t *o, const char *path)
{
	return (int64_t)json_integer_value(field(o, path));
}

double field_number(const json_t *o, const char *path)
{
	return json_number_value(field(o, path));
}

int64_t field_time(const json_t *o, const char *path)
{
	const char *text = field_text(o, path);
	int64_t ms;

	return time_parse(text, strlen(text), false, &ms) ? ms : TIME_NONE;
}
