"""The autoencoder `ae`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from zoo.families.ae.spec import AESpec
from zoo.models.interface import Autoencoder
from zoo.models.parts.bodies import ACTIVATIONS, build_decoder, build_encoder
from zoo.models.parts.likelihoods import LikelihoodHead


class AE(Autoencoder):
    """An autoencoder; its loss is the negative log-likelihood of the example given its code."""

    Spec = AESpec
    decoding = ("decoder.", "likelihood_head.")
    spec: AESpec

    def __init__(self, spec: AESpec) -> None:
        super().__init__(spec)
        self.encoder = build_encoder(spec.body, spec.likelihood.inputs(spec.input_shape))
        # `code` in state_dict; torch.export does not allow a submodule of that name
        self.to_code = nn.Linear(self.encoder.features, spec.latent_dim)
        self.register_state_dict_post_hook(_to_published_names)
        self.register_load_state_dict_pre_hook(_from_published_names)
        outputs = spec.likelihood.outputs(spec.input_shape)
        self.decoder = build_decoder(spec.body, outputs, spec.latent_dim)
        self.likelihood_head = LikelihoodHead(spec.likelihood, spec.input_shape)

    @property
    def code(self) -> nn.Linear:
        """The layer under the published name of its tensors, for `torch.func.functional_call`."""
        return self.to_code

    def set_output_mean(self, mean: Tensor) -> None:
        with torch.no_grad():
            self.decoder.set_output_bias(self.likelihood_head.outputs_for(mean))

    def _encode(self, x: Tensor) -> Tensor:
        code = self.to_code(self.encoder(self.likelihood_head.features(x)))  # (N, latent_dim)
        name = self.spec.latent_activation
        return code if name == "identity" else ACTIVATIONS[name](code)

    def _likelihood(self, z: Tensor) -> Distribution:
        logits = self.decoder(z.reshape(-1, z.shape[-1]))  # (prod(batch), C, H, W)
        return self.likelihood_head.distribution(
            logits.float().reshape(*z.shape[:-1], *logits.shape[1:])
        )


def _to_published_names(model: nn.Module, state: dict[str, Tensor], prefix: str, _: Any) -> None:
    _rename(state, f"{prefix}to_code.", f"{prefix}code.")


def _from_published_names(model: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    _rename(state, f"{prefix}code.", f"{prefix}to_code.")


def _rename(state: dict[str, Tensor], before: str, after: str) -> None:
    """Renames tensors with the prefix `before`, keeping their order."""
    for name in list(state):
        tensor = state.pop(name)
        state[after + name.removeprefix(before) if name.startswith(before) else name] = tensor
