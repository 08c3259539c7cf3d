"""The four protocols, by name, and which likelihoods they fit.

`binarised`: a pixel is a coin with its grey level as probability. `dequantised`: a level becomes
a uniform draw from its 1/256 of [0, 1]. `levels`: an image is its levels, as v / 255, and has a
probability mass over all 256 of each. `grey`: the cross-entropy against grey levels, as
tutorials print it, which is not a likelihood.
"""

from __future__ import annotations

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
        raise InputError(
            f"{protocol!r} does not fit a {likelihood} likelihood; "
            f"use {' or '.join(map(repr, fitting))}."
        )
