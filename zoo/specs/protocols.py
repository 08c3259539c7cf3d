"""The four protocols, by name, and which likelihoods they fit.

`binarised`: a pixel is a coin with its grey level as probability. `dequantised`: a level becomes
a uniform draw from its 1/256 of [0, 1]. `levels`: an image is its levels, as v / 255, and has a
probability mass over all 256 of each. `grey`: the cross-entropy against grey levels, as
tutorials print it, which is not a likelihood.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal, get_args

from zoo.errors import InputError, did_you_mean

Protocol = Literal["binarised", "dequantised", "grey", "levels"]

FITTING: dict[str, tuple[Protocol, ...]] = {
    "bernoulli": ("binarised", "grey"),
    "continuous-bernoulli": ("dequantised",),
    "gaussian": ("dequantised",),
    "discretised-logistic": ("levels",),
}
"""Which protocols fit a likelihood; the first is its own."""

SHOWN: dict[Protocol, str] = {
    "binarised": "1 iff u * 255 < v * 2**24, u the top 24 bits of Philox(key=0), in row-major order",
    "dequantised": "(v + u / 2**24) / 256, u the top 24 bits of Philox(key=0), in row-major order",
    "grey": "v / 255",
    "levels": "v / 255",
}
"""What a model is shown of a level v in testing."""


def identity(protocol: Protocol) -> str:
    """Eight hex digits of a protocol: of what it shows a model."""
    settled = [protocol, SHOWN[protocol]]
    return hashlib.sha256(json.dumps(settled).encode()).hexdigest()[:8]


def check_known(protocol: str) -> None:
    """Raises InputError if there is no such protocol."""
    if protocol not in (known := get_args(Protocol)):
        raise InputError(
            f"There is no protocol {protocol!r}.{did_you_mean(str(protocol), known)} Protocols: "
            f"{', '.join(known)}; and of reconstructions alone native, whole and centre-N."
        )


def check_protocol(protocol: str, likelihood: str) -> None:
    """Raises InputError if the protocol does not fit the likelihood."""
    fitting = FITTING.get(likelihood, (protocol,))
    if protocol not in fitting:
        others = " or ".join(kind for kind, some in FITTING.items() if protocol in some)
        raise InputError(
            f"{protocol!r} does not fit a {likelihood} likelihood; "
            f"use {' or '.join(map(repr, fitting))}, or a {others} likelihood."
        )
