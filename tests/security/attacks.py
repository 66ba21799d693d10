#!/usr/bin/python3
"""tests/security: attacks a service over plain sockets, and says line by line what held.

attacks.py API ROUTES TOKENS      API is its URL, ROUTES api/routes.c, TOKENS a JSON object {role: token}. Ends with "N passed, N
failed". Standard library only."""

import json
import re
import socket
import sys
import time
from urllib.parse import urlsplit

api, tokens = urlsplit(sys.argv[1]), json.load(open(sys.argv[3]))
ROLES = ["none", "metrics", "viewer", "operator", "approver", "admin"]
IN_TIME_S = 2.0
passed = failed = 0


def it(sentence, wrong):
    """wrong: what does not hold; nothing: it holds."""
    global passed, failed
    if wrong:
        failed += 1
        print("FAILED  %s\n        %s" % (sentence, str(wrong)[:2000]))
    else:
        passed += 1
        print("ok      " + sentence)


class Client:
    def __init__(self):
        self.s = socket.create_connection((api.hostname, api.port), timeout=20)
        self.data = b""

    def send(self, data):
        try:
            self.s.sendall(data)
        except OSError:
            pass  # the service has cut it off; what it said before is still there

    def more(self):
        try:
            got = self.s.recv(65536)
        except ConnectionError:
            got = b""
        self.data += got
        return bool(got)

    def head(self):
        """(status, the head's text); 0 where the service cut it off."""
        while b"\r\n\r\n" not in self.data and self.more():
            pass
        if b"\r\n\r\n" not in self.data:
            return 0, ""
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), head.decode("latin-1")

    def answer(self):
        status, head = self.head()
        length = re.search(r"(?im)^content-length: *(\d+)", head)
        n = int(length.group(1)) if length else 0
        while len(self.data) < n and self.more():
            pass
        body, self.data = self.data[:n], self.data[n:]
        return status, head, body.decode("utf-8", "replace")

    def rest(self):
        """All that comes until the service closes, or nothing more comes."""
        self.s.settimeout(1.0)
        try:
            while self.more():
                pass
        except socket.timeout:
            pass
        return self.data

    def close(self):
        self.s.close()


def request(method, target, role=None, headers=(), body=None):
    lines = ["%s %s HTTP/1.1" % (method, target), "Host: %s" % api.netloc]
    if role not in (None, "none"):
        lines.append("Authorization: Bearer " + tokens[role])
    lines += list(headers)
    if body is not None:
        lines += ["Content-Type: application/json", "Content-Length: %d" % len(body)]
    return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode("latin-1")


def ask(*args, **more):
    c = Client()
    c.send(request(*args, **more))
    said = c.answer()
    c.close()
    return said


def raw(data):
    """What a connection answers to that: [status, …], up to the answer after which it is closed."""
    c, statuses = Client(), []
    c.s.settimeout(0.7)
    c.send(data if isinstance(data, bytes) else data.encode("latin-1"))
    try:
        while (said := c.answer())[0] > 0:
            statuses.append(said[0])
            if re.search(r"(?im)^connection: close", said[1]):
                break
    except socket.timeout:
        pass  # the service waits for more of a request
    c.close()
    return statuses


def in_time(after):
    since = time.monotonic()
    status = ask("GET", "/v1/campaigns?limit=1", "viewer")[0]
    took = time.monotonic() - since
    it("it answers in time after " + after, None if status == 200 and took < IN_TIME_S else (status, took))


# --- who: every route, every role ---

def routes():
    text = open(sys.argv[2]).read()
    names = {}
    for name, value in re.findall(r"#define (\w+) ([^\n]+)", text):
        names[name] = "".join(names.get(part, part.strip('"')) for part in value.split())
    table = text[text.index("routes[] = {"):]
    for row in re.findall(r"\{\s*(\"\w+\",.*?)\}(?=,\n)", table[:table.index("};")], re.S):
        method, pattern, role = [part.strip() for part in row.split(",")[:3]]
        kind = row.split(",")[-2].strip()
        yield (method.strip('"'), "".join(names.get(p, p.strip('"')) for p in pattern.split()),
               role.replace("ROLE_", "").lower(), names.get(kind, kind.strip('"')))


def matrix():
    wrong, n = [], 0
    for method, pattern, least, kind in routes():
        path = re.sub(r"\{\w+\}", "nobody", pattern)
        body = "{}" if method in ("POST", "PUT", "PATCH") else None
        for role in ROLES:
            may = ROLES.index(role) >= ROLES.index(least)
            headers = [] if kind == "NULL" else ["Accept: " + kind]
            c = Client()
            c.send(request(method, path, role, headers, body))
            status = c.head()[0]
            c.close()
            n += 1
            expected = 401 if role == "none" else 403
            if (status in (401, 403, 0)) if may else status != expected:
                wrong.append("%s %s as %s: %d" % (method, path, role, status))
    rows = len(re.findall(r'^\s*\{"[A-Z]+", ', open(sys.argv[2]).read(), re.M))
    it("each of %d routes and roles is refused or served as routes.c says" % n,
       wrong or (None if n == rows * len(ROLES) else "it has %d routes" % rows))


# --- what is too much ---

def oversized():
    big = 9 << 20
    it("a body of 9 MiB is 413", None if (said := ask("POST", "/v1/campaigns", "operator", [
        "Content-Type: application/json", "Content-Length: %d" % big, "Expect: 100-continue"]))[0] == 413 else said)
    c = Client()
    c.send(request("POST", "/v1/campaigns", "operator", ["Content-Type: application/json", "Transfer-Encoding: chunked"]))
    for _ in range(144):
        c.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
    c.send(b"0\r\n\r\n")
    it("the same in chunks, too", None if (said := c.answer())[0] == 413 else said)
    c.close()
    for what, data in {
            "a target of 60 KB": request("GET", "/v1/campaigns?name=" + "a" * 60000, "viewer"),
            "a header of 60 KB": request("GET", "/v1/campaigns", "viewer", ["X-A: " + "a" * 60000]),
            "5,000 headers": request("GET", "/v1/campaigns", "viewer", ["X-%d: a" % i for i in range(5000)]),
            "17 parameters": request("GET", "/v1/campaigns?" + "&".join("p%d=1" % i for i in range(17)), "viewer"),
            "a chunk whose size is no number": request("POST", "/v1/campaigns", "operator", [
                "Content-Type: application/json", "Transfer-Encoding: chunked"]) + b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            "a length beyond 64 bits": request("POST", "/v1/campaigns", "operator", [
                "Content-Type: application/json", "Content-Length: 99999999999999999999"])}.items():
        said = raw(data)
        it(what + " is refused", None if all(400 <= s < 500 for s in said) and len(said) <= 1 else said)


def slow():
    clients = []
    for i in range(700):
        c = Client()
        c.send([b"", b"GET /v1/campaigns HTTP/1.1\r\nHost: x\r\nX-A", request("POST", "/v1/campaigns", "operator", [
            "Content-Type: application/json", "Content-Length: 1000"])][i % 3])
        clients.append(c)
    in_time("700 slow clients have come")
    for c in clients:
        c.close()


# --- smuggling: never more answers than requests that both ends agree on ---

def smuggling():
    inner = "GET /v1/audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % tokens["admin"]
    head = "POST /v1/campaigns HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n" % tokens["viewer"]
    tries = {
        "a length and chunks": head + "Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(inner)) + inner,
        "chunks and a length": head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + inner,
        "two lengths": head + "Content-Length: 2\r\nContent-Length: %d\r\n\r\n{}" % (2 + len(inner)) + inner,
        "two lengths in one": head + "Content-Length: 2, %d\r\n\r\n{}" % (2 + len(inner)) + inner,
        "a length with a sign": head + "Content-Length: +2\r\n\r\n{}" + inner,
        "a length below nothing": head + "Content-Length: -1\r\n\r\n" + inner,
        "a length in hexadecimal": head + "Content-Length: 0x2\r\n\r\n{}" + inner,
        "an unknown coding": head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
        "two codings": head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + inner,
        "a coding behind another": head + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + inner,
        "a coding with a space before its colon": head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner,
        "a folded coding": head + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + inner,
        "a bare line feed in the head": head.replace("\r\n", "\n") + "Content-Length: 2\n\n{}",
        "two hosts": "GET /v1/campaigns HTTP/1.1\r\nHost: a\r\nHost: b\r\nAuthorization: Bearer %s\r\n\r\n" % tokens["viewer"],
        "no host": "GET /v1/campaigns HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n" % tokens["viewer"],
    }
    for what, data in tries.items():
        said = raw(data)
        it(what + ": nothing is smuggled in", None if len(said) <= 1 and 200 not in said else said)


# --- paths ---

def paths():
    for path in ("//v1/audit", "/v1/audit/", "/v1//audit", "/v1/./audit", "/v1/x/../audit", "/v1/%2e%2e/v1/audit", "/v1/audit%2f",
                 "/v1/audit%00", "/v1/audit;x=1", "/v1\\audit", "/V1/AUDIT", "/v1/audit%", "/v1/audit%zz", "/v1/audit#x",
                 "http://%s/v1/audit" % api.netloc, "*", "/dashboard/../../../../etc/passwd",
                 "/dashboard/1/..%2f..%2f..%2f..%2fetc%2fpasswd", "/dashboard/%2e%2e/%2e%2e", "/dashboard/1/.." ):
        said = ask("GET", path, "admin")
        it("GET %s leads nowhere" % path, None if said[0] in (400, 404) and "root:" not in said[2] else said)
    said = ask("GET", "/v1/%61udit", "viewer")
    it("an escaped path is no way around a role", None if said[0] in (403, 404) else said)
    for method in ("TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get", "DEBUG"):
        said = ask(method, "/v1/campaigns", "admin")
        it("%s is 405 or 400" % method, None if said[0] in (400, 405) and tokens["admin"] not in said[1] + said[2] else said)


# --- what is said back ---

def injection():
    evil = "x%0d%0aSet-Cookie:%20a=b"
    for target in ("/v1/campaigns?name=%s&limit=1" % evil, "/v1/campaigns/%s" % evil, "/v1/devices/%s/history?limit=1" % evil,
                   "/v1/campaigns?%s=1" % evil):
        said = ask("GET", target, "viewer")
        it("%s sets no header" % target, said if "set-cookie" in said[1].lower() else None)
    for given in ("a b", "<b>", "a\tb", "x" * 65, "\xe9"):
        said = ask("GET", "/livez", headers=["X-Request-Id: " + given])
        it("a request id that is not plain is replaced: %r" % given[:8],
           None if re.search(r"(?m)^X-Request-Id: [0-9a-f]{16}\r?$", said[1]) else said)
    said = ask("POST", "/v1/campaigns", "operator", ["Idempotency-Key: a\x01b"], "{}")
    it("a control character in a header is no success", None if said[0] >= 400 or said[0] == 0 else said)
    ids = ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", 'q",=1']
    spec = {"name": "=HYPERLINK(1)\r\nSet-Cookie: a=b", "action": {"type": "reboot"}, "targets": {"deviceIds": ids}}
    said = ask("POST", "/v1/campaigns", "operator", body=json.dumps(spec))
    if said[0] == 201:
        it("a campaign's name sets no header", said if "set-cookie" in said[1].lower() else None)
    spec["name"], spec["targets"]["deviceIds"] = "odd", [i for i in ids if " " not in i and "|" not in i and '"' not in i]
    said = ask("POST", "/v1/campaigns", "operator", body=json.dumps(spec))
    if said[0] != 201:
        return it("odd device ids make a campaign", said)
    campaign = json.loads(said[2])["id"]
    until = time.monotonic() + 20
    while json.loads(ask("GET", "/v1/campaigns/" + campaign, "viewer")[2])["state"] != "completed" and time.monotonic() < until:
        time.sleep(0.05)
    c = Client()
    c.send(request("GET", "/v1/campaigns/%s/targets" % campaign, "viewer", ["Accept: text/csv", "Connection: close"]))
    text = c.rest().decode()
    c.close()
    cells = re.findall(r"(?m)(?:^|,)\"?([=+@-][^,\"\r\n]*)", text.split("\r\n\r\n", 1)[1])
    it("no cell of a CSV begins like a formula", cells or (None if "SUM" in text else text))


# --- floods ---

def streams():
    clients, statuses = [], {}
    for _ in range(1100):
        c = Client()
        c.send(request("GET", "/v1/events", "viewer", ["Accept: text/event-stream"]))
        status = c.head()[0]
        statuses[status] = statuses.get(status, 0) + 1
        clients.append(c)
    it("of 1,100 event streams 1,024 are open and the rest is 429",
       None if statuses == {200: 1024, 429: 76} else statuses)
    in_time("a flood of streams")
    for c in clients:
        c.close()


def brute_force():
    c, statuses = Client(), []
    for i in range(500):
        c.send(("GET /v1/campaigns HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guess-%d\r\n\r\n" % i).encode())
        status, head, _ = c.answer()
        statuses.append(status)
    c.close()
    it("of 500 wrong tokens the first 50 are told 401, the rest 429",
       None if set(statuses[:50]) == {401} and statuses.count(401) < 70 and set(statuses) == {401, 429} else statuses)
    it("429 says when to try again", None if re.search(r"(?im)^retry-after: [12]\r?$", head) else head)
    in_time("a flood of wrong tokens, from the same address")


matrix()
for attack in oversized, slow, smuggling, paths, injection, streams, brute_force:
    attack()
    in_time(attack.__name__.replace("_", " "))
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed > 0)
