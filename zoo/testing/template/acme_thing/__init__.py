"""The family `thing`, for autoencoder-zoo."""

from acme_thing.model import Thing, ThingSpec

__all__ = ["Thing", "ThingSpec"]
