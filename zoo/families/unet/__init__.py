"""`unet`: a bias-free U-Net for restoration."""

from zoo.families.rows import Row
from zoo.families.unet.spec import UNetSpec

ROWS = (
    Row(
        "unet",
        UNetSpec,
        "zoo.families.unet.model:UNet",
        "bias-free U-Net for denoising; its code is the features of all levels",
        (
            "Mao et al., Image Restoration Using Very Deep Convolutional Encoder-Decoder Networks with "
            "Symmetric Skip Connections, NIPS 2016, arXiv:1603.09056",
            "Mohan et al., Robust and Interpretable Blind Image Denoising via Bias-Free Convolutional "
            "Neural Networks, ICLR 2020, arXiv:1906.05478",
        ),
        small={"channels": (8, 16)},
    ),
)
