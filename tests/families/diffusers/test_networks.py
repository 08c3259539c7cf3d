"""diffusers' autoencoders as they were saved, loaded here: the same numbers, to the last bit."""

from __future__ import annotations

import json
import re
import shutil

import diffusers
import pytest
import torch
from diffusers.models import autoencoders
from nets import NETS, make, saved
from safetensors.torch import load_file, save_file
from torch.distributions import kl_divergence

import zoo
from zoo.errors import (
    InputError,
    MismatchError,
    NotInstalledError,
    SourceError,
    SpecError,
    WeightsError,
)
from zoo.families.diffusers import format as foreign
from zoo.models.loss import Batch
from zoo.models.objectives import objective_for
from zoo.registry import families
from zoo.specs.objectives import Pixels

WHOLE, INDEX = foreign.WHOLE, f"{foreign.WHOLE}.index.json"
POSTERIORS = [name for name in NETS if re.match("kl|asym|flux2|hunyuan|kvae", name)]
X = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))


def pipelines(net, x):
    """Codes and images as diffusers' pipelines make them: its image processor, its scale and shift."""
    known = net.config
    images = 2.0 * x - 1.0
    with torch.no_grad():
        given = net.encode(images)
        if "latent_dist" in given:
            latents = given.latent_dist.mode()
        else:
            latents = given.latent if "latent" in given else given.latents
        if "patch_size" in known:
            n, c, h, w = latents.shape  # as Flux2Pipeline does it
            patched = latents.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
            patched = patched.reshape(n, 4 * c, h // 2, w // 2)
            mean = net.bn.running_mean.view(1, -1, 1, 1)
            std = torch.sqrt(net.bn.running_var.view(1, -1, 1, 1) + known.batch_norm_eps)
            codes = (patched - mean) / std
            back = (codes * std + mean).reshape(n, c, 2, 2, h // 2, w // 2)
            back = back.permute(0, 1, 4, 2, 5, 3).reshape(latents.shape)
        elif known.get("latents_mean"):
            mean = torch.tensor(known.latents_mean).view(1, -1, 1, 1)
            std = torch.tensor(known.latents_std).view(1, -1, 1, 1)
            codes = (latents - mean) * known.scaling_factor / std
            back = codes * std / known.scaling_factor + mean
        elif known.get("shift_factor"):
            codes = (latents - known.shift_factor) * known.scaling_factor
            back = codes / known.scaling_factor + known.shift_factor
        else:
            scale = known.get("scaling_factor") or 1.0
            codes, back = latents * scale, latents * scale / scale
        return codes, (net.decode(back).sample * 0.5 + 0.5).clamp(0, 1)


@pytest.mark.parametrize("name", NETS)
def test_it_loads_unchanged_and_gives_diffusers_own_numbers(name, tmp_path):
    model = zoo.load(saved(name, tmp_path / "net"))
    codes, images = pipelines(make(name), X)
    assert torch.equal(model.encode(X), codes)
    assert torch.equal(model.decode(codes), images)
    assert torch.equal(model.reconstruct(X), images)
    assert model.decode(codes[None]).shape == (1, *images.shape)
    assert codes.shape[1:] == (
        model.latent_shape[0],
        *(n // model.spec.stride for n in X.shape[2:]),
    )


@pytest.mark.parametrize("name", NETS)
def test_it_is_saved_and_loaded_as_the_zoos_own(name, tmp_path):
    model = zoo.load(saved(name, tmp_path / "net"))
    zoo.save(model, tmp_path / "ours")
    again = zoo.load(tmp_path / "ours")
    assert again.spec == model.spec
    assert torch.equal(again.reconstruct(X), model.reconstruct(X))


@pytest.mark.parametrize("name", NETS)
def test_it_goes_back_to_diffusers_with_its_settings_and_every_bit(name, tmp_path):
    folder = saved(name, tmp_path / "net")
    model = zoo.load(folder)
    with torch.no_grad():  # as if it had been trained further
        for parameter in model.parameters():
            parameter.mul_(1.01)
    model.network.save_pretrained(tmp_path / "back")
    cls = getattr(diffusers, NETS[name][0])
    back = cls.from_pretrained(tmp_path / "back")
    ours = model.network.state_dict()
    assert {*back.state_dict()} == {*ours}
    assert all(torch.equal(tensor, ours[key]) for key, tensor in back.state_dict().items())
    before = {k: v for k, v in cls.from_pretrained(folder).config.items() if not k.startswith("_")}
    after = {k: v for k, v in back.config.items() if not k.startswith("_")}
    for key, value in before.items():  # one word for all stages is written out
        if isinstance(value, str) and isinstance(after[key], list):
            after[key] = " ".join({*after[key]})
    differences = {key for key in before if before[key] != after[key]}
    # nothing is computed from these
    assert differences <= {"sample_size", "block_out_channels"}
    again = zoo.load(tmp_path / "back")
    assert (again.spec, torch.equal(again.encode(X), model.encode(X))) == (model.spec, True)


@pytest.mark.parametrize("name", NETS)
def test_it_trains(name, tmp_path):
    model = zoo.load(saved(name, tmp_path / "net")).train()
    model.loss(X).total.backward()
    gradients = [p.grad for p in model.parameters()]
    assert sum(g is not None for g in gradients) > len(gradients) / 2
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)


def test_every_class_has_its_family():
    assert {families.get(family).spec_class.MADE_BY for family in foreign.CLASSES.values()} == {
        *foreign.CLASSES
    }


@pytest.mark.parametrize("layout", ["sharded", "fp16", "both", "old names"])
def test_layouts_of_real_repos_load(layout, tmp_path):
    folder = tmp_path / "net"
    if layout == "sharded":
        saved("kl", folder, max_shard_size="700KB")
        assert len(list(folder.glob("*-of-*.safetensors"))) > 1
    elif layout == "old names":
        saved("kl", folder)
        path = folder / "diffusion_pytorch_model.safetensors"
        names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        pattern = re.compile("|".join(re.escape(f".{new}.") for new in names))
        old = {
            pattern.sub(lambda m: f".{names[m[0].strip('.')]}.", name): tensor
            for name, tensor in load_file(path).items()
        }
        assert any("query" in name for name in old)
        save_file(old, path)
    else:
        make("kl").half().save_pretrained(folder, variant="fp16")
        if layout == "both":
            saved("kl", folder)
    model, expected = zoo.load(folder), pipelines(make("kl"), X)[1]
    if layout == "fp16":
        torch.testing.assert_close(model.reconstruct(X), expected, atol=1e-2, rtol=0)
        assert model.dtype == torch.float32
    else:
        assert torch.equal(model.reconstruct(X), expected)


def change(folder, **fields):
    path = folder / "config.json"
    said = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({k: v for k, v in said.items() if v is not ...}))


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"_class_name": "AutoencoderKLWan"}, SourceError, "is a diffusers AutoencoderKLWan, a video autoencoder; the zoo takes images. Supported: AutoencoderKL, AsymmetricAutoencoderKL,"),
        ({"_class_name": "AutoencoderOobleck"}, SourceError, "is a diffusers AutoencoderOobleck, an audio autoencoder; the zoo takes images."),
        ({"_class_name": "AutoencoderRAE"}, SourceError, "is a diffusers AutoencoderRAE, an autoencoder that the zoo does not support."),
        ({"_class_name": "UNet2DConditionModel"}, SourceError, "is a diffusers UNet2DConditionModel, which is not an autoencoder. Give the folder of the pipeline's autoencoder, often 'vae'."),
        ({"_class_name": 3}, SourceError, "is a diffusers 3, which is not an autoencoder."),
        ({"latent_chanels": 4}, SpecError, "latent_chanels: unknown field. Did you mean 'latent_channels'?"),
        ({"latent_channels": -4}, SpecError, "latent_channels: input should be greater than or equal to 1"),
        ({"scaling_factor": 0}, SpecError, "scaling_factor: input should be greater than 0"),
        ({"scaling_factor": "0.18"}, SpecError, "scaling_factor: input should be a valid number"),
        ({"scaling_factor": None}, SpecError, "scaling_factor: input should be a valid number"),
        ({"scaling_factor": float("nan")}, WeightsError, "is not JSON: NaN is not a finite number"),
        ({"scaling_factor": float("inf")}, WeightsError, "is not JSON: Infinity is not a finite number"),
        ({"block_out_channels": [32, 60]}, SpecError, "norm_num_groups = 32 does not divide 60"),
        ({"down_block_types": ["DownBlock2D"] * 2}, SpecError, "down_block_types"),
        ({"block_out_channels": [32]}, SpecError, "must have one entry per stage"),
        ({"block_out_channels": [32, 96]}, MismatchError, "The tensors do not fit the Spec"),
        ({"out_channels": 4}, SpecError, "out_channels must be the number of channels"),
        ({"sample_size": 33}, SpecError, "height and width must be multiples of 2"),
        ({"latents_mean": [0.0]}, SpecError, "must have one number for each of the latent_channels"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_used_gets_a_sentence(fields, error, says, tmp_path):
    folder = saved("kl", tmp_path / "net")
    change(folder, **fields)
    with pytest.raises(error, match=re.escape(says)):
        zoo.load(folder)


def test_who_wrote_the_config_is_said_with_its_problems(tmp_path):
    folder = saved("kl", tmp_path / "net")
    change(folder, _diffusers_version="0.99.0", new_setting=1)
    with pytest.raises(SpecError, match=r"It was written by diffusers 0\.99\.0; installed is 0"):
        zoo.load(folder)


def test_weights_that_are_not_finite_or_only_pickled_are_refused(tmp_path):
    net = make("kl")
    net.decoder.conv_out.bias.data[0] = torch.inf
    net.save_pretrained(tmp_path / "infinite")
    with pytest.raises(WeightsError, match="contains values that are not finite"):
        zoo.load(tmp_path / "infinite")
    net.decoder.conv_out.bias.data[0] = 1e5
    net.half().save_pretrained(tmp_path / "narrow", variant="fp16")
    with pytest.raises(
        WeightsError, match=r"conv_out.bias .* not finite.* maximum of float16 is 65,504"
    ):
        zoo.load(tmp_path / "narrow")
    make("kl").save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(WeightsError, match="Pickle files can run code"):
        zoo.load(tmp_path / "pickled")


def test_a_missing_shard_is_named(tmp_path):
    folder = saved("kl", tmp_path / "net", max_shard_size="700KB")
    missing = next(folder.glob("*-00001-of-*.safetensors"))
    missing.unlink()
    with pytest.raises(SourceError) as caught:
        zoo.load(folder)
    assert str(caught.value) == (
        f"{str(folder)!r} has weights in shards, but not {missing.name!r}, listed in {INDEX}. Fetch "
        "the folder again."
    )
    (folder / INDEX).unlink()
    with pytest.raises(SourceError, match=rf"shards, but not '{missing.name}'\. Fetch"):
        zoo.load(folder)


def test_weights_by_another_name_are_not_taken_for_diffusers_own(tmp_path):
    folder = saved("kl", tmp_path / "net")
    (folder / WHOLE).rename(folder / "model.safetensors")
    with pytest.raises(
        SourceError, match=f"its weights are named 'model.safetensors' instead of '{WHOLE}'"
    ):
        zoo.load(folder)


def other() -> diffusers.AutoencoderKL:
    """A network of the same shape with other weights."""
    net = make("kl")
    for parameter in net.parameters():
        parameter.data.mul_(1.5)
    return net


@pytest.mark.parametrize("leftovers", ["whole", "shards", "all shards", "variant"])
def test_beside_leftovers_the_weights_are_those_that_diffusers_loads(leftovers, tmp_path):
    folder = saved("kl", tmp_path / "net", max_shard_size="700KB")
    stale = tmp_path / "stale"
    other().save_pretrained(stale, max_shard_size="10GB" if leftovers == "whole" else "300KB")
    if leftovers == "variant":
        other().save_pretrained(stale, variant="fp16")
    for path in sorted(stale.glob("*.safetensors"))[: 1 if leftovers == "shards" else None]:
        shutil.copy(path, folder)
    theirs = diffusers.AutoencoderKL.from_pretrained(folder).eval()
    model = zoo.load(folder)
    assert torch.equal(model.reconstruct(X), pipelines(theirs, X)[1])
    assert not torch.equal(model.reconstruct(X), pipelines(other(), X)[1])


def test_shards_of_two_models_without_an_index_are_refused_as_by_diffusers(tmp_path):
    folder = saved("kl", tmp_path / "net", max_shard_size="700KB")
    other().save_pretrained(tmp_path / "stale", max_shard_size="300KB")
    shutil.copy(min((tmp_path / "stale").glob("*.safetensors")), folder)
    (folder / INDEX).unlink()
    with pytest.raises(OSError, match="no file named"):
        diffusers.AutoencoderKL.from_pretrained(folder)
    with pytest.raises(SourceError, match="has weights in 5 and in 11 shards, but no index"):
        zoo.load(folder)


@pytest.mark.parametrize("twice", ["in two shards", "by two names"])
def test_a_tensor_that_is_there_twice_is_refused(twice, tmp_path):
    if twice == "in two shards":
        folder = saved("kl", tmp_path / "net", max_shard_size="700KB")
        first, second, *_ = sorted(folder.glob("*.safetensors"))
        name, tensor = next(iter(load_file(first).items()))
        save_file(load_file(second) | {name: tensor * 2}, second, metadata={"format": "pt"})
    else:
        folder = saved("kl", tmp_path / "net")
        path = folder / WHOLE
        tensors = load_file(path)
        name = next(name for name in tensors if ".to_q.weight" in name)
        old = name.replace("to_q", "query")
        save_file(tensors | {old: tensors[name] * 2}, path, metadata={"format": "pt"})
    diffusers.AutoencoderKL.from_pretrained(folder)  # one of the two, in silence
    with pytest.raises(MismatchError, match=f"{name}|{name.replace('to_q', 'query')}"):
        zoo.load(folder)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"weight_map": {"a": "../x/diffusion_pytorch_model.safetensors"}}, "which is not a shard's name"),
        ({"weight_map": {"a": ["diffusion_pytorch_model.safetensors"]}}, "which is not a shard's name"),
        ({"weight_map": None}, "lists 'None', which is not a shard's name"),
        ([], "holds a list, not an object"),
    ],
)  # fmt: skip
def test_an_index_of_something_else_is_refused(index, said, tmp_path):
    folder = saved("kl", tmp_path / "net")
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(WeightsError, match=said):
        zoo.load(folder)


def test_a_pipeline_is_asked_for_its_autoencoder(tmp_path):
    saved("kl", tmp_path / "pipe" / "vae")
    (tmp_path / "pipe" / "model_index.json").write_text("{}")
    with pytest.raises(SourceError, match=r"whole diffusers pipeline. Give its .*pipe/vae\."):
        zoo.load(tmp_path / "pipe")
    assert zoo.load(tmp_path / "pipe" / "vae").spec.stride == 2


def test_images_of_another_size_are_refused_with_the_stride(tmp_path):
    model = zoo.load(saved("tiny", tmp_path / "net"))
    with pytest.raises(InputError, match=re.escape("(N, 3, H, W), float in [0, 1], H and W multiples of 4; got (2, 3, 33, 40)")):  # fmt: skip
        model.encode(torch.rand(2, 3, 33, 40))
    with pytest.raises(InputError, match=re.escape("Try x[None].")):
        model.encode(X[0])
    with pytest.raises(InputError, match=re.escape("decode takes (..., 4, h, w)")):
        model.decode(torch.rand(2, 3, 8, 8))


def test_a_network_that_overflows_says_so(tmp_path):
    net = make("kl")
    net.encoder.conv_out.weight.data *= 1e7
    net.save_pretrained(tmp_path / "net")
    model = zoo.load(tmp_path / "net", dtype="float16")
    with pytest.raises(InputError, match=r"encode returned values that are not finite in float16: .*force_upcast"):  # fmt: skip
        model.encode(X)


@pytest.mark.parametrize("size", [(32, 40), (48, 16)])
@pytest.mark.parametrize("name", POSTERIORS)
def test_its_posterior_is_diffusers_own_shifted_and_scaled_as_codes_are(name, size, tmp_path):
    model = zoo.load(saved(name, tmp_path / "net"))
    x = torch.rand(2, 3, *size)
    with torch.no_grad():
        theirs = model.network.encode(2.0 * x - 1.0).latent_dist
        posterior, prior = model.posterior(x), model._prior_over(model.encode(x))
        draw = posterior.mean + posterior.stddev
        back = model._unscaled(draw)
    assert posterior.batch_shape == (2,)
    assert torch.equal(posterior.mean, model.encode(x))
    torch.testing.assert_close(back, theirs.mean + theirs.std, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(kl_divergence(posterior, prior), theirs.kl(), rtol=1e-5, atol=1e-4)
    assert model.posterior(x[:0]).event_shape == posterior.event_shape
    assert model.prior().event_shape == model.latent_shape


@pytest.mark.parametrize("name", NETS)
def test_its_loss_is_the_networks_own_error_kl_and_commitment(name, tmp_path):
    model = zoo.load(saved(name, tmp_path / "net")).train()
    net, shown = model.network, 2.0 * X - 1.0
    noise = torch.randn(2, *model.spec.code_shape(X.shape[1:]))
    with torch.no_grad():
        loss = objective_for(model, Pixels(error="l2", kl=1e-3)).loss(model, Batch.of(X), noise)
        if name in POSTERIORS:
            theirs = net.encode(shown).latent_dist
            flat = torch.pixel_shuffle(noise, 2) if name == "flux2" else noise
            decoded, other = net.decode(theirs.mean + theirs.std * flat).sample, theirs.kl().mean()
        elif name.startswith("vq"):
            latents = net.encode(shown).latents
            decoded, commitment = net.decode(latents, return_dict=False)
            other = commitment * latents[0].numel()
        else:
            decoded = net(shown).sample
    error = (decoded * 0.5 + 0.5 - X).square().flatten(1).sum(1)
    torch.testing.assert_close(loss.per_example["l2"], error, rtol=1e-4, atol=1e-3)
    for term in {"kl", "commitment"} & loss.terms.keys():
        torch.testing.assert_close(loss.terms[term], other, rtol=1e-4, atol=1e-3)
    assert set(loss.terms) - {"l2"} == ({"kl"} if name in POSTERIORS else {"commitment"} if name.startswith("vq") else set())  # fmt: skip


@pytest.mark.parametrize("name", ["kl", "flux2", "vq"])
def test_a_narrow_model_trains_too(name, tmp_path):
    model = zoo.load(saved(name, tmp_path / "net"), dtype="bfloat16").train()
    assert torch.isfinite(model.loss(X).total)


def test_what_it_lacks_to_be_sampled_is_named(tmp_path):
    model = zoo.load(saved("kl", tmp_path / "net"))
    with pytest.raises(AttributeError, match=r"has no 'sample': .* has no likelihood"):
        model.sample(1)


def test_a_class_that_the_installed_diffusers_lacks_is_named(tmp_path, monkeypatch):
    folder = saved("kvae", tmp_path / "net")
    monkeypatch.setattr(families.get("autoencoder-kl-kvae").spec_class, "MADE_BY", "NextKVAE")
    with pytest.raises(NotInstalledError, match=r"has no NextKVAE: pip install -U diffusers"):
        zoo.load(folder)


def test_every_autoencoder_of_diffusers_is_taken_or_refused_by_name():
    known = {*foreign.CLASSES, *foreign.VIDEO, *foreign.AUDIO, *foreign.OTHERS}
    found = {name for name, one in vars(autoencoders).items() if isinstance(one, type)}
    assert found - known <= set()
