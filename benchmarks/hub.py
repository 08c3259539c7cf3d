"""What fetching and pushing cost: requests, bytes and seconds, beside the Hub's own client.

    python benchmarks/hub.py [--pairs N] [--megabytes N]

A loopback Hub, the tests' own, counts every request and the bytes of every body. The same folder
goes through `zoo.load`, `zoo.pull` and `zoo.push`, and through `snapshot_download` and
`upload_folder`, which check no content. Each call is a process of its own with the cache that its
row names. Seconds are of a cold pull of one large model: ratios of pairs taken in turn.

It takes two minutes. Expect no row in which the zoo needs more requests, but for the push that
makes its repo, which asks first whether it is there; and less than 1.3 times the seconds.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from comparison import Comparison, median_ratio, print_comparisons, print_setting, print_table

import zoo
from zoo.registry import published

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "hub"))
from loopback import LoopbackHub
from processes import Client

MODEL = "vae-mnist-20"
REPO = "acme/vae"
TOKEN = "hf_benchmark"
FETCH = "zoo.load('acme/vae', revision=revision)"
PULL = "zoo.pull('acme/vae', revision=revision)"
CLIENT_TWO = (
    "huggingface_hub.snapshot_download('acme/vae', revision=revision, "
    "allow_patterns=['config.json', 'model.safetensors'])"
)
CLIENT_ALL = "huggingface_hub.snapshot_download('acme/vae', revision=revision)"
PUSH = "zoo.push(folder, repo)"
UPLOAD = "huggingface_hub.upload_folder(repo_id=repo, folder_path=folder)"
CREATE = "huggingface_hub.create_repo(repo, exist_ok=True); "
NEW_REPO = "push, to a repo that is not there"
"""It asks whether the repo is there before it makes one: one request more than the client."""


@dataclass(frozen=True)
class Cost:
    """What one call cost."""

    requests: int
    bytes: int
    """Of all bodies, both ways."""
    seconds: float


class Bench:
    """A Hub that holds the model, and a user of it."""

    def __init__(self, hub: LoopbackHub, client: Client, folder: Path) -> None:
        self.hub, self.client, self.folder = hub, client, folder
        hub.add_token(TOKEN, user="alice", orgs={"acme": "write"})
        hub.create(REPO)
        paths = (path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        hub.commit(REPO, files)
        hub.tag(REPO, "v1")

    def cost(self, code: str, **variables: str | None) -> Cost:
        """Of one call in a process of its own. Exits if it fails."""
        self.hub.forget()
        done = self.client.run(code, env={"HF_TOKEN": TOKEN}, args=variables, timeout=300)
        if done.returncode:
            sys.exit(done.err)
        moved = sum(r.bytes_sent + r.bytes_received for r in self.hub.requests)
        return Cost(len(self.hub.requests), moved, done.seconds)

    def empty_cache(self) -> None:
        shutil.rmtree(self.client.home / "hub", ignore_errors=True)


def main() -> None:
    """Counts, then times, and prints both tables."""
    options = _options()
    print_setting()
    with tempfile.TemporaryDirectory() as scratch, LoopbackHub() as hub:
        client = Client(hub.url, Path(scratch) / "home")
        try:
            met = count(Bench(hub, client, published.line(MODEL).folder))
            hub.reset()
            large = _large_model(Path(scratch) / "large", options.megabytes)
            met &= time_pulls(Bench(hub, client, large), options.pairs)
        finally:
            client.close()
    sys.exit(0 if met else 1)


def count(bench: Bench) -> bool:
    """Requests and bytes of every way to fetch and to push. Whether the zoo needs no more."""
    sha = bench.hub.head(REPO)
    rows: list[tuple[str, Cost, Cost]] = []

    def compare(what: str, ours: str, theirs: str, before: Callable[[], object], **values) -> None:
        costs = []
        for code in (ours, theirs):
            before()
            costs.append(bench.cost(code, **values))
        rows.append((what, *costs))

    cold, at_main = bench.empty_cache, {"revision": None}
    compare("load, cold: config and weights", FETCH, CLIENT_TWO, cold, **at_main)
    compare("pull, cold: all files", PULL, CLIENT_ALL, cold, **at_main)
    for what, revision in (("a branch", None), ("a tag", "v1"), ("a commit", sha)):
        for code in (FETCH, CLIENT_TWO):  # each with what it fetched itself
            bench.cost(code, revision=revision)
        compare(f"load, warm at {what}", FETCH, CLIENT_TWO, lambda: None, revision=revision)
    folder = str(bench.folder)
    _count_pushes(bench, compare, folder)
    print_table(
        ("requests and kB of bodies", "zoo", "client", "zoo kB", "client kB", ""),
        [
            (
                what,
                str(ours.requests),
                str(theirs.requests),
                f"{ours.bytes / 1000:,.0f}",
                f"{theirs.bytes / 1000:,.0f}",
                _verdict(ours, theirs),
            )
            for what, ours, theirs in rows
        ],
    )
    return all(_verdict(ours, theirs) == "pass" for what, ours, theirs in rows if what != NEW_REPO)


def _verdict(ours: Cost, theirs: Cost) -> str:
    more = ours.requests - theirs.requests
    return "pass" if more <= 0 else f"{more} more"


def _count_pushes(bench: Bench, compare: Callable[..., None], folder: str) -> None:
    hub = bench.hub

    def no_repo() -> None:
        if "acme/push" in hub.repos:
            hub.delete("acme/push")

    def empty_repo() -> None:
        no_repo()
        hub.create("acme/push")

    pushing = {"folder": folder, "repo": "acme/push"}
    compare("push, to an empty repo", PUSH, UPLOAD, empty_repo, **pushing)
    compare("push, the same again", PUSH, UPLOAD, lambda: bench.cost(PUSH, **pushing), **pushing)
    compare(NEW_REPO, PUSH, CREATE + UPLOAD, no_repo, **pushing)


def time_pulls(bench: Bench, pairs: int) -> bool:
    """Seconds of a cold pull, hashed, beside the client's, which is not."""
    arms: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs + 1):
        for code, arm in zip((PULL, CLIENT_ALL), arms, strict=True):
            bench.empty_cache()
            seconds = bench.cost(code, revision=None).seconds
            if number:  # the first of each warms the files up
                arm.append(seconds)
    size = sum(path.stat().st_size for path in bench.folder.rglob("*") if path.is_file())
    print_table(
        (f"cold, {size / 1e6:.0f} MB, seconds", "least", "all"),
        [
            (name, f"{min(arm):.2f}", " ".join(f"{one:.2f}" for one in arm))
            for name, arm in zip(("zoo.pull", "snapshot_download"), arms, strict=True)
        ],
    )
    one = Comparison("zoo.pull / snapshot_download, cold", median_ratio(*arms), "x", 1.3)
    print_comparisons([one])
    return one.met


def _large_model(target: Path, megabytes: int) -> Path:
    """The folder of an untrained model of about that size."""
    width = int((megabytes * 1e6 / 4 / 2 + 1000**2 / 4) ** 0.5)
    body = {"kind": "mlp", "hidden": [width, width - 784]}
    zoo.save(zoo.build("ae", input_shape=(1, 28, 28), latent_dim=8, body=body, seed=0), target)
    return target


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=7, help="cold pulls of each kind")
    parser.add_argument(
        "--megabytes", type=int, default=100, help="size of the model that is timed"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
