/* conductor: the two clocks, see conduct.h. Windows, schedules, starts and ends follow the one on the wall.
 * All that takes its time (calls, proofs, settling, back-off) follows ours, which never runs ahead of time
 * itself: also not where somebody sets the one on the wall while the process is away, or a device would be
 * called while an earlier call to it may still be on its way (P2, P3). So while anything is held on record,
 * ours goes on at a start from where the record ends, and catches up with what a hub's own clock shows to
 * have passed since then at least: once, by its first answer. Whatever begins after that must not be made
 * shorter; the few seconds that a hub's clock leaves open are made up slowly, also where the wall's agrees:
 * it could have been set by as much. A wall clock that went back is followed: it makes nothing shorter. */
#include "server/conduct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"

/* By so much the clock on the wall may come to differ from ours before that is worth a word. */
#define STEP_MS 1000
#define NOTE "hub clock " /* on record: and the hub's name */
/* A hub's clock less ours, as noted, is of whole seconds and was heard some time after it was said; and it is
 * noted anew where it differs by so much. */
#define OFFSET_SLACK_MS 3000
#define NOTED_APART_MS 1000
/* What a hub's clock leaves open at a start (the slack, its whole seconds, an answer that was slow) is no
 * step.
 */
#define OPEN_AT_START_MS 8000

int64_t conduct_now(const struct conductor *c)
{
	return steady_read(c->steady, conduct_wall(c), conduct_mono(c));
}

int64_t conduct_mono(const struct conductor *c)
{
	return c->options.mono_ms(c->options.arg);
}

int64_t conduct_wall(const struct conductor *c)
{
	return c->options.now_ms(c->options.arg);
}

int64_t conductor_now(const struct conductor *c)
{
	return conduct_now(c);
}

static void move_clock(struct conductor *c, int64_t by_ms)
{
	steady_set(c->steady, conduct_now(c) + by_ms, conduct_mono(c));
	for (uint32_t i = 0; i < c->ports_n; i++)
		track_clock_moved(c->ports[i].track, by_ms);
	c->is_behind = false;
}

/* Puts ours to where the one on the wall is: nothing counts time. */
static void follow_wall(struct conductor *c)
{
	move_clock(c, conduct_wall(c) - conduct_now(c));
	for (uint32_t i = 0; i < c->ports_n; i++)
		c->ports[i].recorded_offset_ms = TIME_NONE;
}

void clock_begin(struct conductor *c, int64_t recorded_ms)
{
	if (recorded_ms == TIME_NONE)
		return;
	c->is_behind = recorded_ms < conduct_wall(c);
	if (c->is_behind)
		steady_set(c->steady, recorded_ms, conduct_mono(c));
}

static struct port *noted_port(struct conductor *c, const char *note)
{
	int hub =
	        strncmp(note, NOTE, sizeof NOTE - 1) == 0 ? conduct_find_hub(c, note + sizeof NOTE - 1) : -1;

	return hub >= 0 ? &c->ports[hub] : NULL;
}

void clock_note(struct conductor *c, const char *name, const char *value)
{
	struct port *p = noted_port(c, name);

	if (p == NULL || value[0] == '\0')
		return;
	p->noted_offset_ms = strtoll(value, NULL, 10);
	if (c->is_behind)
		p->recorded_offset_ms = p->noted_offset_ms + OFFSET_SLACK_MS;
}

/* How a hub's clock and ours go, with all that is put on record in our time. */
static void write_note(struct conductor *c, struct port *p)
{
	char name[sizeof NOTE + 64], value[24] = "";
	int64_t now_ms = p->offsets_n > 0                     ? port_clock_offset_most(p)
	                 : p->recorded_offset_ms != TIME_NONE ? p->noted_offset_ms
	                                                      : TIME_NONE;
	bool has_both = now_ms != TIME_NONE && p->noted_offset_ms != TIME_NONE;

	if (now_ms == p->noted_offset_ms || (has_both && now_ms - p->noted_offset_ms < NOTED_APART_MS &&
	                                     p->noted_offset_ms - now_ms < NOTED_APART_MS))
		return;
	p->noted_offset_ms = now_ms;
	snprintf(name, sizeof name, "%s%s", NOTE, p->name);
	if (now_ms != TIME_NONE)
		snprintf(value, sizeof value, "%lld", (long long)now_ms);
	batch_note_put(c->batch, name, value);
}

void clock_write(struct conductor *c)
{
	for (uint32_t i = 0; i < c->ports_n; i++)
		write_note(c, &c->ports[i]);
}

void clock_loaded(struct conductor *c)
{
	if (c->is_behind && !engine_holds(c->engine))
		follow_wall(c);
}

/* By so much ours is behind at least, as a hub's clock shows. */
static void catch_up(struct conductor *c, const struct port *p)
{
	int64_t by_ms = port_clock_offset_most(p) - p->recorded_offset_ms;

	move_clock(c, by_ms > 0 ? by_ms : 0);
}

/* That the clock on the wall was set, which cannot be told before a hub has said how late it is. */
static void say_step(const struct conductor *c, int64_t less_ms, bool was_behind)
{
	int64_t step_ms = was_behind ? less_ms : less_ms - c->wall_less_now_ms,
	        least_ms = was_behind ? OPEN_AT_START_MS : STEP_MS;

	if (!c->is_behind && (step_ms > least_ms || step_ms < -least_ms))
		log_warn("the clock was set", LI("ahead_ms", step_ms));
}

void conduct_hear_wall(struct conductor *c)
{
	bool was_behind = c->is_behind;
	int64_t less_ms;

	for (uint32_t i = 0; i < c->ports_n && c->is_behind; i++)
		if (c->ports[i].recorded_offset_ms != TIME_NONE && c->ports[i].offsets_n > 0)
			catch_up(c, &c->ports[i]);
	less_ms = conduct_wall(c) - conduct_now(c);
	if (less_ms > 0 && c->lives == NULL && !engine_holds(c->engine)) {
		follow_wall(c);
		less_ms = 0;
	}
	say_step(c, less_ms, was_behind);
	if (less_ms - c->wall_less_now_ms <= WINDOW_MARGIN_MS / 2 &&
	    c->wall_less_now_ms - less_ms <= WINDOW_MARGIN_MS / 2)
		return;
	c->wall_less_now_ms = less_ms;
	engine_wall(c->engine, less_ms);
	conduct_windows_tell_all(c);
}
