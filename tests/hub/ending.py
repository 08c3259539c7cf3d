"""What a user gets from one call of the zoo: a value, or a ZooError, and what was printed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from processes import Client, Done

REPO = "acme/vae"
"""Where the tests push to."""
COMMIT = f"^/api/models/{REPO}/commit/main"
"""The path of the request that makes a commit there."""

CODE = """
import json
import os
try:
    value = eval(expression)
    print("VALUE " + json.dumps(str(value)))
except zoo.ZooError as error:
    kinds = [cls.__name__ for cls in type(error).__mro__]
    print("ERROR " + json.dumps([kinds, str(error)]))
"""

FINGERPRINT = (
    "(lambda m: m.info.origin + ' ' + "
    "__import__('hashlib').sha256(m.sample(4, seed=1).numpy().tobytes()).hexdigest())"
)
"""Of a model: where it came from, and bits that its weights decide."""


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    value: str | None
    errors: tuple[str, ...]
    """Names of the error's class and its parents."""
    message: str
    err: str
    """What was printed on standard error meanwhile."""
    seconds: float

    def says(self, kind: str, *parts: str) -> bool:
        """Whether it is an error of that kind whose message has all these parts."""
        assert kind in self.errors, (self.errors, self.message, self.value)
        for part in parts:
            assert part in self.message, self.message
        return True


def attempt(client: Client, expression: str, **options) -> Outcome:
    """Evaluates an expression in a process of its own. Anything but a ZooError is a failure."""
    done = client.run(CODE, args={"expression": expression}, **options)
    return _read(done)


def load(client: Client, source: str, options: str = "", **more) -> Outcome:
    """`zoo.load`, and the fingerprint of what it gave."""
    return attempt(client, f"{FINGERPRINT}(zoo.load({source!r}, {options}))", **more)


def push(client: Client, folder: object, repo: str = REPO, options: str = "", **more) -> Outcome:
    """`zoo.push`, and the fields of what it gave."""
    return attempt(client, f"vars(zoo.push({str(folder)!r}, {repo!r}, {options}))", **more)


def pushed(outcome: Outcome) -> dict:
    assert outcome.value is not None, outcome.message
    return eval(outcome.value)


def bits(value: str | None) -> str:
    assert value is not None
    return value.split()[1]


def blob(client, repo: str, name: str) -> Path:
    """The content of a cached file."""
    folder = client.home / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots"
    [path] = folder.glob(f"*/{name}")
    return Path(os.path.realpath(path))


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.chmod(0o644)
    path.write_bytes(data)


def paths(hub) -> list[tuple[str, str]]:
    return [(request.method, request.path.split("?")[0]) for request in hub.requests]


def _read(done: Done) -> Outcome:
    assert done.returncode == 0, f"not a ZooError:\n{done.out}\n{done.err}"
    line = done.out.strip().splitlines()[-1]
    kind, _, text = line.partition(" ")
    said = json.loads(text)
    if kind == "VALUE":
        return Outcome(said, (), "", done.err, done.seconds)
    return Outcome(None, tuple(said[0]), said[1], done.err, done.seconds)
