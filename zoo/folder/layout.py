"""A model's folder: the closed list of its files, and how large each may be.

    config.json         family, Spec, the weights' sha256, who provides the family
    model.safetensors   the weights
    README.md           the model card
    recipe.toml         the recipe as it was resolved and run
    metrics.json        what was measured
    figures/*.png       reconstructions, samples, traversals

In a folder that diffusers wrote, config.json and its weights (`zoo.families.diffusers.format`) are all that is read.
Everything else in such a folder or repo is not the zoo's: never read, changed, fetched, pushed or deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from zoo.cards import FIGURES
from zoo.families.diffusers import format as foreign

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
RECIPE, METRICS = "recipe.toml", "metrics.json"
TEXTS = (CONFIG, CARD, RECIPE, METRICS)
MAX_CONFIG_BYTES, MAX_TEXT_BYTES, MAX_FIGURE_BYTES = 64_000, 1_000_000, 16 * 2**20

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".ckpt")
NO_PICKLES = "Pickle files can run code, so zoo never opens them. Ask the author for safetensors."

_FIGURE = re.compile(r"figures/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.png")


def belongs(name: str) -> bool:
    """Whether a file of that name, relative to the folder, is on the closed list."""
    return name in TEXTS or name == WEIGHTS or _FIGURE.fullmatch(name) is not None


def weights_of(names: Collection[str], folder: Path) -> list[str]:
    """Which of a folder's files are its weights: model.safetensors, else diffusers', else none."""
    return [WEIGHTS] if WEIGHTS in names else foreign.weights_among(names, folder)


def limit_of(name: str) -> int | None:
    """Most bytes that a file on the list may have; None for the weights, whose Spec says it."""
    if name == WEIGHTS or foreign.WEIGHTS.fullmatch(name):
        return None
    if foreign.INDEX.fullmatch(name):
        return foreign.MAX_INDEX_BYTES
    if name in TEXTS:
        return MAX_CONFIG_BYTES if name == CONFIG else MAX_TEXT_BYTES
    return MAX_FIGURE_BYTES


def lacking(folder: Path) -> str:
    """The first file that a complete folder has and this one lacks, or "". Its card names the pictures."""
    for name in (CONFIG, WEIGHTS, CARD):
        if not os.path.exists(folder / name):
            return name
    card = (folder / CARD).read_text(encoding="utf-8", errors="replace")
    shown = re.findall(rf"\]\(({_FIGURE.pattern})\)", card)
    return next((name for name in shown if not os.path.exists(folder / name)), "")


def files_of(folder: Path) -> list[str]:
    """Names of the files in a folder that are on the list, links among them."""
    names = [name for name in (*TEXTS, WEIGHTS) if os.path.lexists(folder / name)]
    if WEIGHTS not in names and os.path.isdir(folder):
        names += foreign.weights_among(os.listdir(folder), folder)
    try:
        pictures = sorted(os.listdir(folder / FIGURES))
    except OSError:
        pictures = []
    return names + [name for p in pictures if belongs(name := f"{FIGURES}/{p}")]
