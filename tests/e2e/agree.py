#!/usr/bin/env python3
"""tests/e2e: what is told of one campaign at the same revision agrees (P8), whoever tells it: the campaign's counts, the
list of its targets, their CSV, the metrics, and what follows from the events.

agree.py API ID N     Asks all five at once, again and again at moments that nobody chose, while the campaign runs, until N
                      revisions have been told by all of them. Every complaint is a line; says on standard error how many
                      tellings there were. All targets are hub's devices: nothing is final before its first event.
Standard library only."""

import csv
import http.client
import io
import json
import random
import re
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

PATIENCE_S = 120
STATES = ("waiting", "invoking", "doubtful", "awaitingProof", "succeeded", "failed", "skipped", "cancelled")
api, campaign = urlsplit(sys.argv[1]), "/v1/campaigns/" + sys.argv[2]


class Teller(threading.Thread):
    """Asks over a connection of its own, whenever all the others do; tells (revision, counts by state)."""

    def __init__(self, tell, start, done):
        super().__init__(daemon=True)
        self.tell, self.start_all, self.done_all, self.told, self.fault = tell, start, done, None, None
        self.connection = http.client.HTTPConnection(api.hostname, api.port, timeout=60)

    def get(self, path, accept="*/*"):
        self.connection.request("GET", path, headers={"Accept": accept})
        answer = self.connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, (path, answer.status, text)
        return answer, text

    def run(self):
        while True:
            self.start_all.wait()
            try:
                revision, counts = self.tell(self)
                self.told = revision, tuple(counts.get(state, 0) for state in STATES)
            except Exception as fault:  # for the one who asked
                self.fault = "%s: %r" % (self.tell.__name__, fault)
            self.done_all.wait()


def by_campaign(teller):
    told = json.loads(teller.get(campaign)[1])
    counts = told["counts"]
    global is_over
    is_over = told["state"] in ("completed", "cancelled", "failed")
    assert counts["total"] == sum(counts[state] for state in STATES), counts
    for state, members in (("failed", "failedBy"), ("skipped", "skippedBy"), ("waiting", "waitingBy")):
        assert sum(told[members].values()) == counts[state], (members, told)
    for state in STATES:
        assert sum(wave["counts"][state] for wave in told["waves"]) == counts[state], (state, told["waves"])
    return told["revision"], counts


def by_list(teller):
    told = json.loads(teller.get(campaign + "/targets?limit=1000")[1])
    assert "nextLink" not in told
    return told["revision"], Counter(target["state"] for target in told["value"])


def by_csv(teller):
    head, text = teller.get(campaign + "/targets", "text/csv")
    return int(head.headers["X-Revision"]), Counter(row["state"] for row in csv.DictReader(io.StringIO(text)))


def by_metrics(teller):
    text = teller.get("/metrics")[1]
    one = r'^rollcall_campaign_targets\{campaign="%s",state="(\w+)"\} (\d+)$' % sys.argv[2]
    revision = re.search(r"^rollcall_revision (\d+)$", text, re.M)
    return int(revision[1]), {state: int(n) for state, n in re.findall(one, text, re.M)}


def by_events(teller):
    """From all waiting on, event by event: each has to begin where the one before it ended."""
    at = teller.__dict__.setdefault("at", {"last": 0, "states": {}})
    while True:
        told = json.loads(teller.get("%s/events?limit=1000&after=%d" % (campaign, at["last"]))[1])
        for event in told["value"]:
            at["last"] = event["id"]
            if event["type"] != "target" or "to" not in event:
                continue
            was = at["states"].get(event["deviceId"], "waiting")
            assert event.get("from", was) == was, event
            at["states"][event["deviceId"]] = event["to"]
        if "nextLink" not in told:
            counts = Counter(at["states"].values())
            counts["waiting"] += total - len(at["states"])
            return told["revision"], counts


tells = (by_campaign, by_list, by_csv, by_metrics, by_events)
start, done = threading.Barrier(len(tells) + 1), threading.Barrier(len(tells) + 1)
tellers = [Teller(tell, start, done) for tell in tells]
total = json.loads(tellers[0].get(campaign)[1])["counts"]["total"]
for teller in tellers:
    teller.start()
told = {}  # revision: {who: counts}
whole = set()  # revisions told by all
is_over = False
tellings, until, complaints = 0, time.monotonic() + PATIENCE_S, []
while len(whole) < int(sys.argv[3]) and not complaints:
    if time.monotonic() > until or is_over and tellings > len(tells) * 10:
        complaints.append("in vain waited for %s revisions told by all: %d" % (sys.argv[3], len(whole)))
        break
    start.wait()
    done.wait()
    complaints += [teller.fault for teller in tellers if teller.fault]
    for teller in tellers:
        if not teller.fault:
            tellings += 1
            revision, counts = teller.told
            of = told.setdefault(revision, {})
            of[teller.tell.__name__] = counts
            if len(of) == len(tells):
                whole.add(revision)
            if len(set(of.values())) > 1:
                complaints.append("revision %d: %s" % (revision, of))
    time.sleep(random.uniform(0, 0.004))
print("\n".join(complaints), end="\n" if complaints else "")
print("%d tellings of %d revisions, %d of them by all %d" % (tellings, len(told), len(whole), len(tells)), file=sys.stderr)
