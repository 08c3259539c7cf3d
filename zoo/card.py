"""The model card."""

from __future__ import annotations

from zoo.folder import ModelInfo


def render_card(info: ModelInfo) -> str:
    """README.md of a model's folder."""
    return f"# {info.origin}\n"
