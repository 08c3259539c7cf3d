"""The autoencoders behind diffusion models, as families: `pip install 'autoencoder-zoo[diffusers]'`.

They come in by the same entry points as any package's. The networks are those of the diffusers
library; the Specs are its settings, strictly.
"""

from zoo.errors import NotInstalledError

try:
    import diffusers  # noqa: F401  # the networks' library, which the extra brings
except ModuleNotFoundError as missing:
    raise NotInstalledError(
        "Families autoencoder-kl, -tiny, -dc and vq-model are networks of the diffusers library, which "
        "is not installed: pip install 'autoencoder-zoo[diffusers]'"
    ) from missing

from zoo.diffusers.networks import AutoencoderDC, AutoencoderKL, AutoencoderTiny, VQModel

__all__ = ["AutoencoderDC", "AutoencoderKL", "AutoencoderTiny", "VQModel"]
