#!/usr/bin/python3
"""tests/e2e: asks a service for everything that its description tells of, and compares each answer with it.

openapi.py API        API is the service's URL; its one hub has 40 devices, some of which refuse, some of which are offline.

Every complaint is a line: an answer whose status, type or body the description does not have, an operation that was not
seen to succeed, a status that it documents no body for. Says nothing where all is well, but "N answers of M operations"
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
    for name, header in told.get("headers", {}).items():
        header = deref(header)
        if header.get("required") and name not in answer.headers:
            complaints.append("%s: no header %s" % (where, name))
    return answer.status, value, answer.headers


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

    ask("PUT", "/v1/device-lists/tills", "dev-000001\ndev-000002\n", type="text/plain")
    ask("PUT", "/v1/device-lists/tills", "deviceId\ndev-000001\n", type="text/csv")
    ask("PUT", "/v1/device-lists/tills", "a b c", type="text/plain")
    ask("GET", "/v1/device-lists/tills")
    ask("POST", "/v1/campaigns/preview", campaign())

    gated = campaign(rollout={"waves": [{"name": "canary", "upToCount": 3}, {"upToPercent": 100}],
                              "gate": {"approval": "start", "minSuccessPercent": 0}, "group": {"by": "tags.site",
                              "maxUnavailable": 5}}, offline={"expireAfterSeconds": 4}, abort=[
                                  {"percent": 99, "minFinished": 40, "do": "pause"}])
    _, made, head = ask("POST", "/v1/campaigns", gated, Idempotency_Key="tried")
    ask("POST", "/v1/campaigns", gated, Idempotency_Key="tried")
    ask("POST", "/v1/campaigns", campaign(), Idempotency_Key="tried")
    one = head["Location"]
    until(lambda: state(one) == "awaitingApproval")
    ask("GET", "/v1/campaigns?state=awaitingApproval&name=tried&limit=1")
    etag = ask("GET", one)[2]["ETag"]
    ask("PATCH", one, {"rollout": {"ratePerMinute": 6000}}, type="application/merge-patch+json", If_Match=etag)
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
    until(lambda: ask("POST", one + "/approve")[0] == 200)
    ask("POST", one + "/approve", {"override": False})
    offline = until(lambda: ask("GET", one + "/targets?waitingFor=offline")[1]["value"])[0]["deviceId"]
    ask("POST", one + "/targets/" + quote(offline) + "/retry")
    until(lambda: state(one) == "completed")
    ask("GET", one + "/targets", Accept="text/csv")
    for what in ("/targets", "/groups", "/plan", "/progress", "/events?limit=50"):
        ask("GET", one + what)
    ask("GET", one + "/progress?bucketSeconds=60")
    ask("GET", one + "/events", limit=200, Accept="text/event-stream")
    ask("GET", "/v1/events", limit=200, Accept="text/event-stream")
    ask("GET", "/v1/events?after=3&limit=5")
    done = ask("GET", one + "/targets?state=succeeded&limit=1")[1]["value"][0]["deviceId"]
    ask("GET", one + "/targets/" + quote(done))
    ask("GET", "/v1/devices/%s/history" % quote(done))
    again = ask("POST", one + "/retry", {"reasons": ["refused"]})[2]["Location"]
    ask("POST", again + "/cancel")
    until(lambda: state(again) in ("cancelled", "completed"))
    ask("DELETE", again)
    ask("DELETE", again)
    ask("POST", one + "/pause")

    nightly = {"name": "nightly", "recurrence": {"cron": "30 2 * * 1-5", "timeZone": "Europe/Stockholm"},
               "campaign": campaign()}
    _, _, head = ask("POST", "/v1/schedules", nightly, Idempotency_Key="nightly")
    schedule = head["Location"]
    ask("GET", "/v1/schedules?name=nightly")
    etag = ask("GET", schedule)[2]["ETag"]
    ask("PUT", schedule, {**nightly, "overlap": "queue"}, If_Match=etag)
    ask("PUT", schedule, nightly, If_Match=etag)
    ask("GET", schedule + "/occurrences?count=5&after=2026-10-24T00:00:00Z")
    ask("POST", schedule + "/pause")
    ask("POST", schedule + "/resume")
    run = ask("POST", schedule + "/run")[2]["Location"]
    ask("POST", run + "/cancel")
    ask("DELETE", schedule)
    ask("GET", schedule)
    ask("DELETE", "/v1/device-lists/tills")
    ask("DELETE", "/v1/device-lists/tills")
    ask("GET", "/v1/audit?limit=5")

    for path in ("/v1/campaigns/none", "/v1/nothing", "/v1/campaigns?foo=1", "/v1/campaigns?limit=0", "/v1/audit?cursor=x"):
        ask("GET", path)
    ask("GET", "/v1/hubs", Accept="text/html")
    ask("POST", "/v1/campaigns", "{,}")
    ask("POST", "/v1/campaigns", "x", type="text/plain")
    ask("POST", "/v1/campaigns", {"name": "", "action": {"type": "rebot"}, "extra": 1})
    ask("POST", "/v1/campaigns/preview", {"name": 1})


document = yaml.safe_load(raw("GET", "/openapi.yaml")[1])
for pattern, item in document["paths"].items():
    for method, operation in item.items():
        if method in ("get", "put", "post", "patch", "delete"):
            described[method.upper(), pattern] = operation
go_through()
for (method, pattern), operation in described.items():
    if not any(status < 300 for status in seen.get((method, pattern), ())):
        complaints.append("%s %s: was not seen to succeed: %s" % (method, pattern, sorted(seen.get((method, pattern), ()))))
print("\n".join(sorted(set(complaints))), end="\n" if complaints else "")
print("%d answers of %d operations" % (answers_n, len(described)), file=sys.stderr)
