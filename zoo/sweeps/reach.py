"""Which Ray cluster an address names. A process of its own tries it: no Ray is imported here."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import socket
import subprocess
import sys

from zoo.errors import ZooError

LISTEN_SECONDS, ANSWER_SECONDS, LOOK_SECONDS = 5.0, 25.0, 60.0
"""How long a cluster may take to accept a connection, and then a program; and Ray to find none here."""
NONE_HERE = 3
"""The program's exit code where `auto` finds no cluster."""
PROGRAM = f"""
import sys, ray
try:
    ray.init(sys.argv[1], log_to_driver=False)
except ConnectionError as none:
    if sys.argv[1] == "auto" and "not find any running Ray" in str(none):
        sys.exit({NONE_HERE})
    raise
"""
HELP = "`ray start --head` starts one, and prints its address."


def find_cluster(address: str) -> str | None:
    """The address, if a Ray cluster answers there; None where `auto` finds none on this machine.

    Ray itself tries for minutes, and can abort the program: so another process tries first.

    Args:
        address: `host:port` of a cluster's head, or `auto`: the one in RAY_ADDRESS, else the one that
            `ray start` started on this machine.

    Raises:
        ZooError: where Ray is not installed, where no cluster answers, or one of other versions. No
            process is left.
    """
    if importlib.util.find_spec("ray") is None:
        raise ZooError(
            "--ray needs Ray, which is not installed here: pip install 'autoencoder-zoo[ray]'"
        )
    if address != "auto":
        _check_listens(address)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(
            timeout=LOOK_SECONDS if address == "auto" else ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired as late:
        if b"AuthToken" in (late.stderr or b""):
            raise ZooError(
                f"The Ray cluster at {address!r} expects its token: set RAY_AUTH_MODE=token, and have "
                "the token in ~/.ray/auth_token, or in RAY_AUTH_TOKEN."
            ) from None
        if address == "auto":
            raise ZooError(
                "Ray has a cluster on record here that does not answer: `ray stop` forgets it."
            ) from None
        raise ZooError(
            f"What listens at {address!r} does not answer as a Ray cluster. {HELP}"
        ) from None
    finally:
        if process.poll() is None:
            _end_session(process)
    if process.returncode == NONE_HERE:
        return None
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise ZooError(f"No Ray cluster at {address!r}: {last[0][:300]}. {HELP}")
    return address


def _check_listens(address: str) -> None:
    found = re.fullmatch(r"([^/\s]+):(\d{1,5})", address)
    if found is None:
        raise ZooError(
            f"--ray is HOST:PORT of a Ray cluster's head, or auto; got {address!r}. {HELP}"
        )
    try:
        socket.create_connection((found[1], int(found[2])), LISTEN_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as refusal:
        why = getattr(refusal, "strerror", None) or refusal
        raise ZooError(f"No Ray cluster listens at {address!r}: {why}. {HELP}") from None


def _end_session(process: subprocess.Popen[bytes]) -> None:
    import signal

    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def keep_to_loopback() -> None:
    """Sets this process's environment so that a Ray started from it, in it, is this process's alone.

    Call it before Ray is imported. Without it, all of Ray's processes listen on every address of the
    machine: `ray.init` takes no address on loopback. Newer Rays also expect a token, which is in the
    environment here, so that none is written to the home folder.
    """
    os.environ.update(
        {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # a Ray of one machine, on any system
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
    )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
