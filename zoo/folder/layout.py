"""A model's folder: the closed list of its files, and their maximum sizes.

    config.json         family, Spec, sha256 of the weights, package that provides the family
    model.safetensors   the weights
    README.md           the model card
    recipe.toml         the resolved recipe of its training
    metrics.json        metrics and how they were measured
    figures/*.png       reconstructions, samples, traversals
    detector.json       of a detector alone: its score and its calibration

In a folder written by diffusers, only config.json and the weights (`zoo.families.diffusers.format`) are read.
Any other file in a folder or repo is not the zoo's: never read, changed, fetched, pushed or deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from zoo.cards import FIGURES
from zoo.families.diffusers import format as foreign

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
RECIPE, METRICS, DETECTOR = "recipe.toml", "metrics.json", "detector.json"
TEXTS = (CONFIG, CARD, RECIPE, METRICS)
MAX_CONFIG_BYTES, MAX_TEXT_BYTES, MAX_FIGURE_BYTES = 64_000, 1_000_000, 16 * 2**20
MAX_DETECTOR_BYTES = 16 * 2**20

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")
NO_PICKLES = "Pickle files can run code, so zoo never opens them. Ask the author for safetensors."

_FIGURE = re.compile(r"figures/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.png")


def belongs(name: str) -> bool:
    """Whether a file of that name, relative to the folder, is on the closed list."""
    return name in (*TEXTS, WEIGHTS, DETECTOR) or _FIGURE.fullmatch(name) is not None


def weights_of(names: Collection[str], folder: Path) -> list[str]:
    """Which of a folder's files are its weights: model.safetensors, else diffusers', else none."""
    return [WEIGHTS] if WEIGHTS in names else foreign.weights_among(names, folder)


def limit_of(name: str) -> int | None:
    """Maximum size in bytes of a listed file; None for weights, whose size follows from the Spec."""
    if name == WEIGHTS or foreign.WEIGHTS.fullmatch(name):
        return None
    if foreign.INDEX.fullmatch(name):
        return foreign.MAX_INDEX_BYTES
    if name in TEXTS:
        return MAX_CONFIG_BYTES if name == CONFIG else MAX_TEXT_BYTES
    return MAX_DETECTOR_BYTES if name == DETECTOR else MAX_FIGURE_BYTES


def lacking(folder: Path) -> str:
    """The first file missing from a folder, pictures on its card included, or "" if it is complete."""
    for name in (CONFIG, WEIGHTS, CARD):
        if not os.path.exists(folder / name):
            return name
    card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
    shown = re.findall(rf"\]\(({_FIGURE.pattern})\)", card)
    return next((name for name in shown if not os.path.exists(folder / name)), "")


def files_of(folder: Path) -> list[str]:
    """Names of the listed files in a folder, including links."""
    names = [name for name in (*TEXTS, WEIGHTS, DETECTOR) if os.path.lexists(folder / name)]
    if WEIGHTS not in names and os.path.isdir(folder):
        names += foreign.weights_among(os.listdir(folder), folder)
    try:
        pictures = sorted(os.listdir(folder / FIGURES))
    except OSError:
        pictures = []
    return names + [name for p in pictures if belongs(name := f"{FIGURES}/{p}")]
