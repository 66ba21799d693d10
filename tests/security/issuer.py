#!/usr/bin/python3
"""tests/security: stands in for an OpenID Connect issuer and for Microsoft's token endpoints, on loopback.

issuer.py FOLDER      Listens on a free port and writes it to FOLDER/port. Appends what it is asked to FOLDER/asked, a line of JSON
each. What it answers it reads anew from FOLDER each time: "keys" (a key set; absent: 503) and "token" (the answer of the
token endpoints; absent: 503). Standard library only."""

import http.server
import json
import os
import sys
from urllib.parse import parse_qsl, urlsplit

folder = sys.argv[1]


def text_of(name):
    try:
        with open(os.path.join(folder, name)) as f:
            return f.read()
    except FileNotFoundError:
        return None


class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body):
        data = (body or "{}").encode()
        self.send_response(200 if body is not None else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self):
        path = urlsplit(self.path)
        form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with open(os.path.join(folder, "asked"), "a") as f:
            f.write(json.dumps({"method": self.command, "path": path.path, "query": dict(parse_qsl(path.query)),
                                "form": dict(parse_qsl(form)), "metadata": self.headers.get("Metadata")}) + "\n")
        at = "http://127.0.0.1:%d/realm" % self.server.server_port
        if path.path == "/realm/.well-known/openid-configuration":
            self.answer(json.dumps({"issuer": at, "jwks_uri": at + "/keys?v=1"}))
        elif path.path == "/realm/keys":
            self.answer(text_of("keys"))
        else:
            self.answer(text_of("token"))

    do_GET = do_POST = serve


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
with open(os.path.join(folder, "port.new"), "w") as f:
    f.write(str(server.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
