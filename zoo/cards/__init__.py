"""The card of a model's folder: its text, its front matter, its license, the papers it cites."""

FIGURES = "figures"
"""The folder of a card's pictures, beside it."""
MARKER = "<!-- written by autoencoder-zoo"
"""Marks a card that the zoo wrote. One without it is its author's, and left alone."""
