"""The protocols, by name; which of them fit is a fact of a likelihood.

`binarized`: a pixel is a coin with its gray level as probability. `dequantized`: a level becomes
a uniform draw from its 1/256 of [0, 1]. `levels`: an image is its levels, as v / 255, and has a
probability mass over all 256 of each. `gray`: the cross-entropy against gray levels, as
tutorials print it, which is not a likelihood. `real`: a row or a series as it is, in its own units.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal, get_args

from zoo.errors import InputError, did_you_mean

Protocol = Literal["binarized", "dequantized", "gray", "levels", "real"]

_SETTINGS: dict[Protocol, tuple[str | int, ...]] = {
    "binarized": ("threshold", "philox4x64", 0, 24),
    "dequantized": ("uniform-noise", "philox4x64", 0, 24),
    "gray": ("levels-over-255",),
    "levels": ("levels-over-255", "mass-of-256-levels"),
    "real": ("values-as-they-are",),
}
"""What a protocol settles, as `identity` hashes it: how a level becomes a value, the generator, its
key, and the bits of each draw. Never reworded: published numbers carry the hash."""


def identity(protocol: Protocol) -> str:
    """Eight hex digits of everything that a protocol settles."""
    return hashlib.sha256(json.dumps([protocol, *_SETTINGS[protocol]]).encode()).hexdigest()[:8]


def check_known(protocol: str) -> None:
    """Raises InputError if there is no such protocol."""
    if protocol not in (known := get_args(Protocol)):
        raise InputError(
            f"There is no protocol {protocol!r}.{did_you_mean(str(protocol), known)} Protocols: "
            f"{', '.join(known)}; and of reconstructions alone native, whole and center-N."
        )
