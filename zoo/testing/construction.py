"""Checks of Specs, and of the models that are built from them."""

from __future__ import annotations

import json
import tomllib

import tomli_w
import torch

from zoo.testing.subject import Subject, expect, inputs


def check_defaults(subject: Subject) -> str:
    """Every field but input_shape and latent_dim has a default."""
    fields = type(subject.spec).model_fields
    lacking = [name for name, field in fields.items() if field.is_required()]
    lacking = ", ".join(n for n in lacking if n not in ("input_shape", "latent_dim"))
    expect(not lacking, f"{lacking}: no default; only input_shape and latent_dim may lack one")
    return f"{subject.spec.domain}, and {len(subject.specs) - 1} Specs drawn besides"


def check_json(subject: Subject) -> None:
    """A Spec is the same after config.json, and after recipe.toml."""
    for spec in subject.specs:
        fields = subject.family.plain_fields(spec)
        for kind, back in (
            ("JSON", json.loads(json.dumps(fields))),
            ("TOML", tomllib.loads(tomli_w.dumps(fields))),
        ):
            again, problems = subject.family.parse(back)
            expect(again == spec, f"{spec!r} does not come back from {kind}: {problems or again!r}")


def check_build(subject: Subject) -> str:
    """Every Spec builds a model that has its parameters, and can be saved."""
    for spec in subject.specs:
        model = subject.build(spec)  # the contract of zoo.models.contract is checked there
        for name, tensor in model.state_dict().items():
            whole = not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
            expect(whole, f"{name} starts with numbers that are not finite, for {spec!r}")
        count, said = sum(p.numel() for p in model.parameters()), subject.family.parameters(spec)
        expect(count == said, f"{count:,} parameters, {said:,} on the meta device, for {spec!r}")
    count = subject.family.parameters(subject.spec)
    return f"{count:,} parameters by default, float32, none shared"


def check_seeds(subject: Subject) -> None:
    """The same seed gives the same weights, another seed different ones."""
    one, two, other = subject.build(), subject.build(), subject.build(seed=1)
    for name, tensor in one.state_dict().items():
        same = torch.equal(tensor, two.state_dict()[name])
        expect(same, f"{name} is not the same in two models of one seed")
    weights = zip(one.parameters(), other.parameters(), strict=True)
    expect(any(not torch.equal(a, b) for a, b in weights), "two seeds give the same weights")


def check_tensor_names(subject: Subject) -> None:
    """Names, shapes and dtypes of the state dict stay what they are from the first build on."""
    for spec in subject.specs:
        model, first = subject.build(spec).train(), _described(subject.build(spec, seed=1))
        model.loss(inputs(spec)).total.backward()
        now = _described(model.eval())
        changed = sorted(n for n in first.keys() | now.keys() if first.get(n) != now.get(n))
        expect(not changed, f"another seed or a training step changes {', '.join(changed)}")


def _described(model: torch.nn.Module) -> dict[str, tuple]:
    return {name: (tuple(t.shape), t.dtype) for name, t in model.state_dict().items()}
