#!/usr/bin/env python3
"""tests/e2e: readers of event streams, for streams.sh.

follow URL FILE   Writes each event to FILE, a line each ("id type json", in one write), and goes on behind the last
                  line that is there; comes back whenever the stream ends or the service is away, until it is killed.
                  Breaks its own connection now and then, too, in the middle of whatever comes.
crowd URL N LAST TEXT
                  Opens N streams behind the id LAST, says "open", and ends when each has had an event whose data holds
                  TEXT: prints N, how many events that were, and by how many ms the last reader was later than the first.
                  Fails where they differ, or are out of order, or (of all campaigns) have a gap.
Standard library only."""

import asyncio
import os
import random
import resource
import socket
import sys
import time
from urllib.parse import urlsplit


def blocks(text):
    """The whole events of a stream's text, and what is left over."""
    *whole, rest = text.split("\n\n")
    events = []
    for block in whole:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and line[0] != ":")
        if "data" in fields:
            events.append((int(fields["id"]), fields["event"], fields["data"]))
    return events, rest


def dechunk(data):
    """The text in data's whole chunks, and what is left over."""
    text, at = b"", 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            break
        n = int(data[at:end], 16)
        if len(data) < end + 2 + n + 2:
            break
        text += data[end + 2:end + 2 + n]
        at = end + 2 + n + 2
    return text.decode(), data[at:]


def request(url, last):
    where = urlsplit(url)
    return ("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nLast-Event-ID: %d\r\n\r\n"
            % (where.path, where.netloc, last)).encode()


def follow_once(url, out, last, luck):
    """Reads one connection until it ends; gives the last id written."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as s:
        s.sendall(request(url, last))
        until = time.monotonic() + luck.uniform(0.1, 3)
        head, rest, text = b"", b"", ""
        while time.monotonic() < until:
            s.settimeout(max(0.01, until - time.monotonic()))
            data = s.recv(luck.choice((100, 5000, 100000)))
            if not data:
                break
            rest += data
            if not head:
                if b"\r\n\r\n" not in rest:
                    continue
                head, rest = rest.split(b"\r\n\r\n", 1)
                if b" 200 " not in head.split(b"\r\n")[0]:
                    raise OSError(head)
            more, rest = dechunk(rest)
            events, text = blocks(text + more)
            for event in events:
                os.write(out, b"%d %s %s\n" % (event[0], event[1].encode(), event[2].encode()))
                last = event[0]
    return last


def follow(url, path):
    luck = random.Random()
    with open(path, "ab+") as f:
        f.seek(0)
        lines = f.read().splitlines()
        last = int(lines[-1].split()[0]) if lines else 0
        while True:
            try:
                last = follow_once(url, f.fileno(), last, luck)
            except (OSError, TimeoutError):
                f.seek(0)  # what was written before it broke
                lines = f.read().splitlines()
                last = int(lines[-1].split()[0]) if lines else 0
                time.sleep(0.05)  # the service is away


async def open_one(url, last):
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(request(url, last))
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], head
    return reader, writer


async def read_one(url, last, reader, writer, text):
    """Reads to the event with text; gives the ids, and when it came."""
    rest, left, ids = b"", "", []
    while True:
        data = await reader.read(65536)
        assert data, "ended early"
        more, rest = dechunk(rest + data)
        events, left = blocks(left + more)
        for number, _, data in events:
            ids.append(number)
            if text in data:
                writer.close()
                return ids, time.monotonic()


async def crowd(url, n, last, text):
    streams = await asyncio.gather(*(open_one(url, last) for _ in range(n)))
    print("open", flush=True)
    got = await asyncio.gather(*(read_one(url, last, *stream, text) for stream in streams))
    first, times = got[0][0], [at for _, at in got]
    assert all(ids == first for ids, _ in got), "they differ"
    assert first == sorted(set(first)) and first[0] > last, "not in order"
    assert "/campaigns/" in url or first == list(range(last + 1, first[-1] + 1)), "a gap"
    print(n, len(first), round((max(times) - min(times)) * 1000))


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if sys.argv[1] == "follow":
        follow(sys.argv[2], sys.argv[3])
    else:
        asyncio.run(crowd(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))


main()
