"""The table of `peers.py` as Markdown: pure text from what was measured."""

from __future__ import annotations

import math
import re
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comparison import median_ratio

from arms import ATTEMPTED, BARE, LOADED, OWN, PYTHAE, TRAINED, TUTORIAL, UNCHECKED, ZOO
from arms.arm import BATCH, RATE, SAMPLES, SEED
from arms.bench import Measured
from arms.plain import PlainVAE
from arms.watch import STEPS_PER_TURN

CALLED = {
    TUTORIAL: "tutorial's loop",
    BARE: "bare loop",
    PYTHAE: "pythae",
    ZOO: "zoo",
    OWN: "zoo, its own recipe",
}
LOADERS = {
    ZOO: "`zoo.load`",
    PYTHAE: "pythae, `AutoModel.load_from_folder`",
    BARE: "`torch.load(weights_only=True)`",
    UNCHECKED: "`torch.load(weights_only=False)`",
}
LONGEST = 160
"""Characters of an error that are quoted."""
COLORS = re.compile(r"\x1b\[[0-9;]*m")
"""What a terminal takes for colors."""


@dataclass(frozen=True)
class Setting:
    """What the numbers were taken on, and how."""

    arguments: Sequence[str]
    """Of the command."""
    images: int
    """That were trained on."""
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    """Of the peers' environment, by distribution."""
    zoo_versions: Mapping[str, str]
    differences: Mapping[str, object]
    """Settings of the zoo's own recipe that are not those of the matched one."""


def report(measured: Measured, setting: Setting) -> str:
    """The whole page."""
    command = shlex.join(["python", "benchmarks/peers.py", *setting.arguments])
    parts = [
        "# The zoo beside its peers",
        f"Written by `{command}`; every number is of that one run, in one thread. Nats per image: lower is "
        "better.",
        *_training(measured),
        *_bounds(measured),
        *_loading(measured),
        *_attempts(measured),
        *_how(setting),
    ]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers or text."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def outcome(attempt: Mapping[str, Any] | None, setting: str | None = None) -> str:
    """What came of one attempt, in a few words; None is one that there is nothing to make on."""
    if attempt is None:
        return "-"
    ran = "**the code ran**, then " if attempt["ran"] else ""
    if "error" in attempt:
        return f"{ran}refused: {_quoted(attempt['error'])}"
    said = [f"{ran}loaded{'' if attempt['warned'] else ' without a word'}"]
    changed = attempt["weights"]
    if changed:
        before, after = changed[0]
        many = f"{len(changed)} weight{'s' * (len(changed) > 1)}"
        said.append(f"{many} changed, {before:.3g} to {after:.3g}")
    elif not attempt["ran"]:
        said.append("all weights right")
    if setting is not None:
        said.append(f"`{setting}` is {attempt['setting']!r}")
    if attempt["warned"]:
        said.append(f"it said: {_quoted(attempt['warned'])}")
    return "; ".join(said)


def _training(measured: Measured) -> list[str]:
    arms = measured.training
    epochs = [look["epoch"] for look in arms[ZOO].looks]
    after = [f"nats after {n} epoch{'s' * (n > 1)}" for n in epochs]
    columns = ("", "images a second", "times pythae's", *after, "by its own count", "peak memory")
    rows = []
    for name in TRAINED:
        looks = arms[name].looks
        rows.append(
            (
                CALLED[name],
                f"{statistics.median(arms[name].rates[1:]):,.0f}",
                f"{median_ratio(arms[name].rates[1:], arms[PYTHAE].rates[1:]):.2f}",
                *(f"{look['nats']:.2f}" for look in looks),
                f"{looks[-1]['own']:.2f}",
                _megabytes(looks[-1]["memory"]),
            )
        )
    ratios = [
        f"{CALLED[name]} / {CALLED[other]} {median_ratio(arms[name].rates[1:], arms[other].rates[1:]):.2f}"
        for name in (ZOO, OWN)
        for other in (TUTORIAL, PYTHAE, BARE)
    ]
    errors = [look["se"] for arm in arms.values() for look in arm.looks]
    return [
        "## Training",
        table(columns, rows),
        f"Ratios of speed: {'; '.join(ratios)}.",
        "Nats are BCE + KL of the 10,000 gray test images at one posterior draw each, which one function "
        f"measures for all (standard error {min(errors):.2f} to {max(errors):.2f}, most of it shared: the images "
        'and draws are the same). "By its own count" is what each library or loop says of its last weights, with '
        "its own draws: the mean over images, for pythae the mean over its batches. One training each: another "
        "seed gives other digits.",
    ]


def _bounds(measured: Measured) -> list[str]:
    bounds = measured.bounds
    rows = []
    for name in LOADED:
        nats, seconds = bounds[name]["nats"], bounds[name]["seconds"][1:]
        error = statistics.stdev(nats) / math.sqrt(len(nats))
        rows.append(
            (
                CALLED[name],
                f"{1000 * statistics.median(seconds):.1f}",
                f"{median_ratio(seconds, bounds[ZOO]['seconds'][1:]):.2f}",
                f"{statistics.mean(nats):.3f} ± {error:.2f}",
                _megabytes(bounds[name]["memory"]),
            )
        )
    columns = ("", "ms an image", "times the zoo's", "nats", "peak memory")
    images = len(bounds[ZOO]["nats"])
    return [
        f"## The importance-weighted bound, K = {SAMPLES:,}",
        table(columns, rows),
        f"On the first {images:,} test images, binarized once for all, with the same weights: those of the bare "
        "loop. Nats are minus the bound; torch's generator has the same seed before each. pythae is asked by `get_nll`, in its default "
        "batches; the tutorial has no such bound.",
    ]


def _loading(measured: Measured) -> list[str]:
    rows = []
    for name in LOADED:
        seconds = measured.loading[name]
        rows.append(
            (
                LOADERS[name],
                f"{1000 * statistics.median(seconds['warm']):.1f}",
                f"{median_ratio(seconds['warm'], measured.loading[ZOO]['warm']):.2f}",
                f"{statistics.median(seconds['load-once']):.2f}",
                f"{statistics.median(seconds['start']):.2f}",
                _megabytes(measured.imports[name]),
            )
        )
    columns = (
        "",
        "ms, warm",
        "times the zoo's",
        "s, a fresh process",
        "of that, Python and torch",
        "memory after import",
    )
    return ["## Loading a trained model", table(columns, rows)]


def _attempts(measured: Measured) -> list[str]:
    from arms.damage import LAYOUTS

    rows = []
    for what, attempts in measured.attempts.items():
        misspelled = "misspelled" in what
        cells = [
            outcome(attempts.get(name), LAYOUTS[name].setting if misspelled else None)
            for name in ATTEMPTED
        ]
        rows.append((what, *cells))
    return [
        "## What loading lets pass",
        "Done to copies of the folders that each library saved, and each loaded in a process of its own. The "
        "code of the pickles makes an empty file, which was looked for. pythae saves a network of one's own, as "
        "this one is, as pickles.",
        table(("", *LOADERS.values()), rows),
    ]


def _how(setting: Setting) -> list[str]:
    differences = ", ".join(f"`{key} = {value!r}`" for key, value in setting.differences.items())
    parameters = sum(weights.numel() for weights in PlainVAE().parameters())
    machine = [(key, value) for key, value in setting.machine.items()]
    shown = ("python", "torch", "torchvision", "numpy", "pydantic", "pythae", "autoencoder-zoo")
    versions = [
        (name, setting.zoo_versions.get(name, "-"), setting.versions.get(name, "-"))
        for name in shown
    ]
    return [
        "## How",
        f"784-512-256-20 with ReLU, {parameters:,} parameters; Adam at {RATE:g}, batches of {BATCH}, float32; "
        f"{setting.images:,} gray training images of MNIST; seed {SEED}. All start from the same weights, but for the "
        "zoo's own recipe where it sets the output's bias. Each arm is a process of its own. They train in turns of "
        f"{STEPS_PER_TURN} steps, load in turns of some loads and bound in turns of an image; the first turn "
        "is not counted. Ratios are medians over the turns. All is timed in the processor's time but for fresh "
        "processes, which are timed by the clock. Memory is the most that was resident, of a whole process; that "
        "of training before the first look at the model.",
        "The zoo trains by the loop of `zoo.train` with every setting of the training at its default, and with "
        "`log_variance_bound = 'off'`: the same function and objective as the others, without averaging. "
        f"Its own recipe differs in {differences or 'nothing'}.",
        table(("machine", ""), machine),
        table(("versions", "the zoo's", "the peers'"), versions),
    ]


def _megabytes(size: float | None) -> str:
    return "not measured" if size is None else f"{size / 1e6:,.0f} MB"


def _quoted(text: str) -> str:
    """The beginning of what was said, on one line."""
    line = " ".join(COLORS.sub("", text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rsplit(' ', 1)[0]} ..."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
