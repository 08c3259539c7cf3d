"""The name and the version of this package."""

DISTRIBUTION = "autoencoder-zoo"
__version__ = "0.1.0"
