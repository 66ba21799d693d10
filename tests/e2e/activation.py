"""tests/e2e: a service manager that listens for rollcalld, hands it the socket (sd_listen_fds(3)), and hears how it is (sd_notify(3)).

Usage: activation.py ROLLCALLD CONFIG. Ends with status 0 if a socket is taken, also by the next one: who connects while none
runs is answered by it; refused where it is not one of where the settings say; and the manager hears that it is ready, that it
is alive, for as long as it wants to, and that it stops.
"""
import os
import signal
import socket
import sys

program, config = sys.argv[1:3]
listening = socket.create_server(("127.0.0.1", 0))
here = "127.0.0.1:%d" % listening.getsockname()[1]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("")  # an abstract name that nobody has
manager.settimeout(20)


def start(listen):
    pid = os.fork()
    if pid == 0:
        os.dup2(listening.fileno(), 3)
        os.set_inheritable(3, True)  # also where it was 3 before
        os.execve(program, [program, "--config", config, "--listen", listen],
                  {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()),
                   "NOTIFY_SOCKET": "@" + manager.getsockname()[1:].decode(), "WATCHDOG_USEC": "100000"})
    return pid


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def hear(*states):
    for state in states:
        while manager.recv(100) != state:
            pass


def expect(what, got, wanted):
    if got != wanted:
        sys.exit("%s: %s, not %s" % (what, got, wanted))


for run in ("the first", "the second"):
    client = socket.create_connection(listening.getsockname(), timeout=20)
    client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    pid = start(here)
    expect(run + " answers who came before it", client.recv(100)[:15], b"HTTP/1.1 200 OK")
    hear(b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1")
    os.kill(pid, signal.SIGTERM)
    hear(b"STOPPING=1")
    expect(run + " ends", ended(pid), 0)
expect("one for another address", ended(start("127.0.0.2:0")), 4)
