#!/usr/bin/env python3
"""tests/golden: recurrences as server/schedule finds them, beside those of Python's zoneinfo and dateutil, which share
nothing with it but the time zone files: daily, weekly and monthly rules around each change of clocks from 2020 to 2037,
in every zone of this machine with ROLLCALL_TEST_LONG=true, else in some; Samoa's missing day; and random RFC 5545 rules.

Usage: schedule.py PROGRAM        PROGRAM: tests/golden/occurrences.c"""

import datetime as dt
import os
import random
import subprocess
import sys
import zoneinfo

from dateutil import rrule

UTC = dt.timezone.utc
DAY = 86400
EPOCH = dt.datetime(1970, 1, 1)
SOME = """Africa/Cairo Africa/Casablanca America/Asuncion America/Havana America/Mexico_City America/New_York America/Nuuk
    America/Santiago America/Sao_Paulo America/Scoresbysund America/St_Johns Antarctica/Troll Asia/Amman Asia/Gaza
    Asia/Kolkata Asia/Tehran Atlantic/Azores Australia/Lord_Howe Europe/Dublin Europe/Moscow Europe/Stockholm Etc/GMT+12
    Pacific/Apia Pacific/Chatham Pacific/Easter Pacific/Fiji Pacific/Kiritimati Pacific/Norfolk UTC""".split()
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def seconds(naive):
    return int((naive - EPOCH).total_seconds())


def naive(s):
    return EPOCH + dt.timedelta(seconds=s)


def offset(zone, at_s):
    return int(dt.datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset().total_seconds())


def changes(zone, first_s, last_s):
    """Instants at which the offset changes, to the minute: by days, then by halves."""
    found, at, before = [], first_s, offset(zone, first_s)
    while at < last_s:
        step = min(at + DAY, last_s)
        after = offset(zone, step)
        if after != before:
            low, high = at, step
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            found.append(high)
            before = after
        at = step
    return found


def instants(zone, locals_s, from_s, until_s):
    """The policy, by PEP 495's fold=0: the offset before a gap, the first of two."""
    found = {}
    for local_s in locals_s:
        local = naive(local_s)
        at_s = int(local.replace(tzinfo=zone, fold=0).timestamp())
        shown = at_s + offset(zone, at_s)
        twice = offset_of(zone, local, 1) != offset_of(zone, local, 0)
        change = 0 if not twice else 1 if shown != local_s else 2
        if from_s < at_s < until_s and at_s not in found:
            found[at_s] = (at_s, shown, change)
    return [found[at] for at in sorted(found)]


def offset_of(zone, local, fold):
    return local.replace(tzinfo=zone, fold=fold).utcoffset()


class Program:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, kind, zone, from_s, until_s, rule):
        self.process.stdin.write("%s\t%s\t%d\t%d\t%s\n" % (kind, zone, from_s, until_s, rule))
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        return line if line.startswith("!") else [tuple(map(int, o.split("/"))) for o in line.split()]


class Count:
    vectors = occurrences = wrong = 0

    def compare(self, what, got, wanted):
        self.vectors += 1
        self.occurrences += len(wanted)
        if got != wanted:
            self.wrong += 1
            if self.wrong <= 20:
                print("WRONG %s\n  got    %s\n  wanted %s" % (what, str(got)[:600], str(wanted)[:600]))


def rules_around(zone, at_s):
    """Rules with the local times they name in the days around a change: (kind, rule, local times)."""
    before = naive(at_s - 1 + offset(zone, at_s - 1) + 1)  # what clocks would have shown
    first = seconds(before.replace(hour=0, minute=0, second=0)) - 4 * DAY
    days = [first + i * DAY for i in range(9)]
    inside = before + dt.timedelta(minutes=15) if offset(zone, at_s) > offset(zone, at_s - 1) else \
        before - dt.timedelta(minutes=15)
    inside = inside.replace(second=0)
    time = inside.hour * 3600 + inside.minute * 60
    weekday = (inside.weekday() + 1) % 7
    day = inside.day
    yield "cron", "%d %d * * *" % (inside.minute, inside.hour), [d + time for d in days]
    yield "cron", "*/30 * * * *", [d + i * 1800 for d in days for i in range(48)]
    yield "cron", "%d %d * * %d" % (inside.minute, inside.hour, weekday), [
        d + time for d in days if (naive(d).weekday() + 1) % 7 == weekday]
    yield "cron", "%d %d %d * *" % (inside.minute, inside.hour, day), [d + time for d in days if naive(d).day == day]
    yield "rrule", "FREQ=DAILY;BYHOUR=%d;BYMINUTE=%d" % (inside.hour, inside.minute), [d + time for d in days]
    yield "rrule", "DTSTART:20050101T%02d%02d00|RRULE:FREQ=DAILY" % (inside.hour, inside.minute), [d + time for d in days]
    yield "rrule", "FREQ=HOURLY;BYMINUTE=%d" % inside.minute, [
        d + h * 3600 + inside.minute * 60 for d in days for h in range(24)]
    yield "rrule", "FREQ=WEEKLY;BYDAY=%s;BYHOUR=%d;BYMINUTE=%d" % (
        WEEKDAYS[inside.weekday()], inside.hour, inside.minute), [
            d + time for d in days if naive(d).weekday() == inside.weekday()]
    yield "rrule", "FREQ=MONTHLY;BYMONTHDAY=%d;BYHOUR=%d;BYMINUTE=%d" % (day, inside.hour, inside.minute), [
        d + time for d in days if naive(d).day == day]


def around_changes(program, count, names):
    first, last = int(dt.datetime(2020, 1, 1, tzinfo=UTC).timestamp()), int(dt.datetime(2038, 1, 1, tzinfo=UTC).timestamp())
    total = 0
    for name in names:
        zone = zoneinfo.ZoneInfo(name)
        times = changes(zone, first, last)
        total += len(times)
        if name == "Pacific/Apia":  # the 30th of December 2011 did not exist
            times = changes(zone, int(dt.datetime(2011, 12, 1, tzinfo=UTC).timestamp()),
                            int(dt.datetime(2012, 1, 10, tzinfo=UTC).timestamp())) + times
            assert len(times) > 0
        for at_s in times or [first + 200 * DAY]:
            for kind, rule, locals_s in rules_around(zone, at_s):
                from_s, until_s = at_s - 2 * DAY, at_s + 2 * DAY
                count.compare("%s %s %s" % (name, at_s, rule), program.ask(kind, name, from_s, until_s, rule),
                              instants(zone, locals_s, from_s, until_s))
    return total


def random_rule(luck):
    """A rule that RFC 5545 allows and that is not refused, with a start."""
    parts, freq = [], luck.choice(["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    some = lambda values, most=3: ",".join(map(str, sorted(luck.sample(values, luck.randint(1, most)))))
    parts.append("FREQ=" + freq)
    if luck.random() < 0.4:
        parts.append("INTERVAL=%d" % luck.choice([1, 2, 3, 4] if freq == "HOURLY" else [1, 2, 3, 5]))
    if luck.random() < 0.2:
        parts.append("COUNT=%d" % luck.randint(1, 60))
    elif luck.random() < 0.2:
        parts.append("UNTIL=%d0615T120000" % luck.randint(2026, 2029))
    if luck.random() < 0.3:
        parts.append("BYMONTH=" + some(range(1, 13), 4))
    if freq in ("HOURLY", "DAILY", "MONTHLY", "YEARLY") and luck.random() < 0.3:
        parts.append("BYMONTHDAY=" + some([1, 2, 5, 10, 13, 15, 28, 29, 30, 31, -1, -2, -7]))
    elif freq == "YEARLY" and luck.random() < 0.3:
        parts.append("BYYEARDAY=" + some([1, 59, 60, 61, 100, 200, 365, -1, -100, -306]))
    if not any(p.startswith("BYDAY=") for p in parts) and luck.random() < 0.5:
        ordinal = freq == "MONTHLY" and luck.random() < 0.5
        days = luck.sample(WEEKDAYS, luck.randint(1, 3))
        parts.append("BYDAY=" + ",".join((luck.choice(["1", "2", "4", "-1", "-2"]) if ordinal else "") + d for d in days))
        if freq == "MONTHLY" and not ordinal and luck.random() < 0.4:
            parts.append("BYSETPOS=" + luck.choice(["1", "-1", "2", "1,-1"]))
    if not any(p.startswith("BYSETPOS") for p in parts):
        if freq != "HOURLY" and luck.random() < 0.5:
            parts.append("BYHOUR=" + some(range(24)))
        if luck.random() < 0.5:
            parts.append("BYMINUTE=" + some(range(60), 2))
    if luck.random() < 0.2:
        parts.append("WKST=" + luck.choice(["MO", "SU"]))
    start = dt.datetime(2025, luck.randint(1, 12), luck.randint(1, 28), luck.randint(0, 23), luck.randint(0, 59))
    return start, ";".join(parts)


def random_rules(program, count, n):
    luck, refused = random.Random(7), 0
    for _ in range(n):
        start, rule = random_rule(luck)
        from_s = seconds(start) + luck.randint(-100 * DAY, 1200 * DAY)
        until_s = from_s + 400 * DAY
        text = "DTSTART:%s|RRULE:%s" % (start.strftime("%Y%m%dT%H%M%S"), rule)
        got = program.ask("rrule", "UTC", from_s, until_s, text)
        every = rrule.rrulestr(rule, dtstart=start)
        wanted = []
        for t in every:
            if seconds(t) >= until_s:
                break
            if seconds(t) > from_s:
                wanted.append((seconds(t), seconds(t), 0))
        if isinstance(got, str) and ("never occurs" in got and not wanted or "must not be negative" in got):
            refused += 1
            continue
        count.compare(text, got, wanted)
    assert refused < n // 5, "too many random rules are refused"


def main():
    is_long = os.environ.get("ROLLCALL_TEST_LONG") == "true"
    program, count = Program(sys.argv[1]), Count()
    # Debian's "localtime" is whatever the machine's own zone is, and no name of IANA's.
    names = sorted(zoneinfo.available_timezones() - {"localtime"}) if is_long else SOME
    total = around_changes(program, count, names)
    random_rules(program, count, 5000 if is_long else 400)
    print("%d zones, %d changes of clocks, %d vectors, %d occurrences, %d wrong" %
          (len(names), total, count.vectors, count.occurrences, count.wrong))
    assert count.occurrences > 1000
    sys.exit(1 if count.wrong else 0)


if __name__ == "__main__":
    main()
