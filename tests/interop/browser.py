"""A tab of a browser: ``clients/page.mjs`` as a process that does what it is told."""

import contextlib
import json
import subprocess

from tests.motoko import ENVIRONMENT, INTEROP, require_npm_packages


class Tab:
    """Each verb comes back with what is seen once everything has been answered."""

    def __init__(self, process):
        self._process = process

    def open(self, url):
        return self._do("open", url=url)

    def reload(self):
        return self._do("reload")

    def go(self, fragment):
        return self._do("go", fragment=fragment)

    def press(self, name):
        return self._do("press", name=name)

    def follow(self, name):
        return self._do("follow", name=name)

    def type(self, label, text):
        return self._do("type", label=label, text=text)

    def escape(self):
        return self._do("escape")

    def look(self):
        """Come back to the tab, so that it looks again at once."""
        return self._do("look")

    def see(self):
        return self._do("see")

    def judge(self):
        """What axe finds wrong, and which of its rules were met."""
        return self._do("judge")

    def _do(self, task, **rest):
        self._process.stdin.write(json.dumps({"task": task, **rest}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        answer = json.loads(line)
        assert "failed" not in answer, answer["failed"]
        return answer


@contextlib.contextmanager
def browser_tab():
    require_npm_packages()
    with subprocess.Popen(
        ["node", "--experimental-vm-modules", "--no-warnings", "clients/page.mjs"],
        cwd=INTEROP,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield Tab(process)
        process.stdin.close()
