#!/usr/bin/python3
"""tests/e2e: asks a service for everything that its description tells of, and compares each answer with it.

openapi.py API        API is the service's URL; its one hub has 40 devices, some of which refuse, some of which are offline.

Every complaint is a line: an answer whose status, type or body the description does not have, an operation that was not
seen to succeed, a status that it documents no body for; an example of a request that was not sent or did not succeed, an
example of an answer that was not given. Says nothing where all is well, but "N answers of M operations"
on standard error. Debian's python3-yaml and python3-jsonschema."""

import http.client
import json
import re
import sys
import time
from urllib.parse import quote, urlsplit

import jsonschema
import yaml

JSON = "application/json"
api = urlsplit(sys.argv[1])
described = {}  # (method, pattern): operation
seen = {}  # (method, pattern): statuses
unsent = {}  # (method, pattern, type, name): an example of a body
ungiven = {}  # (method, pattern, status, type): an example of an answer
answers_n = 0
complaints = []


def raw(method, path, body=None, headers=(), limit=None):
    connection = http.client.HTTPConnection(api.hostname, api.port, timeout=60)
    connection.request(method, path, body=body, headers=dict(headers))
    answer = connection.getresponse()
    data = answer.read(limit) if limit else answer.read()
    connection.close()
    return answer, data


def operation_of(method, path):
    """The one with the most literal parts wins, as in a router."""
    fits = [(pattern.count("{"), pattern) for m, pattern in described if m == method and
            re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path)]
    return min(fits)[1] if fits else None


def examples_of(content):
    """type, name, value of each"""
    for kind, media in content.items():
        if "example" in media:
            yield kind, None, media["example"]
        for name, example in media.get("examples", {}).items():
            yield kind, name, example["value"]


def examples_named(name, within=None):
    """Those of every property or parameter of that name."""
    found = []
    if isinstance(within, dict):
        schema = within.get("schema", {}) if within.get("name") == name else within.get(name)
        if isinstance(schema, dict):
            found += schema.get("examples", [])
        within = list(within.values())
    for inner in within if isinstance(within, list) else []:
        found += examples_named(name, inner)
    return found


def shape(text):
    """Its lines, with other numbers and texts."""
    return {re.sub(r"[0-9][0-9.]*", "0", re.sub(r'(?<=[:=])"[^"]*"', '""', line)) for line in text.splitlines()}


def is_like(kind, example, value):
    """Whether an answer is what the example shows: a problem the very same, a list or stream such lines."""
    if kind == "text/csv":
        head, *rows = example.split("\r\n")
        return value.split("\r\n")[0] == head and all(row.count(",") == head.count(",") for row in rows if row)
    if kind.startswith("text/"):
        return {line for line in shape(example) if not line.startswith(":")} <= shape(value)  # no time for a heartbeat
    return value == example


def check(where, schema, value):
    whole = dict(schema)
    whole["components"] = document["components"]
    for fault in jsonschema.Draft202012Validator(whole).iter_errors(value):
        complaints.append("%s: /%s: %s" % (where, "/".join(map(str, fault.absolute_path)), fault.message[:300]))


def deref(o):
    while "$ref" in o:
        at = document
        for part in o["$ref"][2:].split("/"):
            at = at[part]
        o = at
    return o


def ask(method, path, body=None, type=JSON, limit=None, **headers):
    """Asks, and compares the answer; gives status, body (JSON where it is), headers."""
    global answers_n
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    if body is not None:
        headers["Content-Type"] = type
    answer, data = raw(method, path, body, headers.items(), limit)
    answers_n += 1
    pattern = operation_of(method, path.split("?")[0])
    where = "%s %s %d" % (method, pattern or path, answer.status)
    kind = (answer.headers["Content-Type"] or "").split(";")[0]
    value = json.loads(data) if kind.endswith("json") else data.decode(errors="replace")
    if pattern is None:
        check(where, {"$ref": "#/components/schemas/Problem"}, value)
        return answer.status, value, answer.headers
    seen.setdefault((method, pattern), set()).add(answer.status)
    told = described[method, pattern]["responses"].get(str(answer.status))
    if told is None:
        complaints.append("%s: this status is not described: %s" % (where, data[:200]))
        return answer.status, value, answer.headers
    told = deref(told)
    content = told.get("content", {})
    if not content and data:
        complaints.append("%s: no body is described" % where)
    elif content and kind not in content and not any(c.endswith("/*") for c in content):
        complaints.append("%s: %s is not described" % (where, kind))
    elif content and kind in content:
        check(where, content[kind].get("schema", {}), value)
        key = (method, pattern, str(answer.status), kind)
        if key in ungiven and is_like(kind, ungiven[key], value):
            # what several operations share is shown by one of them
            for same in [k for k, example in ungiven.items() if example is ungiven[key]]:
                del ungiven[same]
    for name, header in told.get("headers", {}).items():
        header = deref(header)
        if header.get("required") and name not in answer.headers:
            complaints.append("%s: no header %s" % (where, name))
    return answer.status, value, answer.headers


def ask_as_shown(method, path, name=None, type=JSON, **headers):
    """Asks with the description's own example, which has to succeed."""
    example = unsent.pop((method, operation_of(method, path), type, name))
    answer = ask(method, path, example, type, **headers)
    if answer[0] >= 300:
        complaints.append("%s %s: its example %s is refused: %s" % (method, path, name or "", answer[:2]))
    return answer


def until(condition):
    for _ in range(600):
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise SystemExit("in vain waited")


def state(path):
    return ask("GET", path)[1].get("state")


def campaign(**more):
    return {"name": "tried", "action": {"type": "reboot"}, "targets": {"all": True},
            "verify": {"settleSeconds": 0, "timeoutSeconds": 5}, **more}


def go_through():
    for path in ("/livez", "/readyz", "/metrics", "/openapi.yaml", "/v1/hubs", "/v1/system", "/"):
        ask("GET", path)
    page = ask("GET", "/", Accept="text/html")[1]
    ask("GET", re.search(r"/?dashboard/[^\"']+/[^\"']+\.js", page).group().replace("dashboard", "/dashboard").replace("//", "/"))

    for kind in ("text/plain", "text/csv"):
        ask_as_shown("PUT", "/v1/device-lists/" + examples_named("name", document["components"]["parameters"])[0], type=kind)
    ask("PUT", "/v1/device-lists/tills", "dev-000001\ndev-000002\n", type="text/plain")
    ask("PUT", "/v1/device-lists/tills", "a b c", type="text/plain")
    ask("PUT", "/v1/device-lists/tills", "\n".join("kiosk-%d" % (n if n != 16 else 2) for n in range(17)), type="text/plain")
    ask("GET", "/v1/device-lists/tills")
    ask("POST", "/v1/campaigns/preview", campaign())
    ask_as_shown("POST", "/v1/campaigns/preview", "waves")
    ask_as_shown("POST", "/v1/campaigns", "byQuery")
    ask_as_shown("POST", "/v1/campaigns", "byIds")
    schemas = document["components"]["schemas"]
    windows = [{member: text, "durationMinutes": 60} for member in ("cron", "rrule") for text in examples_named(member, schemas)]
    for by in set(examples_named("by", schemas)):
        _, made, head = ask("POST", "/v1/campaigns", campaign(rollout={"group": {"by": by, "maxUnavailable": 1}}, schedule={
            "windows": windows, "startAt": examples_named("Time", schemas)[0], "endAfterSeconds": 86400,
            "timeZone": examples_named("timeZone", schemas)[0]}))
        ask("POST", head["Location"] + "/cancel")

    gated = campaign(rollout={"waves": [{"name": "canary", "upToCount": 3}, {"upToPercent": 100}],
                              "gate": {"approval": "start", "minSuccessPercent": 0}, "group": {"by": "tags.site",
                              "maxUnavailable": 5}}, offline={"expireAfterSeconds": 2}, abort=[
                                  {"percent": 99, "minFinished": 40, "do": "pause"}])
    _, made, head = ask("POST", "/v1/campaigns", gated, Idempotency_Key="tried")
    ask("POST", "/v1/campaigns", gated, Idempotency_Key="tried")
    ask("POST", "/v1/campaigns", campaign(), Idempotency_Key="tried")
    one = head["Location"]
    until(lambda: state(one) == "awaitingApproval")
    ask("GET", "/v1/campaigns?state=awaitingApproval&name=tried&limit=1")
    etag = examples_named("If-Match", document)[0]
    ask_as_shown("PATCH", one, "slower", type="application/merge-patch+json", If_Match=etag)
    ask("PATCH", one, {"rollout": {"ratePerMinute": 6000}}, If_Match=ask("GET", one)[2]["ETag"])
    ask("PATCH", one, {"rollout": {"ratePerMinute": 600}}, type="application/merge-patch+json", If_Match=etag)
    ask("PATCH", one, {"rollout": {"ratePerMinute": 600}}, type="application/merge-patch+json")
    ask("PATCH", one, {"name": "other", "targets": {"all": False}}, type="application/merge-patch+json", If_Match="*")
    waiting = ask("GET", one + "/targets?limit=3")[1]["value"][0]["deviceId"]
    ask("GET", one + "/targets/" + quote(waiting))
    ask("POST", one + "/targets/" + quote(waiting) + "/skip")
    ask("POST", one + "/targets/" + quote(waiting) + "/skip")
    ask("POST", one + "/pause")
    ask("POST", one + "/resume")
    ask("DELETE", one)
    until(lambda: state(one) == "awaitingApproval")
    ask_as_shown("POST", one + "/approve")
    ask("POST", one + "/approve", {"override": False})
    offline = until(lambda: ask("GET", one + "/targets?waitingFor=offline")[1]["value"])[0]["deviceId"]
    ask("POST", one + "/targets/" + quote(offline) + "/retry")
    until(lambda: state(one) == "completed")
    ask("GET", one + "/targets", Accept="text/csv")
    ask("GET", "/metrics")
    for what in ("/targets", "/groups", "/plan", "/progress", "/events?limit=50"):
        ask("GET", one + what)
    ask("GET", one + "/progress?bucketSeconds=60")
    ask("GET", one + "/events", limit=4000, Accept="text/event-stream")
    ask("GET", "/v1/events", limit=200, Accept="text/event-stream")
    ask("GET", "/v1/events?after=3&limit=5")
    done = ask("GET", one + "/targets?state=succeeded&limit=1")[1]["value"][0]["deviceId"]
    ask("GET", one + "/targets/" + quote(done))
    ask("GET", "/v1/devices/%s/history" % quote(done))
    again = ask_as_shown("POST", one + "/retry")[2]["Location"]
    ask("POST", again + "/cancel")
    until(lambda: state(again) in ("cancelled", "completed"))
    ask("DELETE", again)
    ask("DELETE", again)
    ask("POST", one + "/pause")

    ask_as_shown("POST", "/v1/schedules", "nightly")
    nightly = {"name": "nightly", "recurrence": {"rrule": examples_named("rrule", schemas)[0],
               "timeZone": examples_named("timeZone", schemas)[0]}, "campaign": campaign()}
    _, _, head = ask("POST", "/v1/schedules", nightly, Idempotency_Key="nightly")
    schedule = head["Location"]
    ask("GET", "/v1/schedules?name=nightly")
    etag = ask("GET", schedule)[2]["ETag"]
    ask("PUT", schedule, {**nightly, "overlap": "queue"}, If_Match=etag)
    ask("PUT", schedule, nightly, If_Match=etag)
    etag = ask("GET", schedule)[2]["ETag"]
    ask("PUT", schedule, {**nightly, "recurrence": {"cron": "30 2 * * *", "timeZone": "Europe/Stockholm"}}, If_Match=etag)
    shown = ask("GET", schedule + "/occurrences?count=5&after=2026-03-27T00:00:00Z")[1]["value"]
    if examples_named("local", document)[0] not in (one["local"] for one in shown):
        complaints.append("the example of an occurrence is none: %s" % shown)
    ask("POST", schedule + "/pause")
    ask("POST", schedule + "/resume")
    run = ask("POST", schedule + "/run")[2]["Location"]
    ask("POST", run + "/cancel")
    ask("DELETE", schedule)
    ask("GET", schedule)
    ask("DELETE", "/v1/device-lists/tills")
    ask("DELETE", "/v1/device-lists/tills")
    until(lambda: ask("GET", "/v1/webhooks/ops/dead-letters?limit=2")[1]["value"])
    ask("GET", "/v1/webhooks")
    ask("DELETE", "/v1/webhooks/ops/dead-letters")
    ask("DELETE", "/v1/webhooks/none/dead-letters")
    ask("GET", "/v1/audit?limit=5")

    for path in ("/v1/campaigns/none", "/v1/nothing", "/v1/campaigns?foo=1", "/v1/campaigns?limit=0", "/v1/audit?cursor=x"):
        ask("GET", path)
    ask("GET", "/v1/hubs", Accept="text/html")
    ask("POST", "/v1/campaigns", "{,}")
    ask("POST", "/v1/campaigns", "x", type="text/plain")
    ask("POST", "/v1/campaigns", {"name": "", "action": {"type": "rebot"}, "extra": 1})
    ask("POST", "/v1/campaigns", {"name": "x", "action": {"type": "rebot"}, "targets": {"all": True},
                                  "rollout": {"ratePerMinute": "1"}})
    ask("POST", "/v1/campaigns/preview", {"name": 1})


document = yaml.safe_load(raw("GET", "/openapi.yaml")[1])
for pattern, item in document["paths"].items():
    for method, operation in item.items():
        if method in ("get", "put", "post", "patch", "delete"):
            described[method.upper(), pattern] = operation
            for kind, name, example in examples_of(operation.get("requestBody", {}).get("content", {})):
                unsent[method.upper(), pattern, kind, name] = example
            for status, answer in operation["responses"].items():
                for kind, name, example in examples_of(deref(answer).get("content", {})):
                    ungiven[method.upper(), pattern, status, kind] = example
go_through()
for (method, pattern), operation in described.items():
    if not any(status < 300 for status in seen.get((method, pattern), ())):
        complaints.append("%s %s: was not seen to succeed: %s" % (method, pattern, sorted(seen.get((method, pattern), ()))))
complaints += ["%s %s: its example %s %s was not sent" % key for key in unsent]
complaints += ["%s %s: no answer %s was like the example, %s" % key for key in ungiven]
print("\n".join(sorted(set(complaints))), end="\n" if complaints else "")
print("%d answers of %d operations" % (answers_n, len(described)), file=sys.stderr)
