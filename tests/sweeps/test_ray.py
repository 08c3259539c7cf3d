"""Sweeps on a Ray cluster of two local nodes, started by Ray's own command."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small import processes, wait_for

from zoo.errors import ZooError
from zoo.sweeps.plan import load_plan
from zoo.sweeps.run import run_sweep
from zoo.sweeps.settings import Resources

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

EIGHT = """
metric = "neg_elbo"
seeds = [0, 1]
[overrides]
epochs = 4
[grid]
learning_rate = [0.001, 0.01]
"model.latent_dim" = [1, 3]
"""

WITH_ASHA = """
metric = "neg_elbo"
[overrides]
epochs = 9
[grid]
learning_rate = [0.01, 0.003, 1e-7, 1e-8]
[asha]
reduction = 2
"""

BOTH_ARE_THERE = """
import ray, sys, time
ray.init(sys.argv[1], log_to_driver=False)
while sum(node["Alive"] for node in ray.nodes()) < 2:
    time.sleep(0.2)
"""


class Node:
    """A Ray node on this machine, whose processes can all be ended together."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ray")),
                "start",
                *words,
                "--num-cpus=1",
                "--block",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        )

    def processes(self) -> dict[int, str]:
        """Command lines of all its processes, by their ids."""
        found = {self.process.pid: "ray start"}
        listed = processes()
        while more := {p: c for p, (up, c) in listed.items() if up in found and p not in found}:
            found |= more
        return found

    def kill(self) -> None:
        """As if its machine lost its power: nothing is left, and nothing could clean up."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def runs_a_trial(node: Node) -> bool:
    return any("zoo.sweeps.trial" in command for command in node.processes().values())


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def cluster() -> Iterator[tuple[str, Node]]:
    """Address of a cluster of two nodes, and its second node."""
    address = f"127.0.0.1:{free_port()}"
    nodes = [Node("--head", f"--port={address.partition(':')[2]}", "--include-dashboard=false")]
    try:
        host, _, port = address.partition(":")
        wait_for(lambda: socket.socket().connect_ex((host, int(port))) == 0)
        nodes.append(Node(f"--address={address}"))
        program = [sys.executable, "-c", BOTH_ARE_THERE, address]
        subprocess.run(program, capture_output=True, check=True, timeout=120)
        yield address, nodes[1]
    finally:
        for node in reversed(nodes):
            if node.process.poll() is None:
                node.kill()


def test_a_node_that_dies_in_the_middle_changes_no_byte(sweep_file, tmp_path, cluster):
    plan, (address, second) = load_plan(sweep_file(EIGHT)), cluster

    def pull_the_plug() -> None:
        wait_for(lambda: runs_a_trial(second))
        second.kill()

    plug = threading.Thread(target=pull_the_plug)
    ended: list[str] = []

    def say(line: str) -> None:
        ended.append(line)
        if not plug.ident:
            plug.start()  # one trial has ended; it waits for the second node's next one

    swept = run_sweep(plan, tmp_path / "cluster", ray=address, say=say)
    plug.join()
    assert second.process.returncode is not None
    assert [row["state"] for row in swept] == ["finished"] * 8
    run_sweep(plan, tmp_path / "here", say=ended.append)
    there, here = (tmp_path / name / "sweep.csv" for name in ("cluster", "here"))
    assert there.read_bytes() == here.read_bytes()


def test_asha_stops_the_worse_trials_and_the_others_have_the_same_bits(
    sweep_file, tmp_path, cluster
):
    plan = load_plan(sweep_file(WITH_ASHA))
    lines: list[str] = []
    swept = run_sweep(plan, tmp_path / "cluster", ray=cluster[0], say=lines.append)
    here = run_sweep(plan, tmp_path / "here", say=lines.append)
    assert "[asha] is for --ray: here every trial runs to its end." in lines
    states = [row["state"] for row in swept]
    assert set(states) == {"finished", "stopped"}
    assert states[3] == "stopped"
    for row, whole in zip(swept, here, strict=True):
        if row["state"] == "stopped":
            assert row["epochs"] < 9
            assert row["validation_loss"] > 0
            assert row["neg_elbo"] is None
        else:
            assert row == whole


def of(program: int) -> set[int]:
    """Ids of a process and of all that come from it."""
    found, listed = {program}, processes()
    while more := {pid for pid, (up, _) in listed.items() if up in found} - found:
        found |= more
    return found


def listening(pids: set[int]) -> set[str]:
    """Addresses on which these processes take connections."""
    import psutil

    connections = psutil.net_connections("tcp")
    return {c.laddr.ip for c in connections if c.pid in pids and c.status == psutil.CONN_LISTEN}


def test_auto_without_a_cluster_starts_one_that_listens_on_loopback_alone(sweep_file, tmp_path):
    file = sweep_file('metric = "neg_elbo"\n[overrides]\nepochs = 1')
    words = ["sweep", str(file), "--out", str(tmp_path / "out"), "--ray", "auto"]
    records = tempfile.mkdtemp()  # of clusters; tmp_path is too long for the names of its sockets
    env = {**os.environ, "HOME": str(tmp_path / "home"), "RAY_TMPDIR": records}
    sweep = subprocess.Popen(
        [sys.executable, "-m", "zoo", *words], stdout=-1, stderr=-1, text=True, env=env
    )
    seen: set[str] = set()
    while sweep.poll() is None:
        seen |= listening(of(sweep.pid))
        time.sleep(0.1)
    out, err = sweep.communicate()
    assert sweep.returncode == 0, err
    assert "No Ray cluster runs here: starting one on this machine alone" in err
    assert {address.removeprefix("::ffff:") for address in seen} == {"127.0.0.1"}
    assert "finished" in out
    assert not (tmp_path / "home/.ray").exists()
    shutil.rmtree(records, ignore_errors=True)


@pytest.mark.parametrize("text", [EIGHT, WITH_ASHA], ids=["tasks", "asha"])
def test_a_head_that_dies_is_a_sentence(sweep_file, tmp_path, text):
    address = f"127.0.0.1:{free_port()}"
    head = Node("--head", f"--port={address.partition(':')[2]}", "--include-dashboard=false")
    host, _, port = address.partition(":")
    wait_for(lambda: socket.socket().connect_ex((host, int(port))) == 0)
    text = re.sub(r"epochs = \d", "epochs = 100000", text)
    words = ["sweep", str(sweep_file(text)), "--out", str(tmp_path / "out"), "--ray", address]
    sweep = subprocess.Popen([sys.executable, "-m", "zoo", *words], stdout=-1, stderr=-1, text=True)
    try:
        wait_for(lambda: runs_a_trial(head) or sweep.poll() is not None, 300)
        head.kill()
        _, err = sweep.communicate(timeout=300)
    finally:
        sweep.kill()
        head.kill()
    assert sweep.returncode == 1
    assert "Error: The head of the Ray cluster" in err
    assert "rerun the same command to resume" in err
    assert "Traceback" not in err


def test_a_trial_takes_what_the_sweep_says():
    from zoo.sweeps.cluster import needs

    assert needs(Resources()) == {"num_cpus": 1, "num_gpus": 0}
    assert needs(Resources(device="cuda", threads=4)) == {"num_cpus": 4, "num_gpus": 1}


def test_nobody_listening_is_a_sentence_and_leaves_no_process(sweep_file, tmp_path):
    plan, address = load_plan(sweep_file(EIGHT)), f"127.0.0.1:{free_port()}"
    begun = time.monotonic()
    with pytest.raises(ZooError, match=f"No Ray cluster listens at '{address}'"):
        run_sweep(plan, tmp_path / "out", ray=address)
    assert time.monotonic() - begun < 30
    assert not any(address in command for _, command in processes().values())
    assert (tmp_path / "out/sweep.csv").read_text().count("waiting") == 8


def test_what_listens_and_is_no_cluster_is_a_sentence_and_leaves_no_process(sweep_file, tmp_path):
    plan = load_plan(sweep_file(EIGHT))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(ZooError, match="does not answer as a Ray cluster"):
            run_sweep(plan, tmp_path / "out", ray=address)
    assert not any(address in command for _, command in processes().values())


@pytest.mark.parametrize(
    "address", ["", "nowhere", "ray://127.0.0.1:10001", "127.0.0.1:99999", "a b:1"]
)
def test_what_is_no_address_is_a_sentence(sweep_file, tmp_path, address):
    with pytest.raises(ZooError, match="Ray cluster"):
        run_sweep(load_plan(sweep_file(EIGHT)), tmp_path / "out", ray=address)
