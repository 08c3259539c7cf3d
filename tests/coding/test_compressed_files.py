"""Compressed files: damage, stops and mistakes are sentences, and nothing else is lost."""

from __future__ import annotations

import contextlib
import random
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from coded_models import shapes, small
from PIL import Image

import zoo
from zoo.api.compression import compress_to
from zoo.cli import main
from zoo.coding.codec import Chunk
from zoo.coding.file import MAGIC, parsed, written
from zoo.errors import DataError, InputError


@pytest.fixture(scope="module")
def vae() -> zoo.Autoencoder:
    return small("vae")


@pytest.fixture(scope="module")
def blob(vae) -> bytes:
    return zoo.compress(vae, shapes(30), chunk=7)


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
