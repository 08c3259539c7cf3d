"""`tile` of a reconstruction protocol: large images in the memory of one tile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.cli import main
from zoo.errors import InputError
from zoo.evaluation.prepared import prepared_images
from zoo.evaluation.reconstruction import measure_reconstructions, reconstruct_levels
from zoo.evaluation.tiles import encode_tiled
from zoo.specs.reconstruction import parse_protocol

SIDES = {f"{side}_block_out_channels": (8, 8) for side in ("encoder", "decoder")}
BLOCKS = {f"num_{side}_blocks": (1, 1) for side in ("encoder", "decoder")}
PIXELS = torch.randint(0, 256, (3, 139, 201), dtype=torch.uint8, generator=torch.manual_seed(0))


def any_size() -> zoo.Autoencoder:
    """A model of stride 2."""
    pytest.importorskip("diffusers")
    shape = (3, 32, 32)
    return zoo.build("autoencoder-tiny", input_shape=shape, seed=0, **SIDES, **BLOCKS).eval()


def local() -> zoo.Autoencoder:
    """The same, whose every value depends on one value of each layer's input: it has no seams."""
    model = any_size()
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (3, 3):
            center = torch.zeros(3, 3)
            center[1, 1] = 1
            layer.weight.data *= center
    return model


def reconstructed(model, protocol: str):
    with torch.inference_mode():
        return reconstruct_levels(model, PIXELS, parse_protocol(protocol), "it")


def test_tiles_of_a_local_model_are_the_whole_image():
    whole, tiled = (reconstructed(local(), f"whole{end}") for end in ("", ":tile=64"))
    for one, other in zip(whole, tiled, strict=True):
        torch.testing.assert_close(one, other)
    assert tiled[0].shape == (3, 139, 201)
    assert tiled[1].shape[1:] == (70, 101)


def test_each_tile_is_encoded_and_decoded_on_its_own():
    model, x = any_size(), PIXELS[None, :, :138, :200].float() / 255
    y, z = reconstructed(model, "whole:tile=64")
    with torch.inference_mode():
        corner = model._encode(x[..., 64:128, 128:192])
        torch.testing.assert_close(z[None, :, 32:64, 64:96], corner)
        torch.testing.assert_close(y[None, :, 64:128, 128:192], model._decode(corner))
        last = model._encode(x[..., 64:128, 64:128])
    assert not torch.allclose(reconstructed(model, "whole")[1][None, :, 32:64, 32:64], last)


def test_no_more_than_a_tile_is_computed_at_once(monkeypatch):
    model = any_size()
    seen: list[torch.Size] = []
    for name in ("_encode", "_decode"):
        real = getattr(model, name)
        monkeypatch.setattr(model, name, lambda x, real=real: seen.append(x.shape) or real(x))
    reconstructed(model, "whole:tile=64")
    assert len(seen) == 2 * 3 * 4
    assert max(max(shape[2:]) for shape in seen) == 64


def test_codes_that_are_written_are_those_that_are_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model, sides = any_size(), (3, 138, 200)
    pixels = PIXELS[:, :138, :200].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save("large.png")
    zoo.save(model, "model")
    for name, protocol in (("whole", "native"), ("tiled", "native:tile=64")):
        words = ["./model", "large.png", "--device", "cpu", "--protocol", protocol]
        with pytest.raises(SystemExit, match="0"):
            main(["encode", *words, "-o", f"{name}.npy"])
    whole, tiled = np.load("whole.npy"), np.load("tiled.npy")
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        assert np.array_equal(tiled, encode_tiled(model, x, 64).numpy())
    assert tiled.shape == whole.shape == (1, *model.spec.code_shape(sides))
    assert not np.allclose(tiled, whole)
    assert json.loads(Path("tiled.json").read_text())["tile"] == 64
    with pytest.raises(SystemExit, match="1"):
        main(["encode", "./model", "large.png", "--protocol", "native", "-o", "tiled.npy"])
    assert "its tile is 64, not 'off'" in capsys.readouterr().err


def test_tiles_are_of_the_protocols_identity_which_stays_without_them():
    assert parse_protocol("native:color=gray").identity == "d9ab197c"  # of published numbers
    assert parse_protocol("native").identity == "ab1c4233"
    assert parse_protocol("native:tile=off").identity == "ab1c4233"
    assert parse_protocol("native:tile=512").identity != parse_protocol("native").identity
    assert parse_protocol("whole:tile=512").words == "whole:tile=512"
    with pytest.raises(InputError, match="tile"):
        parse_protocol("native:tile=63")


def test_a_model_that_cannot_be_tiled_is_a_sentence(tmp_path):
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    fixed = zoo.build("conv-ae", input_shape=(3, 32, 32), latent_dim=4, seed=1).eval()
    for model, side, says in (
        (fixed, 64, "tile=64 is for models of images of any size; this one takes 3 x 32 x 32"),
        (any_size(), 65, "tile=65 is not a multiple of 2, the model's stride: tile=66 is."),
    ):
        images = prepared_images(tmp_path, parse_protocol(f"native:tile={side}"))
        with pytest.raises(InputError) as refused:
            measure_reconstructions(model, images)
        assert says in str(refused.value)


@pytest.mark.parametrize(("protocol", "says"), [("whole", "native:tile=512"), ("whole:tile=64", "Make tile smaller")])  # fmt: skip
def test_memory_that_runs_out_names_the_setting(protocol, says, monkeypatch):
    model = any_size()

    def no_room(z):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(model, "_decode", no_room)
    with pytest.raises(InputError, match=says):
        reconstructed(model, protocol)
