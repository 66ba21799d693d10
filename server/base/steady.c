/* base: see steady.h */
#include "server/base/steady.h"

/* What a clock that is kept in time drifts between two readings at most; more is a step. */
#define DRIFT_MAX_MS 1000
#define MAKE_UP 100 /* a hundredth of the time that passes */

void steady_set(struct steady *s, int64_t now_ms, int64_t mono_ms)
{
	*s = (struct steady){
	        .has_begun = true, .ms = now_ms, .mono_ms = mono_ms, .told_ms = now_ms, .is_apart = true};
}

/* No more than there is: the last reading may be long ago. */
static int64_t made_up(int64_t drift_ms, int64_t most_ms)
{
	if (drift_ms > most_ms)
		return most_ms;
	return drift_ms < -most_ms ? -most_ms : drift_ms;
}

int64_t steady_read(struct steady *s, int64_t wall_ms, int64_t mono_ms)
{
	int64_t passed_ms = mono_ms - s->mono_ms, now_ms = s->ms + passed_ms, drift_ms = wall_ms - now_ms;

	if (!s->has_begun) {
		steady_set(s, wall_ms, mono_ms);
		s->is_apart = false;
		return wall_ms;
	}
	if (drift_ms < -DRIFT_MAX_MS || drift_ms > DRIFT_MAX_MS)
		s->is_apart = true;
	if (!s->is_apart)
		now_ms = wall_ms;
	else if (passed_ms >= MAKE_UP) /* else made up once more has passed */
		now_ms += made_up(drift_ms, passed_ms / MAKE_UP);
	if (now_ms == wall_ms)
		s->is_apart = false;
	if (now_ms < s->told_ms)
		now_ms = s->told_ms;
	s->told_ms = now_ms;
	if (passed_ms >= MAKE_UP) {
		s->ms = now_ms;
		s->mono_ms = mono_ms;
	}
	return now_ms;
}
