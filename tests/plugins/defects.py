"""Autoencoders with one defect each, and which check of the kit finds it."""

from __future__ import annotations

import torch

import zoo


class PlainSpec(zoo.Spec):
    width: int = 4

    @property
    def latent_shape(self):
        return (self.width,)


class Plain(zoo.Autoencoder):
    Spec = PlainSpec

    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(0.1 * torch.randn(spec.input_size, spec.width))

    def _encode(self, x):
        return x.flatten(1) @ self.weight

    def _decode(self, z):
        return torch.sigmoid(z @ self.weight.T).unflatten(-1, self.spec.input_shape)

    def _loss(self, x):
        error = (self._decode(self._encode(x)) - x).square().flatten(1).sum(1)
        return zoo.Loss({"reconstruction": error.mean()})


class AveragesOverPixels(Plain):
    def _loss(self, x):
        error = (self._decode(self._encode(x)) - x).square().flatten(1).mean(1)
        return zoo.Loss({"reconstruction": 100 * error.mean()})


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


class PerImage(Plain):
    def _loss(self, x):
        return zoo.Loss({"reconstruction": (self._decode(self._encode(x)) - x).flatten(1).sum(1)})


class Unweighted(Plain):
    def _loss(self, x):
        return zoo.Loss(super()._loss(x).terms, {"comitment": 0.5})


class NotALoss(Plain):
    def _loss(self, x):
        return super()._loss(x).total


class Total(zoo.Loss):
    @property
    def total(self):
        return 2 * super().total


class WrongTotal(Plain):
    def _loss(self, x):
        return Total(super()._loss(x).terms)


class Detached(Plain):
    def _loss(self, x):
        z = self._encode(x).detach()
        return zoo.Loss({"reconstruction": z.sum() + 0 * self.weight.sum() * float("inf")})


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
    def _loss(self, x):
        self.register_buffer("seen", torch.zeros(()))
        return super()._loss(x)


class Climbs(Plain):
    def _loss(self, x):
        loss = super()._loss(x).total
        return zoo.Loss({"reconstruction": 2 * loss.detach() - loss})


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


class SumsImages(Plain):
    def _loss(self, x):
        return zoo.Loss({"reconstruction": len(x) * super()._loss(x).total})


class Forgets(Plain):
    scale = 1.0

    def _encode(self, x):
        return super()._encode(x) * self.scale

    def _loss(self, x):
        self.scale = 2.0
        return super()._loss(x)


class ChangesItself(Plain):
    own_metrics = {"usage": ""}  # noqa: RUF012

    def _measure(self, batches):
        self.weight.data += 1
        return {"usage": 1.0}


class AveragesItsWeight(Plain):
    """No defect: a buffer begins as a copy of a weight, as codebooks that are averaged have it."""

    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("average", self.weight.detach().clone())


DEFECTS = [
    (Samples, "deterministic", "is it sampling?"),
    (LooksAtTheBatch, "deterministic", "an image's code depends on its batch"),
    (Flattens, "decode", "decode gives (64,), not (1, 8, 8)"),
    (OneCodeAtATime, "decode", "decode gives (1, 1, 8, 8), not (1, 8, 8)"),
    (Logits, "decode", "decode gives values outside [0, 1]"),
    (Float64, "encode", "encode gives torch.float64, not float32"),
    (Single, "dtypes", "a torch.float64 model encodes to torch.float32"),
    (PerImage, "loss", "the term 'reconstruction' is (8,), not a scalar"),
    (Unweighted, "loss", "weights for unknown terms: comitment"),
    (NotALoss, "loss", "loss gives Tensor, not zoo.Loss"),
    (WrongTotal, "loss", "the weighted sum of the terms is"),
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
    (SumsImages, "loss", "not a mean"),
    (Forgets, "training", "a trained model differs after loading"),
    (
        ChangesItself,
        "own metrics and pictures",
        "weight changes when the model is measured or drawn",
    ),
]
