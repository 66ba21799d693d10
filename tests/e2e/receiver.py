"""tests/e2e: receives webhooks and checks their signatures, by an implementation of its own (Python's hmac).

Usage: receiver.py FOLDER SECRET [CERT KEY]. Writes its port to FOLDER/port and each request as a line of JSON to
FOLDER/received; answers with the status that FOLDER/status/<last part of the path> holds at that time (204 where there is
none; 302 points to /elsewhere).
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import sys
import time

folder, secret = sys.argv[1:3]
key = base64.b64decode(secret.removeprefix("whsec_"))


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.rsplit("/", 1)[1]
        status = 204
        if os.path.exists(f"{folder}/status/{name}"):
            with open(f"{folder}/status/{name}") as file:
                status = int(file.read())
        message_id, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        mac = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
        signed = hmac.compare_digest("v1," + base64.b64encode(mac).decode(), self.headers["webhook-signature"])
        line = {"name": name, "status": status, "id": message_id, "signed": signed, "fresh": abs(time.time() - int(at)) < 60,
                "type": self.headers["Content-Type"], "body": json.loads(body)}
        with open(f"{folder}/received", "a") as file:
            file.write(json.dumps(line) + "\n")
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[3:5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(f"{folder}/port.new", "w") as file:
    file.write(str(server.server_port))
os.rename(f"{folder}/port.new", f"{folder}/port")
server.serve_forever()
