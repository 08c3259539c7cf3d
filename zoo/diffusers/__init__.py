"""The autoencoders behind diffusion models, as families: `pip install 'autoencoder-zoo[diffusers]'`.

They come in by the same entry points as any package's. The networks are those of the diffusers
library; the Specs are its settings, strictly.
"""

import importlib.util

if importlib.util.find_spec("diffusers") is None:
    raise ImportError(
        "it is a network of the diffusers library: pip install 'autoencoder-zoo[diffusers]'"
    )

from zoo.diffusers.networks import AutoencoderDC, AutoencoderKL, AutoencoderTiny, VQModel

__all__ = ["AutoencoderDC", "AutoencoderKL", "AutoencoderTiny", "VQModel"]
