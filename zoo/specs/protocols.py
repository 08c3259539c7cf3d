"""The protocols by name: how examples are presented to a model. A likelihood lists those that fit it.

`binarized`: each pixel is a Bernoulli sample with its gray level as probability. `dequantized`: a
level becomes a uniform sample from its 1/256 of [0, 1]. `levels`: values are v / 255, scored by a
probability mass over the 256 levels. `gray`: cross-entropy against gray levels, common in
tutorials, which is not a likelihood. `real`: rows and series unchanged, in the user's units.
"""

from __future__ import annotations

from typing import Literal, get_args

from zoo.errors import InputError, did_you_mean
from zoo.io.digests import identity_of

Protocol = Literal["binarized", "dequantized", "gray", "levels", "real"]

_SETTINGS: dict[Protocol, tuple[str | int, ...]] = {
    "binarized": ("threshold", "philox4x64", 0, 24),
    "dequantized": ("uniform-noise", "philox4x64", 0, 24),
    "gray": ("levels-over-255",),
    "levels": ("levels-over-255", "mass-of-256-levels"),
    "real": ("values-as-they-are",),
}
"""What `identity` hashes of a protocol: how a level becomes a value, the random generator, its key,
and the bits of each draw. Never reworded: published metrics carry the hash."""


def identity(protocol: Protocol) -> str:
    """Eight hex digits that identify a protocol's settings."""
    return identity_of([protocol, *_SETTINGS[protocol]])


def check_known(protocol: str) -> None:
    """Raises InputError for an unknown protocol."""
    if protocol not in (known := get_args(Protocol)):
        raise InputError(
            f"Unknown protocol {protocol!r}.{did_you_mean(str(protocol), known)} Protocols: "
            f"{', '.join(known)}; for reconstructions only: native, whole and center-N."
        )
