#!/usr/bin/env python3
"""tests/tidy: keeps the tree as it is meant to be: who includes whom, who may use which library, which calls are
banned, what every file opens with, what every README has to name. Each rule is one test; each complaint is a line
"file:line: message". Then each rule is tried on a small tree with a fault planted in it.

Usage: tests/tidy/tidy.py [ROOT]     Standard library only."""

import fnmatch
import os
import re
import sys
import tempfile

# Who may include whom: for the first row whose files fit, what may stand between the quotes, beside headers of the
# file's own folder. "*" stands for no slash, "**" for anything.
BASE = ["server/base/*"]
CAMPAIGN = ["server/campaign/{model,spec,spec_recurring}.h"]
INCLUDES = [
    ("server/base/*", []),
    ("server/campaign/*", BASE),
    ("server/schedule/*", BASE),
    ("server/hub/*", BASE),
    ("server/dispatch/{bucket,backoff,day,meter,pace}.*", BASE + ["-server/dispatch/{dispatch,gate}.h"]),
    ("server/dispatch/*", BASE + ["server/campaign/model.h", "server/hub/hub.h"]),
    ("server/track/*", BASE + ["server/campaign/{model,profile}.h", "server/hub/{hub,reading}.h",
                               "server/dispatch/{bucket,backoff,meter,pace}.h"]),
    ("store/sqlite/*", BASE + ["server/campaign/model.h", "store/*"]),
    ("store/*", BASE + ["server/campaign/model.h"]),
    ("server/feed.*", BASE + ["server/campaign/model.h", "-server/{conduct,conductor,config,loop,settings}.h"]),
    ("server/webhook/*", BASE + ["server/campaign/{fault,member,model}.h", "server/dispatch/backoff.h", "server/feed.h",
                                 "server/hub/{connection,http,sas}.h", "store/{batch,store}.h"]),
    ("server/conductor.h", BASE + CAMPAIGN + ["-server/*"]),
    ("server/{conduct.h,conduct_*.c,conductor.c}", BASE + CAMPAIGN + [
        "server/campaign/{engine,latency,policy,preview,queue,selection,wave}.h", "server/schedule/{recurrence,window,zone}.h", "server/hub/{hub,where}.h", "server/dispatch/{day,dispatch,gate,jobs,meter,reconnect}.h",
        "server/track/{evidence,track}.h", "server/feed.h", "store/store.h", "-server/{config,loop,settings}.h"]),
    ("api/cli/*", BASE),
    ("api/*", BASE + CAMPAIGN + ["server/campaign/fault.h", "server/{conductor,feed}.h", "server/webhook/webhooks.h", "store/store.h"]),
    ("server/*", ["server/**", "api/*", "store/*", "-server/conduct.h"]),
    ("deploy/**", []),  # what is put on other machines knows nothing of ours
    ("tests/world/{test_*,fixture.*}", BASE + ["tests/lib/suite.h"]),
    ("tests/world/*", BASE),
    ("tests/hubsim/{test_*,peer.*}", BASE + ["tests/world/world.h", "tests/lib/suite.h"]),
    ("tests/hubsim/*", BASE + ["tests/world/world.h"]),
    ("tests/unit/api/cli/*", BASE + ["api/cli/*", "tests/lib/suite.h"]),
    ("tests/**", ["server/**", "store/**", "api/*", "deploy/agent/*", "tests/**", "-tests/world/internal.h", "-server/conduct.h"]),
]

# Who may use which library, by what a header's name starts with.
LIBRARIES = [
    ("curl/", ["server/hub/http.c", "server/health.c", "api/cli/client.c", "tests/hubsim/test_*.c"]),
    ("mosquitto.h", ["deploy/agent/link.c"]),
    ("uv.h", ["server/hub/{http,wire}.c", "server/loop.c", "store/store.c", "api/httpd.c", "tests/**"]),
    ("microhttpd.h", ["api/httpd.c"]),
    ("cjose/", ["api/oidc.c", "tests/unit/**"]),
    ("gnutls/", ["api/tls.c", "tests/unit/api/test_tls.c"]),
    ("zlib.h", ["api/gzip.c"]),
    ("sqlite3.h", ["store/sqlite/*", "tests/store/*", "tests/sim/drive.c", "tests/sim/older.c", "tests/bench/bare.c",
                   "tests/unit/server/webhook/test_webhooks.c"]),
    ("openssl/", ["server/hub/link.c", "server/hub/sas.c", "server/webhook/message.c", "api/auth.c", "store/sqlite/audit.c", "deploy/agent/sas.c", "tests/{bench,hubsim,unit}/**"]),
    ("jansson.h", ["server/hub/*", "server/campaign/{member,spec,spec_*}.*", "server/settings.c", "server/webhook/endpoints.c", "api/{json,oidc}.c", "api/cli/*", "deploy/agent/*", "tests/**"]),
    ("libical/", ["server/schedule/rrule.c"]),
    ("uthash.h", ["server/campaign/*", "server/track/*", "server/conduct.h", "tests/**"]),
    ("check.h", ["tests/**"]),
]
LIBC = set("""arpa/inet.h assert.h ctype.h dirent.h dlfcn.h endian.h errno.h fcntl.h float.h getopt.h inttypes.h limits.h
    malloc.h math.h netdb.h netinet/in.h netinet/tcp.h poll.h pthread.h sched.h semaphore.h signal.h stdarg.h stdatomic.h
    stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sys/epoll.h sys/file.h sys/ioctl.h sys/mman.h sys/mount.h sys/prctl.h
    sys/queue.h sys/random.h sys/resource.h sys/signalfd.h sys/socket.h sys/stat.h sys/statvfs.h sys/syscall.h sys/time.h sys/types.h sys/un.h
    sys/utsname.h sys/wait.h time.h
    unistd.h""".split())

# Calls that have no place: with what to do instead.
LENGTH = "say the length: snprintf(), memcpy(), buf.h"
PARSE = "strtol() and its like tell what is no number"
SHELL = "a shell reads more into texts than was meant"
STATE = "keeps its state where others change it"
LUCK = "luck comes from base/rng.h, with a seed"
BANNED = {
    "strcpy": LENGTH, "stpcpy": LENGTH, "strcat": LENGTH, "sprintf": LENGTH, "vsprintf": LENGTH, "gets": LENGTH,
    "alloca": LENGTH, "strtok": STATE, "gmtime": STATE, "localtime": STATE, "atoi": PARSE, "atol": PARSE,
    "atoll": PARSE, "atof": PARSE, "system": SHELL, "popen": SHELL, "rand": LUCK, "srand": LUCK, "random": LUCK,
}
BANNED_IN_TESTS = {name: BANNED[name] for name in ("sprintf", "vsprintf", "gets", "alloca", "rand", "srand", "random")}
SLEEPS = ("sleep", "usleep", "nanosleep", "clock_nanosleep")
PRINTS = ("printf", "vprintf", "puts", "putchar", "perror")  # beside the log; main.c prints what it was asked for

# Written in two parts, so that this file does not complain of itself.
NOTES = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
PLACES = re.compile(r"(?<![\w.])/(wo" r"rk\b|ro" r"ot/|ho" r"me/|tmp/[a-z]-[a-z])")

# What ends a state of a campaign where nothing else does: a place in the code. A target's states are found by
# themselves: each move into one sets its deadline.
ENGINE = "server/campaign/engine.c"
FACTS = "server/campaign/engine_facts.c"
END_AT = (ENGINE, "!c->has_ended && c->end_at_ms <= now_ms")  # and what waits is closed
CAMPAIGN_DEADLINES = {
    "SCHEDULED": (ENGINE, "c->start_at_ms <= now_ms"),
    "SELECTING": ("server/conduct_select.c", "end_at_ms <= conduct_wall(c)"),
    "AWAITING_APPROVAL": END_AT,  # a person, at the latest
    "RUNNING": END_AT,
    "PAUSED": END_AT,  # a person, at the latest
    "CANCELLING": ("server/campaign/engine_change.c", "change_close_waiting(ch->e, ch->c, no, ch->now_ms)"),  # and what is out has its own deadlines
}

TOP_FOLDERS = ("api", "deploy", "server", "store", "tests")


# --- the tree ---

class Tree:
    """Every file below a root, but hidden ones (save .ci and .clang-format) and builds."""

    def __init__(self, root):
        self.root = root
        self.paths = sorted(self._walk())
        self._texts = {}
        self._code = {}

    def _walk(self):
        for folder, folders, names in os.walk(self.root):
            at = os.path.relpath(folder, self.root)
            folders[:] = [f for f in folders if f == ".ci" or not (
                f.startswith(".") or f in ("node_modules", "__pycache__") or (at == "." and f.startswith("build")))]
            for name in names:
                if not name.startswith(".") or name == ".clang-format":
                    yield os.path.normpath(os.path.join(at, name))

    def text(self, path):
        if path not in self._texts:
            with open(os.path.join(self.root, path), "rb") as f:
                self._texts[path] = "" if path.endswith((".png", ".gz")) else f.read().decode("utf-8", "replace")
        return self._texts[path]

    def lines(self, path):
        return enumerate(self.text(path).split("\n"), 1)

    def sources(self):
        return [p for p in self.paths if p.endswith((".c", ".h"))]

    def code(self, path):
        """The file's lines with comments and texts made blank."""
        if path not in self._code:
            self._code[path] = blank(self.text(path))
        return enumerate(self._code[path].split("\n"), 1)

    def has(self, path):
        return path in self.paths


def blank(text):
    tokens = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
    return tokens.sub(lambda m: "".join(c if c == "\n" else " " for c in m.group()), text)


def braces(pattern):
    """a{b,c} is ab and ac."""
    m = re.search(r"\{([^{}]*)\}", pattern)
    if m is None:
        return [pattern]
    return [p for part in m.group(1).split(",") for p in braces(pattern[:m.start()] + part + pattern[m.end():])]


def fits(path, pattern):
    for p in braces(pattern):
        regex = "".join(".*" if s == "**" else "[^/]*" if s == "*" else re.escape(s)
                        for s in re.split(r"(\*\*|\*)", p))
        if re.fullmatch(regex, path):
            return True
    return False


def fits_one(path, patterns):
    """Whether one pattern fits, and none of those with a minus."""
    return any(fits(path, p) for p in patterns if p[0] != "-") and not any(
        fits(path, p[1:]) for p in patterns if p[0] == "-")


# --- the rules: each gives its complaints as (file, line, message) ---

def includes(tree, mark):
    """What is included with mark ('"' or '<'): file, line, name."""
    end = ">" if mark == "<" else mark
    for path in tree.sources():
        for n, line in tree.lines(path):
            m = re.match(r"\s*#\s*include\s*%s([^%s]+)%s" % (mark, end, end), line)
            if m:
                yield path, n, m.group(1)


def rule_who_includes_whom(tree):
    for path, n, name in includes(tree, '"'):
        folder = os.path.dirname(path)
        header = name if "/" in name else folder + "/" + name
        allowed = next((row for files, row in INCLUDES if fits(path, files)), None)
        if allowed is None:
            yield path, n, "stands in a folder that the table of rooms does not know"
        elif not header.endswith(".inc") and not tree.has(header):
            yield path, n, "includes %s, which is neither below the root nor beside it" % name
        elif not fits_one(header, allowed + [folder + "/*"]):
            yield path, n, "may not include %s" % header


def rule_who_uses_which_library(tree):
    for path, n, name in includes(tree, "<"):
        users = next((users for start, users in LIBRARIES if name.startswith(start)), None)
        if users is None and name not in LIBC:
            yield path, n, "<%s> belongs to no library that the table knows" % name
        elif users is not None and not fits_one(path, users):
            yield path, n, "<%s> is for %s" % (name, ", ".join(users))


def names_of(readme):
    """What a README puts in backquotes, as patterns of paths below its folder, or of names."""
    for quoted in re.findall(r"`([^`\n]+)`", readme):
        for word in quoted.split():
            yield from braces(word)


def is_named(path, names):
    for name in names:
        if name.endswith("/") and path.startswith(name):
            return True
        if fnmatch.fnmatchcase(path, name) or fnmatch.fnmatchcase(os.path.basename(path), name):
            return True
    return False


def rule_readmes_name_every_file(tree):
    for folder in TOP_FOLDERS:
        if any(p.startswith(folder + "/") for p in tree.paths) and not tree.has(folder + "/README.md"):
            yield folder + "/README.md", 1, "is missing: purpose, one line a file, invariants, what is not here"
    known = {}
    for path in tree.paths:
        folder = os.path.dirname(path)
        while folder and not tree.has(folder + "/README.md"):
            folder = os.path.dirname(folder)
        readme = os.path.join(folder, "README.md")
        name = os.path.basename(path)
        if name == "README.md" or (name == "meson.build" and folder) or not tree.has(readme):
            continue
        if readme not in known:
            known[readme] = set(names_of(tree.text(readme)))
        if not is_named(os.path.relpath(path, folder or "."), known[readme]):
            yield path, 1, "is not named in %s" % readme


def rule_tests_that_hubsim_names_are_there(tree):
    readme = "tests/hubsim/README.md"
    tests = {m.group(1) for path in tree.sources() if re.match(r"tests/(hubsim|world)/test_", path)
             for m in re.finditer(r"^START_TEST\(test_(\w+)\)", tree.text(path), re.M)}
    for n, line in tree.lines(readme) if tree.has(readme) else []:
        for name in re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,}…?)`", line if line.startswith("| ") else ""):
            if name not in tests and not (name.endswith("…") and any(t.startswith(name[:-1]) for t in tests)):
                yield readme, n, "there is no test %s" % name


def calls(tree, path, names):
    """Calls of the functions, not what only ends in their name or is a member."""
    for n, line in tree.code(path):
        for m in re.finditer(r"(?<![\w.>])(\w+)\s*\(", line):
            if m.group(1) in names:
                yield n, m.group(1)


def rule_banned_calls(tree):
    for path in tree.sources():
        banned = BANNED_IN_TESTS if path.startswith("tests/") else BANNED
        for n, name in calls(tree, path, banned):
            yield path, n, "%s(): %s" % (name, banned[name])


def rule_nothing_sleeps(tree):
    for path in tree.sources():
        for n, name in calls(tree, path, SLEEPS):
            yield path, n, "%s(): wait for what is to happen, not for time" % name


def rule_the_service_prints_through_its_log(tree):
    for path in tree.sources():
        if path.startswith(("server/", "store/", "api/")) and path != "server/main.c" and not path.startswith("api/cli/"):
            for n, name in calls(tree, path, PRINTS):
                if "format(" + name not in tree.text(path).split("\n")[n - 1].replace(" ", ""):
                    yield path, n, "%s(): use base/log.h" % name


def rooms_of(path):
    """What the first comment of a file may say it belongs to."""
    parts = os.path.splitext(path)[0].split("/")
    ok = {"/".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)}
    return ok | {"conductor"} if fits(path, "server/conduct_*.c") else ok


def rule_every_file_opens_with_its_room(tree):
    for path in tree.sources():
        m = re.match(r"/\* ([a-z0-9_/]+): ", tree.text(path))
        if m is None:
            yield path, 1, "does not open with a comment like /* %s: … */" % os.path.dirname(path)
        elif m.group(1) not in rooms_of(path):
            yield path, 1, "says that it belongs to %s" % m.group(1)


def rule_headers_have_guards_of_their_name(tree):
    for path in tree.sources():
        guard = "ROLLCALL_" + re.sub(r"\W", "_", path).upper()
        if path.endswith(".h") and not re.search(r"^#ifndef %s\n#define %s$" % (guard, guard), tree.text(path), re.M):
            yield path, 1, "has no include guard %s" % guard


def rule_nothing_is_left_for_later(tree):
    for path in tree.paths:
        for n, line in tree.lines(path):
            if NOTES.search(line):
                yield path, n, "says %s: do it, or open an issue" % NOTES.search(line).group()


def rule_no_path_of_one_machine(tree):
    for path in tree.paths:
        for n, line in tree.lines(path):
            if PLACES.search(line):
                yield path, n, "names a place of one machine: %s" % PLACES.search(line).group()


def rule_no_trailing_white_space(tree):
    for path in tree.paths:
        if fits(path, "tests/fuzz/corpus/**"):
            continue
        for n, line in tree.lines(path):
            if line != line.rstrip():
                yield path, n, "white space at the end"


def rule_every_error_has_a_text_of_its_own(tree):
    path, seen = "server/base/err.h", set()
    for n, line in tree.lines(path) if tree.has(path) else []:
        m = re.match(r'\s*X\((\w+), "(.*)"\)', line)
        if m and (m.group(2) == "" or m.group(2) in seen):
            yield path, n, "ERR_%s has no text of its own" % m.group(1)
        if m:
            seen.add(m.group(2))


def rule_the_diagram_shows_every_state_of_a_target(tree):
    path, header = "server/campaign/target.c", "server/campaign/target.h"
    if not tree.has(path) or not tree.has(header):
        return
    diagram = tree.text(header).split("*/")[0]
    for n, line in tree.lines(path):
        m = re.match(r"\s*\[TARGET_(\w+)\] =", line)
        if m and not re.search(r"\b%s\b" % m.group(1), diagram):
            yield path, n, "TARGET_%s is not in the diagram of %s" % (m.group(1), header)


def states_of(tree, prefix):
    """Those of the table of permitted moves: (line, name, whether it is final)."""
    path = "server/campaign/target.c"
    for n, line in tree.lines(path) if tree.has(path) else []:
        m = re.match(r"\s*\[%s_(\w+)\] = \{(.*)" % prefix, line)
        if m:
            yield n, m.group(1), re.search(r", 0\}", m.group(2)) is not None


def functions_of(tree, path):
    """First line and lines of each."""
    first, body = 1, []
    for n, line in tree.code(path):
        body.append(line)
        if line == "}":
            yield first, body
            first, body = n + 1, []


def rule_each_state_has_a_deadline(tree):
    path, alive = "server/campaign/target.c", {}
    for n, name, is_final in states_of(tree, "CAMPAIGN"):
        place, code = CAMPAIGN_DEADLINES.get(name, ("", ""))
        if not is_final and not (code and tree.has(place) and code in tree.text(place)):
            yield path, n, "CAMPAIGN_%s: what ends it where nothing else does? See CAMPAIGN_DEADLINES in tests/tidy" % name
    for n, name, is_final in states_of(tree, "TARGET"):
        if not is_final:
            alive[name] = n
    moved_to = set()
    for source in [p for p in tree.sources() if fits(p, "server/campaign/engine*.c")]:
        for first, body in functions_of(tree, source):
            for i, line in enumerate(body):
                m = re.search(r"\bchange_move\(&?ch, TARGET_(\w+),", line)
                if m is None or m.group(1) not in alive:
                    continue
                moved_to.add(m.group(1))
                rest = "\n".join(body[i:])
                if not re.search(r"next_at_ms = ", rest) or "engine_alarm_set(" not in rest:
                    yield source, first + i, "moves to TARGET_%s and sets no deadline, or no alarm for it" % m.group(1)
    for name, n in alive.items():
        if tree.has(FACTS) and name not in moved_to:
            yield path, n, "nothing moves to TARGET_%s with a deadline" % name
        if tree.has(FACTS) and "case TARGET_%s:" % name not in tree.text(FACTS):
            yield path, n, "no alarm of TARGET_%s is heard" % name


def described_operations(tree):
    """{(method, path): [line, role, whether the description asks for no token]}, by its fixed indentation."""
    found, path, at = {}, "", None
    for n, line in tree.lines("api/openapi.yaml") if tree.has("api/openapi.yaml") else []:
        m = re.match(r"  (/\S*):$|    (get|put|post|patch|delete):$|      (x-role|security): (.*)|\S", line)
        if m is None:
            continue
        if m.group(1):
            path = m.group(1)
        elif m.group(2):
            at = found[m.group(2).upper(), path] = [n, "", False]
        elif m.group(3) == "x-role":
            at[:2] = n, m.group(4)
        elif m.group(3):
            at[0], at[2] = n, m.group(4) == "[]"
    return found


def routes_of(tree):
    """Line, method, path and the rest of the row of each route."""
    path = "api/routes.c"
    texts = {name: text for _, _, (name, text) in quoted_in(tree, path, r"^#define (\w+) ([A-Z\"].*)$")}
    for _, n, (method, pattern, rest) in quoted_in(tree, path, r'^\s*\{"([A-Z]+)", ([^,]+),(.*)'):
        for _ in texts:
            pattern = re.sub(r"\b[A-Z_]{4,}\b", lambda m: texts.get(m.group(), m.group()), pattern)
        yield n, method, re.sub(r'[" ]', "", pattern), rest


def rule_each_route_has_a_role_and_the_description_the_same(tree):
    described = described_operations(tree)
    for n, method, pattern, rest in routes_of(tree):
        m = re.match(r" ROLE_([A-Z]+),", rest)
        role = m.group(1).lower() if m else None
        line, told, is_open = described.get((method, pattern), (0, "", False))
        if role is None:
            yield "api/routes.c", n, "%s %s names no role" % (method, pattern)
        elif line == 0:
            yield "api/routes.c", n, "%s %s is not described in api/openapi.yaml" % (method, pattern)
        elif told != role:
            yield "api/openapi.yaml", line, "%s %s is for role %s" % (method, pattern, role)
        elif is_open != (role == "none"):
            yield "api/openapi.yaml", line, "%s %s: security: [] stands where no token is asked for, only there" % (method, pattern)


def rule_each_problem_is_provoked_by_a_test(tree):
    said = "".join(tree.text(p) for p in tree.paths if fits(p, "tests/{unit/api,e2e,security}/**"))
    for path, n, (status, code) in quoted_in(tree, "api/problem.h", r'^\tX\(\w+, (\d+), "(\w+)"'):
        if not re.search(r'\\"code\\":\\"%s\\"|\b(refused|answers) %s %s\b' % (code, status, code), said):
            yield path, n, "no test is answered %s" % code


def quoted_in(tree, path, pattern):
    for n, line in tree.lines(path) if tree.has(path) else []:
        for found in re.findall(pattern, line):
            yield path, n, found


def rule_the_readme_names_every_state_setting_route_and_exit_status(tree):
    readme = tree.text("README.md") if tree.has("README.md") else ""
    model = "server/campaign/model.h"
    asked, table = [], ""
    for n, line in tree.lines(model) if tree.has(model) else []:
        m = re.match(r'#define (\w+)\(X\)|\tX\([A-Z_]+, \d+, "(\w+)"\)', line)
        table = m.group(1) if m and m.group(1) else table
        if m and m.group(2) and table in ("CAMPAIGN_STATES", "TARGET_STATES", "REASONS", "WAITS"):
            asked.append((model, n, m.group(2)))
    for path, n, line in quoted_in(tree, "server/settings.c", r'^\s*\[[GH]_\w+\] = \{("\w+", (?:TEXT|NUMBER|SECRET)),'):
        asked.append((path, n, line.split('"')[1]))
    for path, n, line in quoted_in(tree, "server/main.c", r"^\tSTATUS_\w+ = (\d+),"):
        asked.append((path, n, "| %s |" % line))
    asked += [("api/routes.c", n, method + " " + pattern) for n, method, pattern, _ in routes_of(tree)]
    for path, n, text in asked:
        if (text if text[0] == "|" else "`%s`" % text) not in readme:
            yield path, n, '"%s" is not in README.md' % text


RULES = [rule for name, rule in sorted(globals().items()) if name.startswith("rule_")]


# --- the checker checked: a small tree without a fault, then with one at a time ---

GOOD = {
    "README.md": "`meson.build` `.ci/run` The states: `waiting`. Settings: `listen`. `GET /v1/things/{id}`\n| 0 |\n",
    "meson.build": "project('x', 'c')\n",
    ".ci/run": "true\n",
    "server/README.md": "`err.{h,c}` `*.c` `hub.h` `http.h` `model.h` `target.h`\n",
    "server/base/err.h": '/* err: texts */\n#ifndef ROLLCALL_SERVER_BASE_ERR_H\n#define ROLLCALL_SERVER_BASE_ERR_H\n'
                         '#define L(X) \\\n\tX(OK, "ok") \\\n\tX(IO, "input")\n#endif\n',
    "server/base/err.c": '/* base: see err.h */\n#include "server/base/err.h"\n\n#include <string.h>\n',
    "server/hub/hub.h": "/* hub: one */\n#ifndef ROLLCALL_SERVER_HUB_HUB_H\n#define ROLLCALL_SERVER_HUB_HUB_H\n#endif\n",
    "server/hub/http.h": "/* hub/http: two */\n#ifndef ROLLCALL_SERVER_HUB_HTTP_H\n"
                         "#define ROLLCALL_SERVER_HUB_HTTP_H\n#endif\n",
    "server/hub/http.c": '/* hub: see http.h */\n#include "server/hub/http.h"\n\n#include <curl/curl.h>\n#include <uv.h>\n'
                         '/* system("x"); */\nconst char *s = "gets(x)";\n',
    "server/dispatch/dispatch.c": '/* dispatch: calls */\n#include "server/hub/hub.h"\n',
    "server/campaign/model.h": '/* campaign/model: nouns */\n#ifndef ROLLCALL_SERVER_CAMPAIGN_MODEL_H\n'
                               '#define ROLLCALL_SERVER_CAMPAIGN_MODEL_H\n#define TARGET_STATES(X) \\\n\tX(WAITING, 0, "waiting")\n#endif\n',
    "server/campaign/target.h": "/* campaign/target: WAITING ──▶ SUCCEEDED */\n#ifndef ROLLCALL_SERVER_CAMPAIGN_TARGET_H\n"
                                "#define ROLLCALL_SERVER_CAMPAIGN_TARGET_H\n#endif\n",
    "server/campaign/target.c": "/* campaign: see target.h */\n[TARGET_WAITING] = {\"waiting\", T(SUCCEEDED)},\n"
                                '[TARGET_SUCCEEDED] = {"succeeded", 0},\n[CAMPAIGN_SCHEDULED] = {"scheduled", C(FAILED)},\n'
                                '[CAMPAIGN_FAILED] = {"failed", 0},\n',
    "server/campaign/engine.c": "/* campaign: see engine.h */\nvoid b(void)\n{\n\tif (c->start_at_ms <= now_ms)\n\t\tstart(c);\n}\n",
    "server/campaign/engine_facts.c": "/* campaign: facts */\nvoid a(void)\n{\n\tchange_move(ch, TARGET_WAITING, 0);\n"
                                      "\tch->row->next_at_ms = at_ms;\n\tengine_alarm_set(e, at_ms);\n}\nvoid b(void)\n{\n"
                                      "\tcase TARGET_WAITING:\n\tchange_move(ch, TARGET_SUCCEEDED, 0);\n}\n",
    "server/settings.c": '/* server: settings */\n[G_LISTEN] = {"listen", TEXT, 0},\n[G_LATER] = {"later", LATER, 0},\n',
    "server/main.c": '/* server: main */\nenum s {\n\tSTATUS_STOPPED = 0,\n};\nint main(void) { printf("x"); }\n',
    "server/conduct_hub.c": "/* conductor: hubs */\n",
    "api/README.md": "`routes.c` `openapi.yaml` `problem.h`\n",
    "api/routes.c": '/* api: routes */\n#define THINGS "/v1/things"\n#define THING THINGS "/{id}"\n'
                    '        {"GET", THING, ROLE_VIEWER, JSON},\n',
    "api/openapi.yaml": "security:\n  - token: []\npaths:\n  /v1/things/{id}:\n    get:\n      x-role: viewer\n",
    "api/problem.h": '/* api/problem: codes */\n#ifndef ROLLCALL_API_PROBLEM_H\n#define ROLLCALL_API_PROBLEM_H\n'
                     '#define P(X) \\\n\tX(GONE, 404, "gone", "It is gone") \\\n\tX(BUSY, 503, "busy", "Too much")\n#endif\n',
    "tests/e2e/all.sh": 'it "too much: 503" refused 503 busy\n',
    "store/README.md": "`sqlite/` `store.c`\n",
    "store/store.c": "/* store: thread */\n#include <uv.h>\n",
    "store/sqlite/sqlite.c": "/* store/sqlite: file */\n#include <sqlite3.h>\n",
    "deploy/README.md": "nothing yet\n",
    "tests/README.md": "`world/` `unit/` `e2e/`\n",
    "tests/world/world.c": "/* world: a hub */\n#include <jansson.h>\n",
    "tests/hubsim/README.md": "`test_sas.c`\n| a token | `a_token_is_read` |\n",
    "tests/hubsim/test_sas.c": "/* tests: tokens */\nSTART_TEST(test_a_token_is_read)\n",
    "tests/unit/api/test_routes.c": '/* tests: api/routes.c */\n#include "server/hub/http.h"\n'
                                    'ck_has(a, "\\"code\\":\\"gone\\"");\n',
}

# file, line from which it is added (0: at its end), what is added, rule that has to complain of that very line
PLANTS = [
    ("server/base/err.c", 0, '#include "server/hub/hub.h"', rule_who_includes_whom),
    ("server/hub/hub.h", 0, '#include "server/campaign/model.h"', rule_who_includes_whom),
    ("server/dispatch/dispatch.c", 0, '#include "server/hub/http.h"', rule_who_includes_whom),
    ("server/dispatch/dispatch.c", 0, '#include "server/base/nowhere.h"', rule_who_includes_whom),
    ("tests/world/world.c", 0, '#include "server/hub/hub.h"', rule_who_includes_whom),
    ("server/main.c", 0, '#include "tests/world/world.c"', rule_who_includes_whom),
    ("server/new/new.c", 0, '#include "server/base/err.h"', rule_who_includes_whom),
    ("server/hub/hub.h", 0, "#include <curl/curl.h>", rule_who_uses_which_library),
    ("server/main.c", 0, "#include <uv.h>", rule_who_uses_which_library),
    ("store/store.c", 0, "#include <sqlite3.h>", rule_who_uses_which_library),
    ("api/routes.c", 0, "#include <microhttpd.h>", rule_who_uses_which_library),
    ("api/routes.c", 0, "#include <glib.h>", rule_who_uses_which_library),
    ("store/new.c", 1, "/* store: new */", rule_readmes_name_every_file),
    ("new.txt", 1, "new", rule_readmes_name_every_file),
    ("server/base/err.c", 0, "\tstrcpy(a, b);", rule_banned_calls),
    ("api/routes.c", 0, "\tn = atoi (text);", rule_banned_calls),
    ("store/store.c", 0, '\treturn s ? "/*" : strcat(out, "*/");', rule_banned_calls),
    ("tests/world/world.c", 0, "\tx = rand();", rule_banned_calls),
    ("tests/unit/api/test_routes.c", 0, "\tusleep(1000);", rule_nothing_sleeps),
    ("store/store.c", 0, '\tprintf("here");', rule_the_service_prints_through_its_log),
    ("store/sqlite/new.c", 1, "int x;", rule_every_file_opens_with_its_room),
    ("server/hub/new.c", 1, "/* dispatch: see new.h */", rule_every_file_opens_with_its_room),
    ("server/hub/new.h", 1, "/* hub: new */", rule_headers_have_guards_of_their_name),
    ("tests/hubsim/README.md", 0, "| a token | `a_token_is_written` |", rule_tests_that_hubsim_names_are_there),
    ("meson.build", 0, "# TO" "DO: more", rule_nothing_is_left_for_later),
    (".ci/run", 0, "ls /ho" "me/eva", rule_no_path_of_one_machine),
    (".ci/run", 0, "true ", rule_no_trailing_white_space),
    ("server/base/err.h", 0, '\tX(FULL, "input")', rule_every_error_has_a_text_of_its_own),
    ("server/campaign/target.c", 0, "[TARGET_LOST] = {0},", rule_the_diagram_shows_every_state_of_a_target),
    ("server/campaign/model.h", 0, '\tX(LOST, 9, "lost")', rule_the_readme_names_every_state_setting_route_and_exit_status),
    ("server/settings.c", 0, '[G_NEW] = {"new", NUMBER, 0},', rule_the_readme_names_every_state_setting_route_and_exit_status),
    ("server/main.c", 0, "\tSTATUS_NEW = 7,", rule_the_readme_names_every_state_setting_route_and_exit_status),
    ("server/campaign/target.c", 0, '[CAMPAIGN_SELECTING] = {"selecting", C(FAILED)},', rule_each_state_has_a_deadline),
    ("server/campaign/target.c", 0, '[CAMPAIGN_STUCK] = {"stuck", C(FAILED)},', rule_each_state_has_a_deadline),
    ("server/campaign/engine_facts.c", 0, "\tchange_move(ch, TARGET_WAITING, 0);\n\tengine_alarm_set(e, at_ms);\n}", rule_each_state_has_a_deadline),
    ("server/campaign/engine_facts.c", 0, "\tchange_move(&ch, TARGET_WAITING, 0);\n\tch->row->next_at_ms = at_ms;\n}", rule_each_state_has_a_deadline),
    ("api/routes.c", 0, '        {"GET", THING, "", JSON},', rule_each_route_has_a_role_and_the_description_the_same),
    ("api/routes.c", 0, '        {"POST", THING, ROLE_VIEWER, JSON},', rule_each_route_has_a_role_and_the_description_the_same),
    ("api/openapi.yaml", 0, "      x-role: operator", rule_each_route_has_a_role_and_the_description_the_same),
    ("api/openapi.yaml", 0, "      security: []", rule_each_route_has_a_role_and_the_description_the_same),
    ("api/problem.h", 0, '\tX(FULL, 507, "full", "It is full")', rule_each_problem_is_provoked_by_a_test),
    ("api/routes.c", 0, '        {"POST", THING "/new", ROLE_VIEWER},',
     rule_the_readme_names_every_state_setting_route_and_exit_status),
]


def plant(root, files):
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as f:
            f.write(text)


def try_on(files):
    """Every rule's complaints, as {rule: ["file:line: message"]}."""
    with tempfile.TemporaryDirectory() as root:
        plant(root, files)
        tree = Tree(root)
        return {rule: told(rule(tree)) for rule in RULES}


def told(complaints):
    return ["%s:%d: %s" % c for c in complaints]


# --- counting ---

class Count:
    passed = failed = 0

    def test(self, name, complaints):
        if complaints:
            self.failed += 1
            print("FAILED  %s\n        %s" % (name, "\n        ".join(complaints)))
        else:
            self.passed += 1
            print("ok      %s" % name)


def spoken(rule):
    return rule.__name__.removeprefix("rule_").replace("_", " ")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    count = Count()
    tree = Tree(root)
    for rule in RULES:
        count.test(spoken(rule), told(rule(tree)))
    count.test("a tree without a fault is not complained of", sum(try_on(GOOD).values(), []))
    for path, line, text, rule in PLANTS:
        before = GOOD.get(path, "")
        line = line or before.count("\n") + 1
        said = try_on({**GOOD, path: before + text + "\n"})[rule]
        is_found = len(said) == 1 and said[0].startswith("%s:%d: " % (path, line))
        count.test("%s: found %s in %s" % (spoken(rule), text.strip().split("\n")[0], path), [] if is_found else said or ["not found"])
    print("%d passed, %d failed" % (count.passed, count.failed))
    results = os.environ.get("ROLLCALL_TEST_RESULTS")
    if results:
        with open(os.path.join(results, os.path.basename(sys.argv[0])), "w", encoding="utf-8") as f:
            f.write("%d %d\n" % (count.passed, count.failed))
    return 1 if count.failed else 0


sys.exit(main())
