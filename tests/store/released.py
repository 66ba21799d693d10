"""tests/store: asks a service all that an older one was asked, and compares.

Usage: released.py TOLD API, where TOLD is JSON: {path: what the older one answered}. Each member that was told is told again,
with the same value. What may differ, and why, is listed here.
"""
import json
import re
import sys
import urllib.request

told_file, api = sys.argv[1:3]
with open(told_file) as file:
    told = json.load(file)

# Of any answer: the commit it shows, and what is worked out anew from the time at which it is asked for.
LIVE = {"revision", "predictedFinishAt", "nextAt", "nextLink", "lastId", "ageSeconds"}
# Of a campaign whose calls a kill cut short: they are in doubt from the start on, and settle.
CAUGHT = {"counts", "waitingBy", "failedBy", "skippedBy", "progressPercent", "waves", "state", "stateReason", "finishedAt", "cost"}
OUT = {"invoking", "awaitingProof", "doubtful"}

live = {value["id"] for value in told.values() if isinstance(value, dict) and "counts" in value and value["finishedAt"] is None}
caught = {value["id"] for value in told.values() if isinstance(value, dict) and value.get("name") == "caught"}
faults = []


def complain(path, at, old, new):
    faults.append("%s %s: was %s, is %s" % (path, at, json.dumps(old), json.dumps(new)))


def was_moving(old):
    """A target of such a campaign that was not final."""
    return old.get("state") in OUT or old.get("state") == "waiting"


def compare(path, at, old, new, left_out=frozenset()):
    if isinstance(old, dict) and isinstance(new, dict):
        if old.get("id") in caught and "counts" in old:
            left_out = left_out | CAUGHT
            if new["counts"]["total"] != old["counts"]["total"]:
                complain(path, at + "/counts/total", old["counts"], new["counts"])
        for name in old:
            if name in LIVE | left_out:
                continue
            if name not in new:
                complain(path, at + "/" + name, old[name], None)
            else:
                compare(path, at + "/" + name, old[name], new[name], left_out)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            complain(path, at, "%d entries" % len(old), "%d" % len(new))
        for i, (one, other) in enumerate(zip(old, new)):
            compare(path, "%s/%d" % (at, i), one, other, left_out)
    elif old != new:
        complain(path, at, old, new)


def of_caught(path, old, new):
    """Its targets: who they are, and what had been done, is as it was; whoever was final is so as he was."""
    if path.endswith("/events?limit=1000"):
        new["value"] = new["value"][:len(old["value"])]
        compare(path, "", old, new)
    elif re.search("/targets[?]", path):
        for i, (one, other) in enumerate(zip(old["value"], new["value"])):
            names = {"deviceId", "hub", "wave", "group"} if was_moving(one) else set(one)
            compare(path, "/value/%d" % i, {n: one[n] for n in names}, other)
    elif re.search("/targets/", path):
        names = {"deviceId", "hub", "wave", "group", "attempts", "evidence"} if was_moving(old) else set(old)
        if was_moving(old):  # a call that was cut short has an end now
            new["attempts"] = [{n: v for n, v in a.items() if n in ("attempt", "attemptId", "call", "startedAt", "calledAt")}
                               for a in new["attempts"][:len(old["attempts"])]]
            old["attempts"] = [{n: v for n, v in a.items() if n in new["attempts"][i]} for i, a in enumerate(old["attempts"])]
            new["evidence"] = new["evidence"][:len(old["evidence"])]
        compare(path, "", {n: old[n] for n in names if n in old}, new)
    elif path.endswith("/plan"):
        compare(path, "", old, new, frozenset({"actual", "waves"}))
    elif re.search("/campaigns/[^/]*$", path):
        compare(path, "", old, new)


for path, old in told.items():
    if path.endswith("/progress") and path.split("/")[3] in live:
        continue  # its buckets grow with its age
    with urllib.request.urlopen(api + path) as answer:
        body = answer.read()
        new = json.loads(body) if "json" in answer.headers["Content-Type"] else body.decode()
    if any("/campaigns/%s" % c in path for c in caught):
        of_caught(path, old, new)
    elif path.startswith("/v1/events"):
        new["value"] = new["value"][:len(old["value"])]
        compare(path, "", old, new)
    else:
        compare(path, "", old, new)
print("\n".join(faults[:40]))
print("%d answers compared, %d differ" % (len(told), len(faults)))
sys.exit(1 if faults or not told else 0)
