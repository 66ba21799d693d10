/* hub: where: IoT Hub's documented WHERE grammar (contract 4.2: what stands after WHERE), parsed once and
 * decided over one twin, so that a user's predicate is checked when it is given, and a point read can answer
 * what the hub's lagging index cannot. Pure; a parsed predicate is never written again, any thread may ask.
 *
 * The documents leave undefined values and mixed types open (contract 14). Here what is not proven does not
 * hold, and neither does its opposite:
 * - A comparison is undefined if an operand is missing, an object or an array, or if the types differ; so
 *   `tags.n != 'x'` does not hold where tags.n is 5, null or missing. Null and booleans know = and != only.
 *   Text is compared by code points.
 * - AND, OR and NOT are three-valued: NOT undefined is undefined, false AND undefined is false, true OR
 *   undefined is true. A value that is not a boolean counts as undefined. Only true holds.
 * - x IN [a, b] is x = a OR x = b; NIN is its NOT.
 * - + - * / % take numbers, all else is undefined, so is division by zero and what no double can hold.
 *   Integers stay exact while they fit 64 bits.
 * - STARTSWITH and ENDSWITH take texts, all else is undefined.
 * - IS_DEFINED(path) is true for null, false where the path is missing; under configurations and jobs, which
 *   a twin need not show, it is undefined, as its NOT would claim to know.
 *
 * The hub's own names (deviceId, tags, properties.reported ...) match in any case, names of twin properties
 * exactly. A bare name is made of ASCII letters, digits, _ and $; others, and the words of the language, are
 * written [[any text]]. */
#ifndef ROLLCALL_SERVER_HUB_WHERE_H
#define ROLLCALL_SERVER_HUB_WHERE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define WHERE_TEXT_MAX 8192 /* the hub's limit in characters; counted in bytes, the stricter reading */
#define WHERE_DEPTH_MAX 100 /* parentheses, NOTs, arrays and calls inside each other; our own limit */

struct where;

/* Gives a predicate. Borrows text, which needs no NUL. If the text is refused: NULL, the offset in bytes of
 * what is wrong, and a static English reason that says what is expected there. */
struct where *where_parse(const char *text, size_t len, size_t *ret_at, const char **ret_reason);
/* Borrows twin: a twin document (contract 3.2); NULL is a twin without anything. */
bool where_holds(const struct where *w, const json_t *twin);
void where_free(struct where *w); /* NULL is fine */

/* Appends text as a string of that language. */
struct buf;
void where_quote(const char *text, struct buf *out);

#endif
