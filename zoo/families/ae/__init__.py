"""`ae`: a plain autoencoder, fully connected or convolutional."""

from zoo.families.ae.spec import AESpec
from zoo.families.rows import Preset, Row

ROWS = (
    Row("ae", AESpec, "zoo.families.ae.model:AE", "autoencoder"),
    Preset("conv-ae", "ae", {"body": {"kind": "conv"}}, "`ae` with a convolutional body"),
)
