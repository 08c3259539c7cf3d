"""The card of a model's folder: its text, its front matter, its license, the papers it cites."""

FIGURES = "figures"
"""The folder of a card's pictures, next to it."""
MARKER = "<!-- written by autoencoder-zoo"
"""Marks a card written by the zoo. A card without it is its author's, and is never changed."""
