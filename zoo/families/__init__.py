"""The built-in families. A new one is a folder here and its name in this list. No torch here."""

from __future__ import annotations

from importlib import import_module

from zoo.families.rows import Preset, Row

FOLDERS = ("ae", "vae", "hierarchical_vae", "vq_vae", "unet", "diffusers")
ROWS: tuple[Row | Preset, ...] = tuple(
    row for folder in FOLDERS for row in import_module(f"zoo.families.{folder}").ROWS
)
