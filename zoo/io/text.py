"""Escaping of untrusted text, and formatting of numbers."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with all nonprintable characters except newlines escaped."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def number(value: float | int | None, error: float | None = None) -> str:
    """A measured number, rounded according to its standard error; a dash for None."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if error is None or error <= 0:
        return f"{value:.4g}"
    digits = max(0, min(6, 1 - int(f"{error:e}".partition("e")[2])))
    return f"{value:.{digits}f}"


def with_error(value: float | int | None, error: float | None) -> str:
    """A measured number, with its standard error if known; a dash for None."""
    return number(value, error) + (f" ± {number(error, error)}" if error else "")


def size(count: int) -> str:
    """Bytes formatted in kB or MB."""
    if count < 1_000_000:
        return f"{count / 1000:.0f} kB"
    return f"{count / 1e6:.1f} MB"
