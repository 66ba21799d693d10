/* dispatch: see day.h */
#include "server/dispatch/day.h"

#define DAY_MS INT64_C(86400000)

void day_init(struct day *d, uint64_t granted, int64_t hub_now_ms)
{
	*d = (struct day){.granted = granted, .no = hub_now_ms / DAY_MS};
}

void day_resume(struct day *d, int64_t no, uint64_t messages)
{
	if (no != d->no)
		return;
	d->messages = messages;
}

void day_run(struct day *d, int64_t hub_now_ms)
{
	if (hub_now_ms / DAY_MS == d->no)
		return;
	d->no = hub_now_ms / DAY_MS;
	d->messages = 0;
	d->is_spent = false;
}

void day_spend(struct day *d, uint64_t messages)
{
	d->messages += messages;
}

bool day_is_spent(struct day *d, uint64_t open_n)
{
	if (d->granted > 0 &&
	    d->messages + (open_n + 1) * DAY_FOLLOW_MESSAGES + DAY_CALL_MESSAGES > d->granted)
		d->is_spent = true;
	return d->is_spent;
}

bool day_is_short(const struct day *d)
{
	return d->granted > 0 && d->messages >= d->granted - d->granted / 5;
}

int64_t day_left_ms(int64_t hub_now_ms)
{
	return DAY_MS - hub_now_ms % DAY_MS;
}
