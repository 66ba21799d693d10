"""What the benchmarks share: programs pinned to a core with their CPU over time, the stub hub, the service, rounds.

All times are of the system's UTC clock in seconds, so that they can be laid beside those that the service tells."""
import argparse
import base64
import bisect
import http.client
import json
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/bench"
TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, STUB_CORE = CORES[0], CORES[-1]  # this program itself stays on the stub's
SAMPLE_SECONDS = 0.02
TRIES_MAX = 20
DEADLINE_SECONDS = 600  # for one campaign
SDK_WARM_UP_SECONDS = 1.5
ROWS_A_PAGE = 100


class Failed(Exception):
    """The benchmark cannot be run, or what it measured did not do its work."""


def install():
    """Installs the Debian packages that are missing."""
    lists = [ROOT / "deploy/local/packages", HERE / "packages"]
    subprocess.run([ROOT / "deploy/local/install", *lists], check=True, stdout=subprocess.DEVNULL)


def allow_files(n):
    """Lets this program have so many files open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(n, most), most))


def install_sdk():
    """Installs Azure's SDK for Node.js where tests/sdk has it, in the version that is held there."""
    folder = ROOT / "tests/sdk"
    if not shutil.which("npm"):
        subprocess.run([ROOT / "deploy/local/install", folder / "packages"], check=True, stdout=subprocess.DEVNULL)
    lock = f"{tempfile.gettempdir()}/rollcall-sdk-{os.getuid()}.lock"  # as tests/sdk/lib.sh does
    wanted = "[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-audit --no-fund"
    if subprocess.run(["flock", lock, "sh", "-c", wanted], cwd=folder, stdout=subprocess.DEVNULL).returncode != 0:
        raise Failed("azure-iothub cannot be installed")


built = None  # see use()


def build(*targets):
    """Builds targets of this tree as a release in build/bench and gives their paths."""
    if built:
        return [built / target for target in targets]
    folder, log = ROOT / "build/bench", ROOT / "build/bench.log"
    folder.parent.mkdir(exist_ok=True)
    setup = ["meson", "setup", folder, ROOT, "--buildtype=release", "-Dtests=false", "-Dwerror=false"]
    steps = ([] if (folder / "build.ninja").exists() else [setup]) + [["ninja", "-C", folder, *targets]]
    for step in steps:
        with open(log, "w") as out:
            if subprocess.run(step, stdout=out, stderr=out).returncode != 0:
                raise Failed("\n".join(log.read_text().splitlines()[-30:]))
    return [folder / target for target in targets]


def system_ticks():
    """Busy and stolen ticks of the cores in use, so far."""
    busy = steal = 0
    with open("/proc/stat") as lines:
        for line in lines:
            name, *numbers = line.split()
            if name in {f"cpu{CLIENT_CORE}", f"cpu{STUB_CORE}"}:
                user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, numbers[:8])
                busy += user + nice + system + irq + softirq
                steal += stolen
    return busy, steal


def process_ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # user and system, of all threads


class Sampler(threading.Thread):
    """Notes every 20 ms how much CPU has been used by whom, so that any span can be accounted for afterwards."""

    def __init__(self):
        super().__init__(daemon=True)
        self.programs = []
        self.system = []  # [(time, busy, steal)]
        self.start()

    def run(self):
        while True:
            self.sample()
            time.sleep(SAMPLE_SECONDS)

    def sample(self):
        now = time.time()
        self.system.append((now, *system_ticks()))
        for program in list(self.programs):
            try:
                program.history.append((now, process_ticks(program.pid)))
            except FileNotFoundError:
                self.programs.remove(program)  # it has ended

    @staticmethod
    def between(history, begin, end, column=1):
        """CPU seconds between two times, by straight lines between samples."""

        def at(when):
            i = min(max(bisect.bisect_left(history, (when,)), 1), len(history) - 1)
            before, after = history[i - 1], history[i]
            share = (when - before[0]) / (after[0] - before[0])
            return before[column] + share * (after[column] - before[column])

        return (at(end) - at(begin)) / TICKS

    def account(self, begin, end, calls, client, stub):
        """What a span came to, per call and as shares of it."""
        seconds = end - begin
        own, stubs = (self.between(p.history, begin, end) for p in (client, stub))
        cores = len({CLIENT_CORE, STUB_CORE})
        busy, steal = (self.between(self.system, begin, end, column) for column in (1, 2))
        return {
            "callsPerSecond": calls / seconds,
            "cpuMicros": own * 1e6 / calls,
            "clientBusy": own / seconds,
            "stubBusy": stubs / seconds,
            "othersBusy": max(0, busy - own - stubs) / seconds / cores,
            "steal": steal / seconds / cores,
        }


def status_of(pid):
    """{name: number} of /proc/PID/status; sizes in bytes."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, text = line.partition(":")
        words = text.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return found


def resident(pid):
    return status_of(pid)["VmRSS"]


def wake_ups(pid):
    """How often any of a process's threads has gone to sleep so far, and so has been woken."""
    return sum(status_of(f"{pid}/task/{task}")["voluntary_ctxt_switches"] for task in os.listdir(f"/proc/{pid}/task"))


def cpu_seconds(pid):
    """Of all threads, by the scheduler's own clock: exact, where ticks are not."""
    nanoseconds = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        nanoseconds += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return nanoseconds / 1e9


class Program:
    """A program that was started on a core; ends with the bench, by its process id."""

    def __init__(self, bench, core, command, **options):
        self.process = subprocess.Popen([str(word) for word in ["taskset", "-c", core, *command]], **options)
        self.pid = self.process.pid
        self.history = []  # [(time, ticks)]
        bench.programs.append(self)
        bench.sampler.programs.append(self)

    def end(self):
        """Gives its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Door:
    """Speaks JSON to one address."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=30)

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text)


class Stub(Program, Door):
    """tests/bench/stub.c"""

    def __init__(self, bench, binary, devices, options=()):
        cert, key = bench.folder / "cert.pem", bench.folder / "key.pem"
        make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        subprocess.run([*make.split(), "-out", cert, "-keyout", key], check=True, stderr=subprocess.DEVNULL)
        command = [binary, "--cert", cert, "--key", key, "--devices", devices, *options]
        Program.__init__(self, bench, STUB_CORE, command, stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if not said:
            raise Failed("the stub does not start")
        self.urls, self.cert = json.loads(said), cert
        self.connection_string = (
            "HostName=localhost;SharedAccessKeyName=service;SharedAccessKey=" + base64.b64encode(bytes(32)).decode()
        )
        Door.__init__(self, self.urls["http"].removeprefix("http://"))

    def stats(self):
        """What it was asked so far, and at: when."""
        stats = self.ask("GET", "/stats")
        stats["at"] = stats["atUs"] / 1e6
        return stats


class Service(Program, Door):
    """rollcalld on a database of its own, calling the stub, or another hub with a certificate and a connection string."""

    def __init__(self, bench, binary, stub, url, settings, environment=None, folder=None):
        self.folder = folder or tempfile.TemporaryDirectory(dir=bench.database_folder)
        self.database = pathlib.Path(self.folder.name) / "rollcall.db"
        log = pathlib.Path(self.folder.name) / "log"
        clean = {name: text for name, text in os.environ.items() if not name.startswith("ROLLCALL_")}
        environment = {**clean, "ROLLCALL_HUB_CONNECTION_STRING": stub.connection_string, **(environment or {})}
        flags = {"listen": "127.0.0.1:0", "database": self.database, "log-format": "json",
                 "hub-endpoint": url, "hub-ca-file": stub.cert, "hub-sku": "none", **settings}
        command = [binary] + [f"--{name}={value}" for name, value in flags.items()]
        with open(log, "w") as out:
            Program.__init__(self, bench, CLIENT_CORE, command, env=environment, stderr=out)
        began = time.time()
        while '"message":"started"' not in log.read_text():
            if self.process.poll() is not None:
                raise Failed(log.read_text())
            time.sleep(0.001)
        self.start_seconds = time.time() - began
        started = next(line for line in log.read_text().splitlines() if '"message":"started"' in line)
        Door.__init__(self, json.loads(started)["listen"])

    def end(self, keep=False):
        """keep: leaves the database, for another to go on with (folder)."""
        self.connection.close()
        status = super().end()
        if not keep:
            self.folder.cleanup()
        if status != 0:
            raise Failed(f"the service ended with status {status}")

    def create(self, spec):
        return self.ask("POST", "/v1/campaigns", spec)["id"]

    def wait(self, campaign, state, seconds=DEADLINE_SECONDS):
        """Waits until a campaign is in a state; gives it."""
        end = time.time() + seconds
        while True:
            row = self.ask("GET", f"/v1/campaigns/{campaign}")
            if row["state"] == state:
                return row
            if time.time() > end or row["state"] in ("failed", "cancelled"):
                raise Failed(f"the campaign is {row['state']}, not {state}: {row['stateReason']}, {row['counts']}")
            time.sleep(0.1)

    def finish(self, campaign):
        """Waits until it is on record that a campaign is over; gives when that was seen (within 5 ms or so)."""
        begin = time.time()
        while True:
            row = self.ask("GET", f"/v1/campaigns/{campaign}")
            now, counts = time.time(), row["counts"]
            if row["state"] in ("completed", "failed", "cancelled"):
                if row["state"] != "completed" or counts["succeeded"] != counts["total"]:
                    raise Failed(f"the campaign is {row['state']} with {counts}")
                return now, row
            if now - begin > DEADLINE_SECONDS:
                raise Failed(f"the campaign is not over after {DEADLINE_SECONDS} s: {counts}")
            left = (now - begin) * (counts["total"] - counts["succeeded"]) / max(counts["succeeded"], 1)
            time.sleep(max(0.004, min(0.2, left / 4)))


def azure_sdk(run, stub, what, devices, at_once, seconds):
    """One round of azure-iothub: calls, or devices whose rows it has read, as the stub counts them."""
    port = stub.urls["https"].rpartition(":")[2]
    command = ["node", HERE / "sdk.js", what, stub.connection_string, port, devices, at_once]
    client = Program(run, CLIENT_CORE, command, env={**os.environ, "NODE_EXTRA_CA_CERTS": str(stub.cert)})
    time.sleep(SDK_WARM_UP_SECONDS)
    begin = stub.stats()
    time.sleep(seconds)
    end = stub.stats()
    time.sleep(2 * SAMPLE_SECONDS)
    if client.process.poll() is not None:
        raise Failed("azure-iothub ended early")
    n = end["calls"] - begin["calls"] if what == "call" else (end["pages"] - begin["pages"]) * ROWS_A_PAGE
    result = run.sampler.account(begin["at"], end["at"], n, client, stub)
    client.end()
    return result


def instant(text):
    """The API's times in seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Bench:
    """One run: its sampler, its programs, its folder. Use by with."""

    def __init__(self, database_folder=None):
        os.sched_setaffinity(0, {STUB_CORE})
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of __exit__
        self.sampler, self.programs = Sampler(), []
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.database_folder = database_folder or tempfile.gettempdir()
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.database_folder], capture_output=True, text=True).stdout
        self.database_on = kind.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for program in self.programs:
            if program.process.poll() is None:
                Program.end(program)
        self.temporary.cleanup()


def quietly(subject, share):
    """A subject's result; again and again where others used more than this share of the cores."""
    result = subject()
    for _ in range(TRIES_MAX - 1):
        if result["othersBusy"] <= share:
            break
        result = subject()
    return result


def in_rounds(rounds, subjects, quiet=1):
    """Runs all subjects in every round, each time another one first. Gives [{subject: result}]."""
    results = []
    for number in range(rounds):
        first = number % len(subjects)
        order = list(subjects)[first:] + list(subjects)[:first]
        results.append({name: quietly(subjects[name], quiet) for name in order})
    return results


def summary(results, name, base, key):
    """Median of a figure, and of its ratio to base's in the same round, with the ratio's least and greatest."""
    ratios = [one[name][key] / one[base][key] for one in results]
    return {
        "median": statistics.median(one[name][key] for one in results),
        "ratio": statistics.median(ratios),
        "ratioMin": min(ratios),
        "ratioMax": max(ratios),
    }


def arguments(description):
    """A parser with what all benchmarks take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--service", action="append", default=[], metavar="[NAME=]PATH",
                        help="a rollcalld to measure, if not the one that is built; several are compared")
    parser.add_argument("--database-folder", help="where the databases are made; on a real disk, or fsync costs nothing")
    parser.add_argument("--build", metavar="FOLDER", help="where the programs are built already, if nothing is to be")
    parser.add_argument("--json", metavar="FILE", help="all figures")
    return parser


def use(options):
    """Takes the programs from where the options say."""
    global built
    built = pathlib.Path(options.build).resolve() if options.build else None


def services_of(options):
    """[(name, path)] of the services to measure: this tree's where none is named."""
    named = [tuple(one.split("=", 1)) if "=" in one else ("rollcalld", one) for one in options.service]
    return named or [("rollcalld", *build("server/rollcalld"))]


def write_json(options, name, figures):
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"bench": name, **figures}, indent=1))


def median(results, name, key):
    return statistics.median(one[name][key] for one in results)
