"""Repos of diffusers, in its own layouts, on the Hub: loaded unchanged, by folder, in shards, offline."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import diffusers
import pytest
import torch
from ending import attempt, paths

VAE = {
    "block_out_channels": (32, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
}
WEIGHTS = "diffusion_pytorch_model.safetensors"
SHAPE = "(lambda m: (m.info.family, m.info.origin, m.info.sha256, m.reconstruct(__import__('torch').zeros(1, 3, 8, 8)).sum().item().__round__(3)))"  # fmt: skip


@pytest.fixture(scope="module")
def net() -> diffusers.AutoencoderKL:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return diffusers.AutoencoderKL(**VAE).eval()


@pytest.fixture(scope="module")
def files(net, tmp_path_factory) -> dict[str, bytes]:
    return contents(net, tmp_path_factory.mktemp("vae"))


def contents(net, folder: Path, **how) -> dict[str, bytes]:
    net.save_pretrained(folder, **how)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def expected(net) -> float:
    with torch.no_grad():
        images = net.decode(net.encode(torch.full((1, 3, 8, 8), -1.0)).latent_dist.mode())
        # another process has other last bits on some processors; the same one has the same bits
        return round((images.sample * 0.5 + 0.5).clamp(0, 1).sum().item(), 3)


def test_a_repo_of_diffusers_loads_and_stays_cached(hub, client, net, files):
    hub.create("acme/vae")
    head = hub.commit("acme/vae", files)
    got = attempt(client, f"{SHAPE}(zoo.load('acme/vae'))")
    sha = hashlib.sha256(files[WEIGHTS]).hexdigest()
    assert got.value == str(("autoencoder-kl", f"hf://acme/vae@{head}", sha, expected(net)))
    hub.forget()
    again = attempt(client, f"{SHAPE}(zoo.load('hf://acme/vae@{head}'))")
    assert again.value == got.value
    assert hub.requests == []
    hub.stop("hub", "cdn")
    assert attempt(client, f"{SHAPE}(zoo.load('acme/vae'))").value == got.value


def test_a_folder_of_a_pipeline_loads_and_nothing_else_is_fetched(hub, client, net, files):
    hub.create("acme/pipe")
    pipeline = {"model_index.json": b"{}", "unet/config.json": b"{}", f"unet/{WEIGHTS}": b"x" * 99}
    head = hub.commit("acme/pipe", pipeline | {f"vae/{name}": data for name, data in files.items()})
    for source in ("hf://acme/pipe/vae", f"hf://acme/pipe@{head}/vae"):
        got = attempt(client, f"{SHAPE}(zoo.load({source!r}))")
        assert got.value is not None, got
        assert f"'hf://acme/pipe@{head}/vae'" in got.value
        assert str(expected(net)) in got.value
    assert not any("unet" in path for _, path in paths(hub))
    hub.stop("hub", "cdn")
    assert attempt(client, f"{SHAPE}(zoo.load('hf://acme/pipe/vae'))").value == got.value


def test_a_pipeline_or_a_wrong_folder_is_asked_for_the_right_one(hub, client, files):
    hub.create("acme/pipe")
    hub.commit("acme/pipe", {"model_index.json": b"{}"} | {f"vae/{n}": d for n, d in files.items()})
    whole = attempt(client, "zoo.load('acme/pipe')")
    assert "'acme/pipe' is a whole diffusers pipeline. Give its autoencoder" in whole.message
    wrong = attempt(client, "zoo.load('hf://acme/pipe/vea')")
    assert "'acme/pipe' has no folder 'vea'; it has vae. Did you mean 'vae'?" in wrong.message


def test_shards_and_variants_load(hub, client, net, tmp_path):
    shards = contents(net, tmp_path / "shards", max_shard_size="700KB")
    assert sum(name.endswith(".safetensors") for name in shards) > 1
    hub.create("acme/shards")
    hub.commit("acme/shards", shards)
    assert str(expected(net)) in attempt(client, f"{SHAPE}(zoo.load('acme/shards'))").value
    full = contents(net, tmp_path / "both")
    contents(net, tmp_path / "both", variant="fp16")
    both = {path.name: path.read_bytes() for path in (tmp_path / "both").iterdir()}
    assert len(both) == len(full) + 1
    hub.create("acme/both")
    hub.commit("acme/both", both)
    hub.forget()
    assert str(expected(net)) in attempt(client, f"{SHAPE}(zoo.load('acme/both'))").value
    assert not any("fp16" in path for _, path in paths(hub))


def test_a_repo_that_was_sharded_again_is_read_as_its_index_says(hub, client, net, tmp_path):
    stale = {name: data[:-1] for name, data in contents(net, tmp_path / "old", max_shard_size="300KB").items()}  # fmt: skip
    whole = {WEIGHTS: b"x" * 1000}
    files = contents(net, tmp_path / "new", max_shard_size="700KB")
    hub.create("acme/again")
    hub.commit("acme/again", stale | whole | files)
    for source in ("acme/again", "acme/again"):  # fetched, and cached
        assert str(expected(net)) in attempt(client, f"{SHAPE}(zoo.load({source!r}))").value
    fetched = {path.rpartition("/")[2] for _, path in paths(hub)}
    assert not fetched & ({*stale, WEIGHTS} - files.keys())
    shard = next(name for name in files if "-00001-of" in name)
    hub.create("acme/lacking")
    hub.commit("acme/lacking", {name: data for name, data in files.items() if name != shard})
    refused = attempt(client, "zoo.load('acme/lacking')")
    assert refused.says("SourceError", f"'acme/lacking' has weights in shards, but not '{shard}'")


def test_a_flipped_byte_and_a_pickle_are_refused(hub, client, files):
    hub.create("acme/vae")
    hub.commit("acme/vae", files)
    hub.fault(path="files/", flip=50_000, times=None)
    assert attempt(client, "zoo.load('acme/vae')").says("IntegrityError", WEIGHTS)
    hub.create("acme/pickled")
    hub.commit("acme/pickled", {"config.json": files["config.json"], "diffusion_pytorch_model.bin": b"x"})  # fmt: skip
    assert "Pickle files can run code" in attempt(client, "zoo.load('acme/pickled')").message


def test_weights_of_another_size_are_not_fetched(hub, client, files):
    said = json.loads(files["config.json"]) | {"layers_per_block": 3}
    hub.create("acme/vae")
    hub.commit("acme/vae", files | {"config.json": json.dumps(said).encode()})
    refused = attempt(client, "zoo.load('acme/vae')")
    assert "It was not fetched" in refused.message or "do not fit the Spec" in refused.message


def test_what_diffusers_saved_is_measured_verified_pushed_and_verified_there(hub, client, files, alice):  # fmt: skip
    hub.create("acme/pipe")
    head = hub.commit("acme/pipe", {f"vae/{name}": data for name, data in files.items()})
    source = "hf://acme/pipe/vae"
    levels = "__import__('torch').arange(3 * 16 * 16).reshape(1, 3, 16, 16).to(__import__('torch').uint8)"
    measured = (
        f"(lambda r: (r.psnr, r.ssim))(zoo.measure_reconstructions({{}}, {levels}, 'native'))"
    )
    numbers = attempt(client, measured.format(repr(source))).value
    checked = client.zoo("verify", source).out
    assert f"2 files are those of the Hub's record at commit {head}" in checked
    moved = attempt(client, f"vars(zoo.push(zoo.load({source!r}), 'acme/mine'))", env=alice)
    assert moved.value is not None, moved.message
    assert "passed" in client.zoo("verify", "acme/mine", env=alice).out
    assert attempt(client, measured.format("'acme/mine'"), env=alice).value == numbers
