"""`TrainingSettings`: the [training] of a recipe. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zoo.specs.objectives import Gradient, Objective
from zoo.specs.optimizers import Adam, AdamW
from zoo.specs.validation import Strict

Off = Literal["off"]


class TrainingSettings(Strict):
    """What is done, for how long, how fast. `off` is a value."""

    epochs: int = Field(ge=1, le=1_000_000, description="passes over the images")
    batch_size: int = Field(default=128, ge=1, le=1_000_000, description="images per step")
    optimizer: Annotated[Adam | AdamW, Field(discriminator="kind")] = Field(
        default=Adam(),
        description="adam, or adamw with decoupled weight decay of matrices or of all parameters",
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=10, description="at its highest")
    warmup_steps: int = Field(
        default=0,
        ge=0,
        le=10_000_000,
        description="steps over which the learning rate rises from 0",
    )
    decay: Literal["cosine", "off"] = Field(
        default="off", description="how the learning rate falls after the warm-up"
    )
    final_learning_rate: float = Field(
        default=0.01, ge=0, le=1, description="where the decay ends, as a fraction of learning_rate"
    )
    term_warmup_epochs: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(
        default={},
        description="epochs over which a loss term's weight rises from 0, by the term's name",
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
        description="a model of the same family and Spec to begin with instead of weights drawn from the "
        "seed: a name, a folder, or a repo on the Hub",
    )
    trains: Literal["all", "decoder"] = Field(
        default="all", description="decoder keeps every code as it is, bit for bit"
    )
    gradient: Gradient = Field(
        default="reparameterized",
        description="with less variance: stl (sticking the landing) for the ELBO, "
        "dreg (doubly reparameterized) for iwae",
    )
    clip_norm: Off | Annotated[float, Field(gt=0, le=1e6)] = Field(
        default="off", description="largest norm of a step's gradient, over all parameters"
    )
    ema_decay: Off | Annotated[float, Field(gt=0, lt=1)] = Field(
        default="off",
        description="exponential moving average of the weights; the average is what is saved",
    )
    early_stopping: Off | Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default="off",
        description="epochs without a better validation loss before it ends; the best is saved",
    )
    output_bias: Literal["training-mean", "default"] = Field(
        default="default", description="training-mean starts the decoder at the mean training image"
    )
    shift: int = Field(
        default=0,
        ge=0,
        le=64,
        description="pixels by which an image is moved at most, each way and afresh each time, 0 "
        "coming in at the edge: all images at the start, fewer and fewer, and none at the end",
    )
    precision: Literal["float32", "bf16"] = Field(
        default="float32",
        description="of the networks; losses are float32 always. bf16 is faster on GPUs and on "
        "processors with bf16 products (avx512_bf16 or amx_bf16 in lscpu); others imitate it, "
        "many times slower: there, override it with precision=float32",
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="parts into which a process cuts its share of a batch, to need less memory; not with "
        "free bits or a total correlation, whose loss is of a whole batch",
    )
    exact_shards: Off | Annotated[int, Field(ge=1, le=1024)] = Field(
        default="off",
        description="a power of two: parts of a batch, whose gradients are summed in a fixed order, "
        "so that every number of processes up to it gives the same bits",
    )
    compile: bool = Field(
        default=False, description="torch.compile of the loss; on a GPU with CUDA graphs"
    )
    checkpoint_minutes: float = Field(
        default=2.0, ge=0, le=10_000, description="between two checkpoints"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="of weights, order and draws")
