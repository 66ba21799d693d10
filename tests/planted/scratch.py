"""tests/planted: a copy of the tree in which one text is changed at a time, and its own build of what the tests need.

What is changed is put back before the next change, so that each is tried alone. Nothing outside the copy is written."""

import json
import os
import re
import resource
import shutil
import subprocess

WALL_PER_CPU = 10


class Scratch:
    """root: the tree; folder: where the copy and its build are, kept from one run to the next."""

    def __init__(self, root, folder):
        self.source = os.path.join(folder, "source")
        self.build = os.path.join(folder, "build")
        self._copy(root)
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            subprocess.run(["meson", "setup", self.build, self.source, "-Dbuildtype=debug", "-Dwerror=false"],
                           check=True, stdout=subprocess.DEVNULL)
        # Of an earlier run, it may not know of the tests there are by now.
        subprocess.run(["ninja", "-C", self.build, "build.ninja"], check=True, stdout=subprocess.DEVNULL)
        self.tests = {}
        told = subprocess.run(["meson", "introspect", "--tests", self.build], check=True, capture_output=True)
        for test in json.loads(told.stdout):
            self.tests[test["name"]] = test

    def _copy(self, root):
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True,
                                capture_output=True, text=True).stdout.split("\n")
        wanted = {name for name in listed if name and os.path.exists(os.path.join(root, name))}
        for folder, _, names in os.walk(self.source):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.relpath(path, self.source) not in wanted:
                    os.unlink(path)
        for name in wanted:
            self._copy_one(os.path.join(root, name), os.path.join(self.source, name))

    @staticmethod
    def _copy_one(old, new):
        """Only what differs, so that only that is built again."""
        with open(old, "rb") as f:
            text = f.read()
        if os.path.exists(new):
            with open(new, "rb") as f:
                if f.read() == text:
                    return
        os.makedirs(os.path.dirname(new), exist_ok=True)
        shutil.copy(old, new)

    def read(self, path):
        with open(os.path.join(self.source, path), encoding="utf-8") as f:
            return f.read()

    def write(self, path, text):
        with open(os.path.join(self.source, path), "w", encoding="utf-8") as f:
            f.write(text)

    def make(self, names):
        """Builds what these tests need; gives "" or what the compiler said."""
        targets = set()
        for name in names:
            for part in self.tests[name]["cmd"]:
                path = part if os.path.isabs(part) else os.path.join(self.build, part)
                inside = os.path.relpath(path, self.build)
                if not inside.startswith("..") and not os.path.isdir(path):
                    targets.add(inside)
            if any("e2e" in suite for suite in self.tests[name]["suite"]):
                targets |= {"server/rollcalld", "tests/hubsim/hubsim", "api/cli/rollcall"}
        targets = {t for t in targets if re.search(r"/", t)}
        done = subprocess.run(["ninja", "-C", self.build, *sorted(targets)], capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stdout[-2000:]

    def fails(self, name, seconds):
        """Whether the test fails: it says so, dies, or takes more CPU time. A machine that has other things to do must not
        notice a change in its stead: the clock on the wall has the last word only much later."""
        test = self.tests[name]
        env = dict(os.environ, CK_TIMEOUT_MULTIPLIER="5", ROLLCALL_TEST_LONG="false", **test["env"])
        env.setdefault("ROLLCALL_SEEDS", "40")
        env.pop("ROLLCALL_TEST_RESULTS", None)
        cwd = test["workdir"] or self.build

        def bound():
            """Check puts each test into a process group of its own: one that loops would outlive the program."""
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

        with subprocess.Popen(test["cmd"], env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True, preexec_fn=bound) as child:
            try:
                return child.wait(timeout=WALL_PER_CPU * seconds) != 0
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, 9)
                child.wait()
                return True
