"""`encode_images` and `zoo encode`: pieces, keys, numbers, and stops at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from coded import CPU, PIXELS, codes_of, encoded, images, small_model, stop_at
from disks import small_disk
from PIL import Image

import zoo
from zoo.cli import main
from zoo.data import as_gray, open_all
from zoo.data.moments import Moments
from zoo.errors import DataError, InputError, ZooError
from zoo.evaluation import codes, encode
from zoo.io.files import GrowingFile
from zoo.specs.data import Transform

WRITTEN = ["codes.json", "codes.keys.jsonl", "codes.npy"]


@pytest.fixture(scope="module")
def model() -> zoo.Autoencoder:
    return small_model()


@pytest.fixture(autouse=True)
def notes_after_every_batch(monkeypatch):
    monkeypatch.setattr(encode, "SECONDS_PER_NOTE", 0.0)


def keys(folder: str = ".") -> list[str]:
    return [json.loads(line) for line in Path(folder, "codes.keys.jsonl").read_text().splitlines()]


# What is written


def test_codes_are_the_models_and_their_numbers_those_of_numpy(model):
    np.save("many.npy", PIXELS)
    files = encoded(model, ["many.npy"], "out")
    assert list(files) == WRITTEN
    found = np.load("out/codes.npy")
    with torch.no_grad():
        batches = torch.from_numpy(PIXELS)[:, None].split(500)
        expected = torch.cat([model.encode(as_gray(batch)) for batch in batches])
    assert np.array_equal(found, expected.numpy())
    numbers = json.loads(files["codes.json"])
    np.testing.assert_allclose(numbers["mean"], found.mean(0, np.float64), rtol=1e-9)
    np.testing.assert_allclose(numbers["std"], found.std(0, np.float64), rtol=1e-9)
    assert numbers["overall_std"] == pytest.approx(found.std(dtype=np.float64), rel=1e-9)
    assert numbers["n_examples"] == 1700


def test_a_channel_of_codes_with_height_and_width_is_their_first_dimension():
    numbers = np.random.Generator(np.random.Philox(0)).normal(1000, 0.01, (90, 4, 3, 2))
    moments = Moments.none(4)
    for batch in np.split(numbers, 9):
        moments = moments.with_batch(batch)
    np.testing.assert_allclose(moments.mean, numbers.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(moments.std, numbers.std((0, 2, 3)), rtol=1e-9)
    assert moments.overall_std == pytest.approx(numbers.std(), rel=1e-9)


def test_exact_codes_are_those_of_whole_numbers_whatever_the_batch(model):
    np.save("many.npy", PIXELS)
    files = encoded(model, ["many.npy"], "out", exact=True)
    found = np.load("out/codes.npy")
    form, levels = zoo.exact(model), torch.from_numpy(PIXELS)[:, None]
    assert np.array_equal(found, torch.cat([form.encode(one) for one in levels.split(7)]).numpy())
    assert json.loads(files["codes.json"])["exact"] is True
    with pytest.raises(InputError, match="something else"):
        encoded(model, ["many.npy"], "out")


def test_an_array_that_is_read_from_its_file_gives_the_same_bytes(model, monkeypatch):
    np.save("many.npy", PIXELS)
    held = encoded(model, ["many.npy"], "held")
    monkeypatch.setattr("zoo.data.sources.arrays.IN_MEMORY", 0)
    assert images("many.npy").source.held(np.arange(2)) is None
    assert codes_of(encoded(model, ["many.npy"], "read")) == codes_of(held)


def test_each_code_has_its_images_key_beside_it(model):
    strange = os.fsdecode(b'a "line"\n\xff.png')
    for name, picture in zip(("b.png", "deep/a.png", strange), PIXELS, strict=False):
        Path("folder", name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(Path("folder", name), "png")
    encoded(model, ["folder"], "out")
    assert keys("out") == sorted([strange, "b.png", "deep/a.png"])
    np.save("many.npy", PIXELS[:2])
    np.savez("parts.npz", train=PIXELS[:2], validation=PIXELS[:1], test=PIXELS[:1])
    encoded(model, ["many.npy"], "array")
    assert keys("array") == ["0", "1"]
    encoded(model, ["parts.npz"], "parts")
    assert keys("parts") == ["train/0", "train/1", "validation/0", "test/0"]
    encoded(model, ["folder/b.png", "many.npy", "folder/deep/a.png", "folder"], "mixed")
    assert keys("mixed")[:4] == ["folder/b.png", "many.npy/0", "many.npy/1", "folder/deep/a.png"]
    assert f"folder/{strange}" in keys("mixed")


def test_images_of_another_size_are_fitted_as_the_recipe_says_else_refused(model):
    picture = np.kron(PIXELS[0], np.ones((2, 3), np.uint8))
    Image.fromarray(picture).save("large.png")
    with pytest.raises(DataError, match=r"'large.png' is 16 x 24, not 8 x 8"):
        encoded(model, ["large.png"], "out")
    assert not os.listdir("out")
    fit = Transform(resize=8, crop="center")
    target = Path("fitted.npy")
    encode.encode_images(model, images("large.png", transform=fit), target, device=CPU)
    assert np.load(target).shape == (1, 3)


def test_no_images_are_a_sentence():
    np.save("none.npy", PIXELS[:0])
    with pytest.raises(DataError, match=r"'none.npy' has no images"):
        images("none.npy")


# Stops


@pytest.mark.parametrize("at", [500, 1000, 1700])
def test_an_interrupted_encoding_goes_on_to_the_same_bytes(model, at):
    np.save("many.npy", PIXELS)
    whole = encoded(model, ["many.npy"], "whole")
    stopped = encoded(model, ["many.npy"], "cut", on_progress=stop_at(at, KeyboardInterrupt()))
    assert "codes.npy" not in stopped
    assert json.loads(stopped["codes.npy.journal"])["images"] == at
    seen: list[int] = []
    assert encoded(model, ["many.npy"], "cut", on_progress=seen.append) == whole
    assert seen == [done for done in (500, 1000, 1500, 1700) if done > at]


def test_what_was_written_after_the_last_note_is_written_again(model):
    np.save("many.npy", PIXELS)
    whole = encoded(model, ["many.npy"], "whole")
    encoded(model, ["many.npy"], "cut", on_progress=stop_at(1000, KeyboardInterrupt()))
    for name in ("codes.npy.partial", "codes.keys.jsonl.partial"):
        with Path("cut", name).open("ab") as file:
            file.write(b"half of a piece")
    assert encoded(model, ["many.npy"], "cut") == whole


@pytest.mark.parametrize("lost", ["codes.npy.partial", "codes.keys.jsonl.partial"])
def test_what_was_lost_is_encoded_again(model, lost):
    np.save("many.npy", PIXELS)
    whole = encoded(model, ["many.npy"], "whole")
    encoded(model, ["many.npy"], "cut", on_progress=stop_at(1000, KeyboardInterrupt()))
    os.truncate(Path("cut", lost), 100)
    assert encoded(model, ["many.npy"], "cut") == whole


@pytest.mark.parametrize("left", [3, 2, 1])
def test_a_stop_while_files_take_their_names_is_made_good(model, monkeypatch, left):
    np.save("many.npy", PIXELS)
    whole = encoded(model, ["many.npy"], "whole")
    done = []

    def dying(real):
        def step(*arguments):
            if len(done) == 3 - left:
                raise KeyboardInterrupt
            done.append(real.__name__)
            return real(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(GrowingFile, "take_its_place", dying(GrowingFile.take_its_place))
        patch.setattr(codes, "remove", dying(codes.remove))
        with pytest.raises(KeyboardInterrupt):
            encoded(model, ["many.npy"], "cut")
    assert encoded(model, ["many.npy"], "cut") == whole


def test_a_damaged_journal_is_a_sentence(model):
    np.save("many.npy", PIXELS)
    encoded(model, ["many.npy"], "cut", on_progress=stop_at(500, KeyboardInterrupt()))
    Path("cut/codes.npy.journal").write_text("{")
    with pytest.raises(InputError, match=r"codes.npy.journal' is damaged: begin again"):
        encoded(model, ["many.npy"], "cut")


def test_a_damaged_image_is_named_and_once_mended_the_same_command_goes_on(model):
    Path("folder").mkdir()
    for number in range(600):
        Image.fromarray(PIXELS[number]).save(f"folder/{number:03}.png")
    whole = encoded(model, ["folder"], "whole")
    sound = Path("folder/555.png").read_bytes()
    Path("folder/555.png").write_bytes(sound[:50])
    with pytest.raises(DataError, match=r"'folder/555.png' cannot.*the same command goes on"):
        encoded(model, ["folder"], "cut")
    Path("folder/555.png").write_bytes(sound)
    seen: list[int] = []
    mended = encoded(model, ["folder"], "cut", on_progress=seen.append)
    assert codes_of(mended) == codes_of(whole)
    assert seen == [600]


def test_a_full_disk_is_a_sentence_and_the_same_command_goes_on(model):
    np.save("many.npy", PIXELS)
    whole = encoded(model, ["many.npy"], "whole")
    with small_disk(Path("disk").absolute(), "24k"):
        with pytest.raises(ZooError, match="No space left") as full:
            encoded(model, ["many.npy"], "disk")
        assert "the same command goes on" in str(full.value)
        assert not Path("disk/codes.npy").exists()
        subprocess.run(["mount", "-o", "remount,size=1m", "disk"], check=True)
        assert encoded(model, ["many.npy"], "disk") == whole


# The command


@pytest.mark.slow
def test_the_command_killed_and_interrupted_ends_with_the_same_bytes(model):
    zoo.save(model, "model")
    np.save("many.npy", np.tile(PIXELS, (5, 1, 1)))
    whole = encoded(zoo.load("./model"), ["many.npy"], "whole")
    notes = "import zoo.evaluation.encode as e; e.SECONDS_PER_NOTE = 0.0"
    slow = "import time; real = e._codes; e._codes = lambda *a: (time.sleep(0.1), real(*a))[1]"
    words = ["encode", "./model", "many.npy", "--device", "cpu", "-o", "cut/codes.npy"]
    code = f"{notes}; {slow}; from zoo.cli import main; main({words})"
    journal = Path("cut/codes.npy.journal")

    def started(until: int) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", code], text=True, stderr=subprocess.PIPE)
        while not (journal.exists() and json.loads(journal.read_text())["images"] >= until):
            assert process.poll() is None
            time.sleep(0.02)
        return process

    process = started(until=1000)
    process.kill()
    process.wait()
    assert not Path("cut/codes.npy").exists()
    process = started(until=3000)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert "of 8,500 images. The same command goes on." in said
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
    assert {path.name: path.read_bytes() for path in Path("cut").iterdir()} == whole


def test_the_command_fits_images_as_the_models_recipe_says(model, capsys):
    zoo.save(model, "model")
    recipe = (
        '[data]\ndataset = "digits"\nprotocol = "gray"\ntransform = {resize = 8, crop = "center"}\n'
    )
    Path("model/recipe.toml").write_text(recipe)
    Image.fromarray(np.kron(PIXELS[0], np.ones((2, 3), np.uint8))).save("large.png")
    with pytest.raises(SystemExit) as end:
        main(["encode", "./model", "large.png", "-o", "codes.npy", "--device", "cpu"])
    assert not end.value.code, capsys.readouterr().err
    assert np.load("codes.npy").shape == (1, 3)


def test_rows_are_encoded_in_their_own_units(monkeypatch):
    rows = np.random.Generator(np.random.Philox(5)).normal(size=(700, 5)) + 1.7e9
    np.save("table.npy", rows)
    model = zoo.build("ae", input_shape=(5,), latent_dim=2, body={"kind": "mlp", "hidden": [4]})
    given = []

    def taken(self, x):
        given.append(x)
        return self._encode((x - 1.7e9).float())

    monkeypatch.setattr(type(model), "encode", taken)
    examples = open_all(["table.npy"], shape=(5,), transform=Transform())
    done = encode.encode_images(model.eval(), examples, Path("codes.npy"), device=CPU)
    assert done == 700
    assert np.array_equal(torch.cat(given).numpy(), rows)
    assert np.load("codes.npy").shape == (700, 2)
    with pytest.raises(InputError, match=r"Mirror images are of images; the model takes 5-column"):
        encode.encode_images(model, examples, Path("b.npy"), device=CPU, flipped=True)
