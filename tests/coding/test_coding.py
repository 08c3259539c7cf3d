"""Compressed images: the same bytes back, sizes near the bound, and a sentence for every damage."""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from coded_models import MODELS, sampled, shapes, small
from numpy_decoder import decoded as decoded_by_numpy
from PIL import Image

import zoo
from zoo.cli import main
from zoo.coding import stack as stacks
from zoo.coding.codec import Chunk
from zoo.coding.file import MAGIC, parsed, written
from zoo.coding.stack import Stack, weights_of
from zoo.compressing import compress_to
from zoo.errors import DataError, InputError, NotInstalledError
from zoo.integers.base import images_as_activations

GOLDEN = Path(__file__).resolve().parent / "golden.aez"
GOLDEN_SHA256 = "9861f02736dc02c6ea50bff9eb76bf6a015defe4d7886586e8be06b996307eee"


@pytest.fixture(scope="module")
def vae() -> zoo.Autoencoder:
    return small("vae")


@pytest.fixture(scope="module")
def blob(vae) -> bytes:
    return zoo.compress(vae, shapes(30), chunk=7)


def test_a_stack_gives_back_what_was_pushed_and_nothing_remains():
    dice = np.random.default_rng(0)
    stack, pushed = Stack(), []
    for _ in range(200):
        cuts = np.sort(dice.choice(2**24 - 1, (4, 9)) + 1, 1)
        bounds = np.concatenate([np.zeros((4, 1)), cuts, np.full((4, 1), 2**24)], 1)
        masses = np.maximum(np.diff(bounds, axis=1), 1.0)
        masses[:, 0] += 2**24 - masses.sum(1)
        symbols, equal = dice.integers(0, 10, 4, np.int32), dice.integers(0, 4, 3)
        stack.push(symbols, weights_of(masses))
        stack.push_equal(equal)
        pushed.append((symbols, masses, equal))
    again = Stack(*stack.words())
    for symbols, masses, equal in reversed(pushed):
        assert (again.pop_equal(3) == equal).all()
        assert (again.pop(weights_of(masses)) == symbols).all()
    assert again.is_at_start


def test_bits_of_a_symbol_are_those_of_its_mass():
    stack = Stack()
    masses = np.tile([2**24 - 2**14, 2.0**14], (1000, 1))
    stack.push(np.ones(1000, np.int32), weights_of(masses))
    words, touched = stack.words()
    assert abs(32 * (len(words) - touched) - 10_000) <= 64


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("chunk", [None, 1, 7, 100])
def test_images_come_back_bit_for_bit(name, chunk):
    model = small(name)
    likely, unlike = sampled(model, 9), shapes(6, channels=model.spec.input_shape[0])
    images = torch.cat([likely, unlike])
    assert torch.equal(
        zoo.decompress(zoo.compress(model, images, chunk=chunk), model=model), images
    )


@pytest.mark.parametrize("name", MODELS)
def test_the_payload_is_close_to_the_bound(name):
    model = small(name)
    images = sampled(model, 400)
    file = parsed(zoo.compress(model, images, chunk=400))
    with torch.no_grad():
        bits = -model.elbo(images / 255, samples=20).sum().item() / math.log(2)
    start = 32 * file.chunks[0].touched
    assert abs(8 * file.payload_bytes - start - bits) < 0.01 * bits


def test_some_images_are_decoded_alone(vae, blob):
    images = shapes(30)
    for first, last in ((0, 1), (5, 9), (13, 30)):
        found = zoo.decompress(blob, model=vae, only=range(first, last))
        assert torch.equal(found, images[first:last])
    for wrong in (range(5, 5), range(20, 31), range(0, 10, 2), range(-1, 3)):
        with pytest.raises(InputError, match="It has the images 0 to 29"):
            zoo.decompress(blob, model=vae, only=wrong)


def test_every_flipped_byte_is_found_and_other_chunks_are_given(vae, blob):
    file, images = parsed(blob), shapes(30)
    for place in range(0, len(blob), 7):
        damaged = blob[:place] + bytes([blob[place] ^ 1 << place % 8]) + blob[place + 1 :]
        with pytest.raises(DataError) as wrong:
            zoo.decompress(damaged, model=vae)
        if place < file.header_bytes:
            continue
        assert "is damaged" in str(wrong.value)
        lost = next(n for n, one in enumerate(parsed(damaged).chunks) if one is None)
        assert f"Chunk {lost} of 5, images {7 * lost}" in str(wrong.value)
        found = zoo.decompress(damaged, model=vae, skip_damaged=True)
        kept = torch.cat([images[: 7 * lost], images[7 * lost + 7 :]])
        assert torch.equal(found, kept)


def test_a_cut_file_and_one_with_more_are_sentences(vae, blob):
    for length in (0, 5, 11, 100, parsed(blob).header_bytes - 1):
        with pytest.raises(DataError, match=r"cut short|not a file of compressed images"):
            zoo.decompress(blob[:length], model=vae)
    with pytest.raises(DataError, match="Chunk 4 of 5"):
        zoo.decompress(blob[:-3], model=vae)
    with pytest.raises(DataError, match="2 bytes follow"):
        zoo.decompress(blob + b"ab", model=vae)


def test_mutated_headers_are_sentences(vae, blob):
    """Also those whose checksum was made to fit, so that what is behind it is reached."""
    dice, end = random.Random(0), parsed(blob).header_bytes
    for number in range(2000):
        head = bytearray(blob[: end - 4])
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(MAGIC), len(head) - 4)
            if dice.random() < 0.7:
                head[place] ^= dice.randrange(1, 256)
            else:
                head[place : place + 4] = dice.choice([0, 1, 2**31, 2**32 - 1]).to_bytes(
                    4, "little"
                )
        fits = zlib.crc32(head).to_bytes(4, "little")
        data = bytes(head) + (fits if number % 2 else blob[end - 4 : end]) + blob[end:]
        with contextlib.suppress(DataError, InputError):
            found = zoo.decompress(data, model=vae)
            assert number % 2  # what does not matter has changed, such as a name
            assert torch.equal(found, shapes(30))


def test_words_that_are_noise_are_a_sentence(vae):
    blob = zoo.compress(vae, shapes(30), chunk=30)
    file = parsed(blob)
    end = file.header_bytes
    row = end - 4 - file.header.side_bytes - 16
    noise = random.Random(1).randbytes(4)
    for words in (noise, noise * 3):
        head = bytearray(blob[: end - 4])
        head[row : row + 16] = struct.pack("<IIII", 30, 2**14, len(words) // 4, zlib.crc32(words))
        data = bytes(head) + struct.pack("<I", zlib.crc32(bytes(head))) + words
        with pytest.raises(DataError, match=r"Chunk 0 of 1.* (too few bits|bits are left)"):
            zoo.decompress(data, model=vae)


def test_another_models_weights_are_refused(blob):
    with pytest.raises(InputError, match="compressed with another model"):
        zoo.decompress(blob, model=small("vae", seed=2))
    with pytest.raises(InputError, match="a file is no reason to fetch anything"):
        zoo.decompress(blob)


def test_what_cannot_be_coded_is_a_sentence(vae):
    gray = shapes(2)
    gray[1, 0, 3, 3] = 7
    with pytest.raises(InputError, match="Image 1 has gray pixels"):
        zoo.compress(vae, gray)
    binarized = zoo.compress(vae, gray, binarize=True)
    assert set(zoo.decompress(binarized, model=vae).unique().tolist()) <= {0, 255}
    for wrong, why in (
        (gray.float(), "uint8 levels"),
        (gray[:0], "no images"),
        (shapes(2, 9, 9), "The model takes 1 x 8 x 9 images"),
    ):
        with pytest.raises(InputError, match=why):
            zoo.compress(vae, wrong)
    with pytest.raises(InputError, match="chunk is an integer"):
        zoo.compress(vae, gray, chunk=0)
    with pytest.raises(InputError, match="restores images close to yours"):
        zoo.compress(vector_quantized(), gray)
    with pytest.raises(InputError, match="this model loses nothing"):
        zoo.compress(vae, gray, lossy=True)
    with pytest.raises(InputError, match="lossless models of black and white"):
        zoo.compress(small("vae of levels"), gray, binarize=True)
    with pytest.raises(InputError, match="AE has no prior over its codes"):
        zoo.compress(zoo.build("ae", input_shape=(1, 8, 9), latent_dim=2), gray)
    gaussian = zoo.build(
        "vae", input_shape=(1, 8, 9), latent_dim=2, likelihood={"kind": "gaussian"}
    )
    with pytest.raises(InputError, match="likelihood 'gaussian' is of real numbers"):
        zoo.compress(gaussian, gray)


def vector_quantized() -> zoo.Autoencoder:
    fields = {"input_shape": (1, 8, 9), "latent_dim": 3, "likelihood": {"kind": "bernoulli"}}
    return zoo.build("vq-vae", seed=1, codes=21, **fields).eval()


@pytest.mark.parametrize("chunk", [None, 7])
def test_a_vq_vae_restores_its_reconstructions(chunk):
    model, images = vector_quantized(), shapes(30)
    blob = zoo.compress(model, images, lossy=True, chunk=chunk)
    found, held = zoo.decompress(blob, model=model), parsed(blob)
    with torch.no_grad():
        expected = model.reconstruct(images / 255) * 255
    assert (found - expected).abs().max() < 1
    error = (found / 255 - images / 255).square().flatten(1).mean(1)
    assert abs(held.header.psnr - float((-10 * error.log10()).mean())) < 1e-4
    numbers = zoo.exact(model).numbers(images_as_activations(images))
    share = torch.bincount(numbers.flatten()) / numbers.numel()
    entropy = -(share[share > 0].log2() * share[share > 0]).sum() * numbers.numel()
    assert 8 * held.payload_bytes < entropy + 96 * len(held.chunks) + 0.01 * entropy
    assert torch.equal(zoo.decompress(blob, model=model, only=range(5, 9)), found[5:9])


def test_codes_that_say_nothing_have_no_digits():
    model = small("vae")
    with torch.no_grad():  # two of three codes are those of the prior
        model.posterior_head.weight[[0, 2, 3, 5]] = 0
        model.posterior_head.bias[[0, 2, 3, 5]] = 0
        model.posterior_head.weight[1] *= 20
    digits = parsed(zoo.compress(model, sampled(model, 60))).side
    assert (digits[0], digits[2]) == (0, 0)
    assert digits[1] > 0


@pytest.mark.parametrize("name", ["vae", "hierarchical-vae"])
def test_posteriors_in_the_tails_of_the_prior_cost_what_the_bound_says(name):
    model = small(name)
    with torch.no_grad():  # means far out, known precisely
        head = model.posterior_head if name == "vae" else model.groups[0].posterior_head
        half = len(head.bias) // 2
        head.bias[:half], head.bias[half:] = 5.0, -6.0
    images = sampled(model, 150)
    blob = zoo.compress(model, images, chunk=150)
    file = parsed(blob)
    assert (0 if name == "vae" else 1) in file.header.tails
    assert torch.equal(zoo.decompress(blob, model=model), images)
    with torch.no_grad():
        bits = -model.elbo(images / 255, samples=20).sum().item() / math.log(2)
    assert abs(8 * file.payload_bytes - 32 * file.chunks[0].touched - bits) < 0.01 * bits
    other = written(file.header.model_copy(update={"tails": (7,)}), file.chunks, file.side, None)
    with pytest.raises(DataError, match="its grids are not those of the model"):
        zoo.decompress(other, model=model)


def test_a_stop_loses_what_is_not_finished_and_the_same_call_goes_on(vae, monkeypatch):
    monkeypatch.setattr("zoo.coding.images.STACKS", 2)
    images, out, partial = shapes(30), Path("shapes.aez"), Path("shapes.aez.partial")

    def stop(done: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compress_to(out, vae, images, chunk=3, on_progress=stop)
    assert parsed(partial.read_bytes()).header.count == 18
    assert torch.equal(zoo.decompress(partial, model=vae), images[:18])
    for other, how, why in (
        (images.flip(0), {}, "its images are others"),
        (images[:9], {}, "its images are others"),
        (images, {"chunk": 4}, "its chunks have 3 images"),
    ):
        with pytest.raises(InputError, match=f"was begun with other images.*{why}"):
            compress_to(out, vae, other, **({"chunk": 3} | how))
    with pytest.raises(InputError, match="its model is another"):
        compress_to(out, small("vae", seed=2), images, chunk=3)
    seen = []
    compress_to(out, vae, images, chunk=3, on_progress=seen.append)
    assert min(seen) > 18
    assert not partial.exists()
    assert out.read_bytes() == zoo.compress(vae, images, chunk=3)


def test_nothing_but_compressed_files_is_replaced(vae):
    images = shapes(4)
    Path("folder").mkdir()
    Path("notes.txt").write_text("mine")
    for other in ("folder", "notes.txt"):
        with pytest.raises(
            InputError, match=f"'{other}' exists and is no file of compressed images"
        ):
            compress_to(Path(other), vae, images)
    compress_to(Path("a.aez"), vae, images)
    Path("a.aez").rename("a.aez.partial")  # a stop just before its name was changed
    compress_to(Path("a.aez"), vae, images)
    compress_to(Path("a.aez"), vae, images)
    assert torch.equal(zoo.decompress("a.aez", model=vae), images)


def test_a_prior_of_one_component_and_posteriors_without_bounds_are_coded(tmp_path):
    fields = {"input_shape": (1, 8, 9), "latent_dim": 3, "likelihood": {"kind": "bernoulli"}}
    prior = {"kind": "vamp", "components": 1}
    model = zoo.build("vae", seed=1, prior=prior, **fields).eval()
    assert torch.equal(zoo.decompress(zoo.compress(model, shapes(5)), model=model), shapes(5))
    body = {"kind": "mlp", "hidden": [9, 7]}
    wide = zoo.build("vae", seed=1, log_variance_bound="off", body=body, **fields).eval()
    with torch.no_grad():
        wide.posterior_head.bias[3:] = 14.0
    zoo.save(wide, tmp_path / "wide")
    found = decoded_by_numpy(zoo.compress(wide, shapes(3)), tmp_path / "wide")
    assert np.array_equal(found, shapes(3).numpy())


def test_names_of_files_that_are_numbers_are_kept(vae):
    for name, image in zip(("00017", "00005"), shapes(2), strict=True):
        Path("digits").mkdir(exist_ok=True)
        Image.fromarray(image[0].numpy()).save(Path("digits", f"{name}.png"))
    with tarfile.open("digits.tar", "w") as archive:
        for path in sorted(Path("digits").iterdir()):
            archive.add(path, path.name)
    zoo.save(vae, "model")
    typed("compress", "./model", "digits.tar", "-o", "digits.aez")
    typed("decompress", "digits.aez", "--model", "./model", "-o", "restored")
    assert sorted(p.name for p in Path("restored").rglob("*.png")) == ["00005.png", "00017.png"]
    typed("compress", "./model", "digits.tar", "-o", "digits.tar", code=1)


def test_a_chunk_of_wrong_words_with_a_fitting_checksum_is_skipped(vae):
    images = shapes(30)
    held = parsed(zoo.compress(vae, images, chunk=10))
    zero = np.append(held.chunks[1].words[:-1], np.uint32(0))
    for words in (zero, held.chunks[1].words[:2] + 1):
        chunks = [held.chunks[0], Chunk(10, held.chunks[1].touched, words), held.chunks[2]]
        data = written(held.header, chunks, held.side, None)
        with pytest.raises(DataError, match="Chunk 1 of 3"):
            zoo.decompress(data, model=vae)
        found = zoo.decompress(data, model=vae, skip_damaged=True)
        assert torch.equal(found, torch.cat([images[:10], images[20:]]))
        with pytest.raises(DataError, match="No chunk"):
            zoo.decompress(data, model=vae, only=range(12, 15), skip_damaged=True)


def test_without_the_extra_the_command_that_installs_it_is_said(vae, monkeypatch):
    def absent():
        raise NotInstalledError(f"Compression needs constriction: {stacks.EXTRA}")

    monkeypatch.setattr("zoo.coding.stack._constriction", absent)
    with pytest.raises(NotInstalledError, match=r"pip install 'autoencoder-zoo\[coding\]'"):
        zoo.compress(vae, shapes(2))


def test_the_golden_file_decodes_to_the_same_bytes_for_ever():
    images = zoo.decompress(GOLDEN)
    assert hashlib.sha256(images.numpy().tobytes()).hexdigest() == GOLDEN_SHA256
    again = zoo.compress(zoo.load("vae-mnist-20"), images, chunk=4)
    assert again == GOLDEN.read_bytes()


def test_a_decoder_of_numpy_alone_written_from_the_docs_gives_the_same_bytes(tmp_path):
    folder = zoo.info("vae-mnist-20").folder
    found = decoded_by_numpy(GOLDEN.read_bytes(), folder)
    assert hashlib.sha256(found.tobytes()).hexdigest() == GOLDEN_SHA256
    model = small("vae of levels")
    zoo.save(model, tmp_path / "model")
    images = torch.cat([sampled(model, 3), shapes(2)])
    found = decoded_by_numpy(zoo.compress(model, images, chunk=3), tmp_path / "model")
    assert np.array_equal(found, images.numpy())


def typed(*words: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main([*words])
    assert (end.value.code or 0) == code


def test_a_folder_keeps_its_names_on_the_command_line(tmp_path, capsys, vae):
    images = shapes(6)
    zoo.save(vae, "model")
    for number, image in enumerate(images):
        path = Path("pictures", "ab"[number % 2], f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(path)
    typed("compress", "./model", "pictures", "-o", "pictures.aez")
    assert "6 images in" in capsys.readouterr().out
    typed("show", "pictures.aez")
    assert "payload_bytes" in capsys.readouterr().out
    typed("decompress", "pictures.aez", "--model", "./model", "-o", "restored")
    before, after = (
        {str(p.relative_to(root)): np.asarray(Image.open(p)) for p in Path(root).rglob("*.png")}
        for root in ("pictures", "restored")
    )
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    typed("decompress", "pictures.aez", "--model", "./model", "-o", "two.npy", "--only", "2:4")
    assert np.load("two.npy").shape == (2, 1, 8, 9)
    capsys.readouterr()
    typed("decompress", "pictures.aez", "-o", "three.npy", code=1)
    assert "a model of a folder" in capsys.readouterr().err
    typed("decompress", "pictures.aez", "--model", "./model", "-o", "restored", code=2)
    typed("decompress", "pictures.aez", "--model", "./model", "-o", "x.npy", "--only", "9", code=1)
    assert "is not START:STOP" in capsys.readouterr().err
    assert not Path("three.npy").exists()


def test_the_chunk_whose_words_are_wrong_is_the_one_that_is_named(vae):
    images = shapes(30)
    blob = zoo.compress(vae, images, chunk=10)
    held = parsed(blob)
    other = parsed(zoo.compress(vae, shapes(40)[30:], chunk=10)).chunks[0]
    longer = Chunk(10, other.touched, np.append(other.words, np.uint32(7)))
    chunks = [held.chunks[0], held.chunks[1], longer]
    data = written(held.header, chunks, held.side, None)
    with pytest.raises(DataError, match=r"Chunk 2 of 3, images 20 to 29"):
        zoo.decompress(data, model=vae)
    assert torch.equal(zoo.decompress(data, model=vae, only=range(20)), images[:20])
    fewer = [held.chunks[0], Chunk(11, held.chunks[1].touched, held.chunks[1].words)]
    data = written(held.header.model_copy(update={"count": 21}), fewer, held.side, None)
    with pytest.raises(DataError, match=r"Chunk 1 of 2, images 10 to 20"):
        zoo.decompress(data, model=vae)
