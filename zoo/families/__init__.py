"""The built-in families. A new one is a folder here and one line in this list. No torch here."""

from __future__ import annotations

from zoo.families import ae, diffusers, hierarchical_vae, vae, vq_vae
from zoo.families.rows import Preset, Row

ROWS: tuple[Row | Preset, ...] = (
    *ae.ROWS,
    *vae.ROWS,
    *hierarchical_vae.ROWS,
    *vq_vae.ROWS,
    *diffusers.ROWS,
)
