"""`TrainingSettings`: the [training] section of a recipe. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo.specs.corruptions import Corruptions
from zoo.specs.objectives import Gradient, Objective
from zoo.specs.optimizers import Adam, AdamW
from zoo.specs.validation import Strict

Off = Literal["off"]


class TrainingSettings(Strict):
    """Optimization, objective and schedule of a training; `off` disables a setting."""

    epochs: int = Field(ge=1, le=1_000_000, description="passes over the images")
    batch_size: int = Field(default=128, ge=1, le=1_000_000, description="images per step")
    optimizer: Annotated[Adam | AdamW, Field(discriminator="kind")] = Field(
        default=Adam(),
        description="adam, or adamw with decoupled weight decay of matrices or of all parameters",
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="peak learning rate")
    warmup_steps: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="steps of linear learning rate warm-up from 0",
    )
    decay: Literal["cosine", "off"] = Field(
        default="off", description="learning rate decay after the warm-up"
    )
    final_learning_rate: float = Field(
        default=0.01, ge=0, le=1, description="final learning rate as a fraction of learning_rate"
    )
    term_warmup_epochs: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(
        default={},
        description="epochs over which a loss term's weight rises linearly from 0, by term name",
    )
    objective: Literal["default"] | Objective = Field(
        default="default",
        description="what is minimized; default is the family's own. {kind = 'elbo', free_bits = 0.0} and "
        "{kind = 'iwae', samples = K, resampled = 'off'} need a posterior, a prior and a likelihood, as does "
        "{kind = 'total-correlation', estimator = 'minibatch'}; {kind = 'likelihood'} needs a likelihood; "
        "{kind = 'pixels', error = 'l1', kl = 1e-6, perceptual = 0.0, extractor = 'off'} fits any family",
    )
    init: str = Field(
        default="off",
        max_length=1000,
        description="initialize from a model of the same family and Spec: a name, a folder, or a repo on "
        "the Hub",
    )
    trains: Literal["all", "decoder"] = Field(
        default="all",
        description="decoder: train the decoder only, so codes stay bitwise identical",
    )
    gradient: Gradient = Field(
        default="reparameterized",
        description="gradient estimator; with less variance: stl (sticking the landing) for elbo, "
        "dreg (doubly reparameterized) for iwae",
    )
    clip_norm: Off | Annotated[float, Field(gt=0, le=1e6)] = Field(
        default="off", description="clip the global gradient norm to this value"
    )
    ema_decay: Off | Annotated[float, Field(gt=0, lt=1)] = Field(
        default="off",
        description="decay of an exponential moving average of the weights, which is then saved",
    )
    early_stopping: Off | Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default="off",
        description="patience in epochs without a better validation loss; the best weights are saved",
    )
    output_bias: Literal["training-mean", "default"] = Field(
        default="default",
        description="training-mean: initialize the decoder's bias to the mean training example",
    )
    shift: int = Field(
        default=0,
        ge=0,
        le=64,
        description="maximum random translation in pixels, zero-padded, with a probability annealed from "
        "1 to 0 over the training",
    )
    corruption: Corruptions = Field(
        default=(),
        description="what the model sees of an image, while its target is the image itself: "
        "{kind = 'gaussian', sigma = [0.0, 0.4]} draws a sigma for each image and epoch; also poisson, "
        "salt-pepper, mask, blur and downscale, several in a list",
    )
    precision: Literal["float32", "bf16"] = Field(
        default="float32",
        description="precision of the networks; losses are always float32. bf16 is faster on GPUs and on "
        "CPUs with native support (avx512_bf16 or amx_bf16 in lscpu); on others it is emulated, "
        "many times slower: override it there with precision=float32",
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="gradient accumulation: parts into which each process splits its share of a batch; not "
        "with free bits or a total correlation, whose loss couples the whole batch",
    )
    exact_shards: Off | Annotated[int, Field(ge=1, le=1024)] = Field(
        default="off",
        description="a power of two: parts of a batch whose gradients are summed in a fixed order, so "
        "results are bitwise identical for any number of processes up to it",
    )
    compile: bool = Field(
        default=False, description="torch.compile the loss; with CUDA graphs on a GPU"
    )
    checkpoint_minutes: float = Field(
        default=2.0, ge=0, le=10_000, description="minutes between checkpoints"
    )
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="seed of initialization, shuffling and sampling"
    )
