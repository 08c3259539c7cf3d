"""pythae as its documentation uses it: `TrainingPipeline`, `save`, `load_from_folder`, `get_nll`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from pythae.data.datasets import BaseDataset  # pyright: ignore[reportMissingImports]  # of the peers' environment
from pythae.models import VAE, AutoModel, VAEConfig  # pyright: ignore[reportMissingImports]
from pythae.models.base.base_utils import ModelOutput  # pyright: ignore[reportMissingImports]
from pythae.models.nn import BaseDecoder, BaseEncoder  # pyright: ignore[reportMissingImports]
from pythae.pipelines import TrainingPipeline  # pyright: ignore[reportMissingImports]
from pythae.trainers import BaseTrainerConfig  # pyright: ignore[reportMissingImports]
from pythae.trainers.training_callbacks import (  # pyright: ignore[reportMissingImports]
    TrainingCallback,
)
from torch import Tensor, nn

from arms import PYTHAE
from arms.arm import BATCH, INITIAL, RATE, SAMPLES, SEED, Arm, Job
from arms.damage import LAYOUTS
from arms.plain import PlainVAE, copy_weights
from arms.watch import Watch


class Encoder(BaseEncoder):
    """784-512-256, and two heads of 20."""

    def __init__(self) -> None:
        BaseEncoder.__init__(self)
        self.fc1, self.fc2 = nn.Linear(784, 512), nn.Linear(512, 256)
        self.mu, self.logvar = nn.Linear(256, 20), nn.Linear(256, 20)

    def forward(self, x: Tensor) -> ModelOutput:
        h = F.relu(self.fc2(F.relu(self.fc1(x.reshape(-1, 784)))))
        return ModelOutput(embedding=self.mu(h), log_covariance=self.logvar(h))


class Decoder(BaseDecoder):
    """20-256-512-784, then a sigmoid: pythae's decoders end in [0, 1]."""

    def __init__(self) -> None:
        BaseDecoder.__init__(self)
        self.fc3, self.fc4, self.fc5 = nn.Linear(20, 256), nn.Linear(256, 512), nn.Linear(512, 784)

    def forward(self, z: Tensor) -> ModelOutput:
        logits = self.fc5(F.relu(self.fc4(F.relu(self.fc3(z)))))
        return ModelOutput(reconstruction=torch.sigmoid(logits).reshape(-1, 1, 28, 28))


class Pythae(Arm):
    """Its trainer, with a float tensor as it prepares one; only its lines on the terminal are off."""

    def train(self, job: Job, watch: Watch) -> None:
        model = _model(job.plain(INITIAL))
        pixels = job.pixels("train")[: job.images]
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=job.epochs,
                per_device_train_batch_size=BATCH,
                per_device_eval_batch_size=BATCH,
                learning_rate=RATE,
                seed=SEED,
                no_cuda=True,
            )
            pipeline = TrainingPipeline(model=model, training_config=config)
            pipeline(train_data=pixels / 255, callbacks=[_Turns(pipeline, watch)])

    def save(self, plain: PlainVAE, folder: Path) -> None:
        _model(plain).save(str(folder))

    def load(self, folder: Path) -> nn.Module:
        return AutoModel.load_from_folder(str(folder)).eval()

    def bound(self, model: VAE) -> Callable[[Tensor], float]:
        return lambda x: -float(model.get_nll(x, n_samples=SAMPLES))

    def plain_weights(self, model: VAE) -> list[Tensor]:
        return [*model.encoder.parameters(), *model.decoder.parameters()]

    def setting_of(self, model: VAE) -> object:
        return getattr(model.model_config, str(LAYOUTS[PYTHAE].setting))


class _Turns(TrainingCallback):
    """What pythae calls after every step and every epoch."""

    def __init__(self, pipeline: TrainingPipeline, watch: Watch) -> None:
        self.pipeline, self.watch = pipeline, watch

    def on_train_begin(self, training_config: BaseTrainerConfig, **kwargs: object) -> None:
        self.left = 0
        self.watch.begin()

    def on_train_step_end(self, training_config: BaseTrainerConfig, **kwargs: object) -> None:
        if not self.left:
            self.left = len(self.pipeline.trainer.train_dataset)
        images = min(BATCH, self.left)
        self.left -= images
        self.watch.step(images)

    def on_epoch_end(self, training_config: BaseTrainerConfig, **kwargs: object) -> None:
        model = self.pipeline.model
        model.eval()

        def encode(x: Tensor) -> tuple[Tensor, Tensor]:
            out = model.encoder(x)
            return out.embedding, out.log_covariance

        self.watch.end_epoch(encode, lambda z: model.decoder(z).reconstruction, self._own)

    def _own(self) -> float:
        """The loss of its own evaluation step: the mean over the batches."""
        trainer, test = self.pipeline.trainer, self.watch.test
        dataset = BaseDataset(test / 255, torch.ones(len(test)))
        trainer.eval_loader = trainer.get_eval_dataloader(dataset)
        return trainer.eval_step(self.watch.epoch)


def _model(plain: PlainVAE) -> VAE:
    """784-512-256-20 by its API, with the weights of a PlainVAE, which come in the same order."""
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    encoder, decoder = Encoder(), Decoder()
    copy_weights(plain.parameters(), [*encoder.parameters(), *decoder.parameters()])
    return VAE(model_config=config, encoder=encoder, decoder=decoder)
