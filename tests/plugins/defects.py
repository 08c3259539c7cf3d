"""Autoencoders with one defect each, and which check of the kit finds it."""

from __future__ import annotations

import torch

import zoo
from zoo.specs.objectives import ELBO


class PlainSpec(zoo.Spec):
    width: int = 4

    @property
    def latent_shape(self):
        return (self.width,)


class Plain(zoo.Autoencoder):
    """Without defects: squared errors, a loss of its own."""

    Spec = PlainSpec

    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(0.1 * torch.randn(spec.input_size, spec.width))

    def _encode(self, x):
        return x.flatten(1) @ self.weight

    def _decode(self, z):
        return torch.sigmoid(z @ self.weight.T).unflatten(-1, self.spec.input_shape)

    def _loss(self, batch, noise):
        error = self._decode(self._encode(batch.input)) - batch.target
        return zoo.Loss({"reconstruction": error.square().flatten(1).sum(1)})


class AveragesOverValues(Plain):
    def _loss(self, batch, noise):
        error = self._decode(self._encode(batch.input)) - batch.target
        return zoo.Loss({"reconstruction": 100 * error.square().flatten(1).mean(1)})


class Samples(Plain):
    def _encode(self, x):
        z = super()._encode(x)
        return z + torch.randn_like(z)


class LooksAtTheBatch(Plain):
    def _encode(self, x):
        z = super()._encode(x)
        return z - z.mean(0) if len(z) else z


class Flattens(Plain):
    def _decode(self, z):
        return super()._decode(z).flatten(-3)


class OneCodeAtATime(Plain):
    def _decode(self, z):
        return super()._decode(z.reshape(-1, z.shape[-1]))


class Logits(Plain):
    def _decode(self, z):
        return (z @ self.weight.T).unflatten(-1, self.spec.input_shape)


class Float64(Plain):
    def _encode(self, x):
        return super()._encode(x).double()


class Single(Plain):
    def _encode(self, x):
        return super()._encode(x).float()


class Scalar(Plain):
    def _loss(self, batch, noise):
        return zoo.Loss({"reconstruction": super()._loss(batch, noise).total})


class PerExampleOfABatch(Plain):
    def _loss(self, batch, noise):
        return zoo.Loss(batch=super()._loss(batch, noise).per_example)


class Unweighted(Plain):
    def _loss(self, batch, noise):
        return zoo.Loss(super()._loss(batch, noise).per_example, weights={"comitment": 0.5})


class WeighsNothing(Plain):
    class Spec(PlainSpec):
        @property
        def loss_weights(self):
            return {"commitment": 0.5}


class NotALoss(Plain):
    def _loss(self, batch, noise):
        return super()._loss(batch, noise).total


class Total(zoo.Loss):
    @property
    def total(self):
        return 2 * super().total


class WrongTotal(Plain):
    def _loss(self, batch, noise):
        return Total(super()._loss(batch, noise).per_example)


class ComparesExamples(Plain):
    def _loss(self, batch, noise):
        error = super()._loss(batch, noise).per_example["reconstruction"]
        return zoo.Loss({"reconstruction": error + (error - error.mean()).abs()})


class Detached(Plain):
    def _loss(self, batch, noise):
        z = self._encode(batch.input).detach()
        nothing = 0 * self.weight.sum() * float("inf")
        return zoo.Loss({"reconstruction": z.sum(1) + nothing})


class Unused(Plain):
    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(self.weight[: spec.input_size // 2].detach().clone())
        rest = spec.input_size - spec.input_size // 2
        self.other = torch.nn.Parameter(torch.randn(rest, spec.width))

    def _encode(self, x):
        return x.flatten(1)[:, : len(self.weight)] @ self.weight

    def _decode(self, z):
        half = torch.sigmoid(z @ self.weight.T)
        rest = half.new_zeros(*half.shape[:-1], len(self.other))
        return torch.cat([half, rest], -1).unflatten(-1, self.spec.input_shape)


class Counts(Plain):
    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("uses", torch.zeros(()))

    def _encode(self, x):
        self.uses = self.uses + 1
        return super()._encode(x)


class GrowsInTraining(Plain):
    def _loss(self, batch, noise):
        self.register_buffer("seen", torch.zeros(()))
        return super()._loss(batch, noise)


class Climbs(Plain):
    def _loss(self, batch, noise):
        error = super()._loss(batch, noise).per_example["reconstruction"]
        return zoo.Loss({"reconstruction": 2 * error.detach() - error})


class Branches(Plain):
    def _encode(self, x):
        return super()._encode(x) * (2 if x.sum() > 1 else 1)


class LooseMetrics(Plain):
    own_metrics = {"usage": ""}  # noqa: RUF012

    def _measure(self, batches):
        return {"use": 1.0}


class NaNMetrics(Plain):
    own_metrics = {"usage": ""}  # noqa: RUF012

    def _measure(self, batches):
        return {"usage": float("nan")}


class FlatPicture(Plain):
    own_pictures = {"weights": "Weights."}  # noqa: RUF012

    def _draw(self, x):
        return {"weights": x}


class Uncopied(Plain):
    def __deepcopy__(self, memo):
        return self


class SumsExamples(Plain):
    def _loss(self, batch, noise):
        return zoo.Loss(batch={"reconstruction": len(batch) * super()._loss(batch, noise).total})


class Forgets(Plain):
    scale = 1.0

    def _encode(self, x):
        return super()._encode(x) * self.scale

    def _loss(self, batch, noise):
        self.scale = 2.0
        return super()._loss(batch, noise)


class ChangesItself(Plain):
    own_metrics = {"usage": ""}  # noqa: RUF012

    def _measure(self, batches):
        self.weight.data += 1
        return {"usage": 1.0}


class SaysTooMuchDecodes(Plain):
    decoding = ("weight",)


class DecodesWithNothing(Plain):
    decoding = ("decoder.",)


class OtherParts(Plain):
    class Spec(PlainSpec):
        parts = ("code", "likelihood")


class OtherObjective(Plain):
    class Spec(PlainSpec):
        objective = ELBO()


class LossOfABatch(Plain):
    """No defect: its loss has no value per example."""

    def _loss(self, batch, noise):
        return zoo.Loss(batch={"reconstruction": super()._loss(batch, noise).total})


class AveragesItsWeight(Plain):
    """No defect: a buffer begins as a copy of a weight, as codebooks that are averaged have it."""

    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("average", self.weight.detach().clone())


DEFECTS = [
    (Samples, "deterministic", "is it sampling?"),
    (LooksAtTheBatch, "deterministic", "an example's code depends on its batch"),
    (Flattens, "decode", "decode gives (64,), not (1, 8, 8)"),
    (OneCodeAtATime, "decode", "decode gives (1, 1, 8, 8), not (1, 8, 8)"),
    (Logits, "decode", "decode gives values outside [0, 1]"),
    (Float64, "encode", "encode gives torch.float64, not float32"),
    (Single, "dtypes", "a torch.float64 model encodes to torch.float32"),
    (
        Scalar,
        "loss",
        "the term 'reconstruction' is (), not one number per example: a scalar goes into",
    ),
    (PerExampleOfABatch, "loss", "the term 'reconstruction' is (8,), not a scalar"),
    (Unweighted, "loss", "weights for unknown terms: comitment"),
    (WeighsNothing, "loss", "the Spec's loss_weights name terms that the loss lacks: commitment"),
    (NotALoss, "loss", "NotALoss._loss gives Tensor, not zoo.Loss"),
    (WrongTotal, "loss", "the weighted sum of the terms is"),
    (
        ComparesExamples,
        "examples apart",
        "the term 'reconstruction' of an example depends on its batch",
    ),
    (AveragesOverValues, "sum over values", "is it a mean over values?"),
    (SaysTooMuchDecodes, "parts", "encode uses a tensor that decoding = ('weight',) names"),
    (DecodesWithNothing, "parts", "decoding names no tensor: ('decoder.',)"),
    (OtherParts, "parts", "Spec.parts and the methods of OtherParts differ in: likelihood, loss"),
    (OtherObjective, "parts", "'elbo' needs a likelihood and a posterior and a prior"),
    (Detached, "gradients", "the gradient of weight is not finite"),
    (Unused, "gradients", "other gets no gradient from the loss"),
    (Counts, "deterministic", "uses changes when the model is used"),
    (GrowsInTraining, "tensor names", "a training step changes seen"),
    (Climbs, "training", "take the loss from"),
    (Branches, "torch.export", "it raises"),
    (Branches, "torch.compile", "it raises"),
    (
        LooseMetrics,
        "own metrics and pictures",
        "_measure(self, batches) gives ['use']; own_metrics names usage",
    ),
    (NaNMetrics, "own metrics and pictures", "these are not all finite"),
    (FlatPicture, "own metrics and pictures", "a picture is images (rows, columns, C, H, W)"),
    (Uncopied, "deepcopy", "a deep copy shares weight with the first"),
    (SumsExamples, "loss", "not a mean"),
    (Forgets, "training", "a trained model differs after loading"),
    (
        ChangesItself,
        "own metrics and pictures",
        "weight changes when the model is measured or drawn",
    ),
]
