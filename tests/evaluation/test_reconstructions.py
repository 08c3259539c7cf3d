"""Numbers of reconstructions: against NumPy, from any number of threads, and never those of another protocol."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import numpy as np
import numpy_metrics
import pytest
import torch
from backbones import backbone, declared
from PIL import Image

import zoo
from zoo.bench.compare import compare_models
from zoo.errors import DataError, InputError, SpecError
from zoo.evaluation.extractors import Codes, find_extractor
from zoo.evaluation.prepared import prepare, prepared_images
from zoo.evaluation.reconstruction import errors_of, measure_reconstructions, reconstruct_levels
from zoo.registry import families
from zoo.specs.reconstruction import (
    ReconstructionProtocol,
    is_reconstruction,
    native,
    parse_protocol,
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Six pictures of several sizes, smooth enough to be resized differently by every resampler."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number, (height, width) in enumerate(
        [(40, 56), (32, 32), (64, 48), (33, 47), (50, 50), (36, 40)]
    ):
        coarse = generator.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(
            folder / f"{number}.png"
        )
    return folder


@pytest.fixture(scope="module")
def model() -> zoo.Autoencoder:
    return zoo.build("conv-ae", input_shape=(3, 32, 32), latent_dim=32, seed=0).eval()


@pytest.fixture(scope="module")
def any_size() -> zoo.Autoencoder:
    """A model of images of any size that 2 divides."""
    sides = {f"{side}_block_out_channels": (8, 8) for side in ("encoder", "decoder")}
    blocks = {f"num_{side}_blocks": (1, 1) for side in ("encoder", "decoder")}
    shape = (3, 32, 32)
    return zoo.build("autoencoder-tiny", input_shape=shape, seed=0, **sides, **blocks).eval()


def measured(model, photos, protocol="center-32", **options):
    return measure_reconstructions(
        model, prepared_images(photos, parse_protocol(protocol)), **options
    )


@pytest.mark.parametrize("rounding", ["uint8", "off"])
def test_psnr_and_ssim_are_numpys(model, photos, rounding):
    protocol = parse_protocol(f"center-32:rounding={rounding}")
    images = prepared_images(photos, protocol)
    found = measure_reconstructions(model, images).per_image
    for number in range(len(images)):
        pixels = images.one(number)
        with torch.inference_mode():
            y = reconstruct_levels(model, pixels, protocol, "it")[0].double().numpy()
        y = np.round(y * 255) / 255 if rounding == "uint8" else y
        x = pixels.numpy() / 255
        assert found["psnr"][number] == pytest.approx(numpy_metrics.psnr(x, y), abs=1e-12)
        assert found["ssim"][number] == pytest.approx(numpy_metrics.ssim(x, y), abs=1e-12)
        assert found["mse"][number] == pytest.approx(np.mean((x - y) ** 2), rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 11, 11), (3, 11, 40), (1, 64, 13), (3, 50, 37)])
def test_scores_do_not_depend_on_how_many_rows_are_scored_at_once(shape, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    y = (x / 255 + 0.2 * torch.rand(shape, generator=generator)).clamp(0, 1)
    found = []
    for values in (1, 100, 2**16):
        monkeypatch.setattr("zoo.evaluation.reconstruction.VALUES_IN_BAND", values)
        found.append(errors_of(x, y, "off"))
    assert found[0] == found[1] == found[2]
    expected = numpy_metrics.ssim(x.numpy() / 255, y.numpy())
    assert found[0][2] == pytest.approx(expected, abs=1e-12)


def test_a_large_photograph_is_scored_in_little_memory():
    x = torch.zeros(3, 1024, 1024, dtype=torch.uint8)
    y = torch.full((3, 1024, 1024), 0.25)
    tracemalloc.start()
    try:
        errors_of(x, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 * 2**20  # the whole image is 25 MB in float64, and SSIM needs ten of these


def test_evaluate_and_measure_reconstructions_give_the_same_numbers():
    model = zoo.build("conv-ae", input_shape=(1, 16, 16), latent_dim=8, seed=0).eval()
    images = torch.randint(0, 256, (7, 16, 16), dtype=torch.uint8)
    one = zoo.evaluate(model, images, split="train")
    other = zoo.measure_reconstructions(model, images, split="train")
    for name in ("mse", "psnr", "ssim", "mse_se", "psnr_se", "ssim_se"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-5)
    assert one.reconstruction_id == other.protocol_id


def test_a_perfect_reconstruction_has_100_decibels_everywhere():
    model = zoo.build("ae", input_shape=(1, 12, 12), latent_dim=2, seed=0).eval()
    last = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.bias.fill_(50.0)  # a saturated sigmoid: every pixel is exactly 1
    white = np.full((30, 12, 12), 255, np.uint8)
    for found in (
        zoo.evaluate(model, white, protocol="gray", split="train"),
        zoo.measure_reconstructions(model, white),
    ):
        assert (found.mse, found.psnr, found.psnr_se, found.ssim) == (0.0, 100.0, 0.0, 1.0)


def test_the_check_itself_knows_a_perfect_reconstruction():
    x = torch.rand(3, 16, 16)
    assert numpy_metrics.ssim(x.numpy(), x.numpy()) == pytest.approx(1)
    assert numpy_metrics.psnr(x.numpy(), x.numpy()) == 100


def test_threads_do_not_matter(model, photos):
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            one = measured(model, photos).summary
            found.append(one.model_copy(update={"seconds_per_image": 0.0}))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("native", {}),
        ("whole", {"pad": "reflect"}),
        ("center-256", {"resize": 256, "crop": 256}),
        ("center-64", {"resize": 64, "crop": 64}),
        ("center-256:resampler=lanczos:rounding=off", {"resize": 256, "crop": 256, "resampler": "lanczos", "rounding": "off"}),
        ("native:crop=64", {"crop": 64}),
    ],
)  # fmt: skip
def test_a_protocol_by_name_and_back(text, fields):
    protocol = parse_protocol(text)
    assert protocol == ReconstructionProtocol(**fields)
    assert parse_protocol(protocol.words) == protocol
    assert is_reconstruction(text)
    assert not is_reconstruction("binarized")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("center", "Unknown reconstruction protocol 'center'"),
        ("center-4", "sizes range from 8 to 4096"),
        ("center-9999", "sizes range from 8 to 4096"),
        ("native:resampler=lanzcos", "Did you mean 'lanczos'?"),
        ("native:sizes=3", "sizes: unknown field"),
        ("native:crop", "'crop' is not a setting: write name=value."),
        ("native:ssim=range 2", "ssim: unknown field"),
        ("centre-256", "Did you mean 'center-256'?"),
        ("native:colour=gray", "colour: unknown field. Did you mean 'color'?"),
        ("native:color=grey", "Did you mean 'gray'?"),
        ("native:code=draw", "code: input should be 'mean'"),
        ("", "Unknown reconstruction protocol ''"),
    ],
)
def test_a_protocol_that_is_none_gets_a_sentence(text, says):
    with pytest.raises(InputError) as refused:
        parse_protocol(text)
    assert says in str(refused.value)


def jpeg(photos, into):
    for path in photos.glob("*.png"):
        Image.open(path).save(into / f"{path.stem}.jpg", quality=75)


def bgr(photos, into):
    for path in photos.glob("*.png"):
        Image.fromarray(np.asarray(Image.open(path))[..., ::-1]).save(into / path.name)


def another_list(photos, into):
    for path in sorted(photos.glob("*.png"))[1:]:
        Image.open(path).save(into / path.name)


def duplicated(photos, into):
    for path in sorted(photos.glob("*.png")):
        Image.open(path).save(into / path.name)
    Image.open(photos / "5.png").save(into / "6.png")


def narrow_range(photos, into):
    for path in photos.glob("*.png"):
        levels = np.asarray(Image.open(path)).astype(float)
        Image.fromarray((levels * 219 / 255 + 16).astype(np.uint8)).save(into / path.name)


def why_not(one, other):
    return one.ground.differs(other.ground)


def under(protocol):
    """Why numbers under another protocol do not compare with those under center-32."""

    def why(model, photos, tmp_path):
        one, other = (measured(model, photos, text).summary for text in ("center-32", protocol))
        assert one.protocol_id != other.protocol_id
        return why_not(one, other)

    return why


def of(change):
    """Why numbers of other images do not compare, whose protocol is the same."""

    def why(model, photos, tmp_path):
        change(photos, tmp_path)
        one, other = (measured(model, folder).summary for folder in (photos, tmp_path))
        assert one.protocol_id == other.protocol_id
        return why_not(one, other)

    return why


def by_backbones(model, photos, tmp_path):
    files = {name: backbone(name, tmp_path)[0] for name in ("lpips-alex", "lpips-squeeze")}
    found = [find_extractor(f"{name}={declared(path)}") for name, path in files.items()]
    return why_not(*(measured(model, photos, extractor=one).summary for one in found))


def refused(attempt):
    """The sentence that an attempt ends in."""

    def why(model, photos, tmp_path):
        with pytest.raises((InputError, SpecError)) as error:
            attempt(model)
        return str(error.value)

    return why


def protocol(text):
    return lambda model: parse_protocol(text)


def without_scale(model):
    config = {"_class_name": "AutoencoderKL", "scaling_factor": None}
    family = families.get("autoencoder-kl")
    family.spec_class.parse(family.spec_class.from_diffusers(config))


WRONG = {
    "range": (refused(lambda model: model.encode(2 * torch.rand(1, 3, 32, 32) - 1)), "float in [0, 1]"),
    "levels from 16 to 235": (of(narrow_range), "the images differ"),
    "full image, not the crop": (under("whole"), "resize is 32 and off; crop is 32 and off"),
    "crop, not resized": (under("native:crop=32"), "resize is 32 and off"),
    "JPEG, not PNG": (of(jpeg), "the images differ"),
    "resampler": (under("center-32:resampler=bilinear"), "resampler is bicubic and bilinear"),
    "SSIM's range": (refused(protocol("center-32:ssim=range 2")), "ssim: unknown field"),
    "backbone": (by_backbones, "the extractor is lpips-alex (declared)"),
    "a draw, not the mode": (refused(protocol("center-32:code=draw")), "code: input should be 'mean'"),
    "another list of images": (of(another_list), "there are 6 and 5 images"),
    "duplicates by padding": (of(duplicated), "there are 6 and 7 images"),
    "no rounding": (under("center-32:rounding=off"), "rounding is uint8 and off"),
    "missing scale": (refused(without_scale), "scaling_factor: input should be a valid number"),
    "BGR": (of(bgr), "the images differ"),
}  # fmt: skip
"""The mistakes that published numbers were made with: refused, or named as what they are."""


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_protocol_is_refused_or_named_as_another(mistake, any_size, photos, tmp_path):
    why, says = WRONG[mistake]
    assert says in why(any_size, photos, tmp_path)


def test_distances_are_called_what_they_are(model, photos, tmp_path):
    codes = measured(model, photos, extractor=Codes(model)).summary
    assert [*codes.distances] == ["feature distance", "Frechet distance"]
    assert "Not measured: LPIPS and rFID." in codes.left_out
    alex = f"lpips-alex={declared(backbone('lpips-alex', tmp_path)[0])}"
    lpips = measured(model, photos, extractor=find_extractor(alex)).summary
    assert [*lpips.distances] == ["LPIPS (declared)"]
    assert "Not measured: rFID." in lpips.left_out
    assert "Not measured: LPIPS and rFID." in measured(model, photos).summary.left_out


def test_duplicates_are_counted(model, photos, tmp_path):
    duplicated(photos, tmp_path)
    found = measured(model, tmp_path).summary
    assert (found.n_examples, found.n_distinct) == (7, 6)


def test_an_image_is_prepared_as_pillow_does(photos):
    image = Image.open(photos / "0.png").convert("RGB")  # 40 x 56
    expected = image.resize((44, 32), Image.Resampling.BICUBIC).crop((6, 0, 38, 32))
    found = prepare(image, parse_protocol("center-32"), "it")
    assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(expected))
    assert prepare(image.convert("L"), native(3), "it").shape == (3, 40, 56)
    assert prepare(image, ReconstructionProtocol(color="gray"), "it").shape == (1, 40, 56)
    with pytest.raises(DataError, match="'a' is 40 x 56, too small for a crop of 64 x 64"):
        prepare(image, ReconstructionProtocol(crop=64), "'a'")


def test_a_size_that_does_not_fit_gets_a_sentence(model, photos):
    with pytest.raises(InputError, match=r"is 3 x 40 x 56 under the protocol native:color=rgb; the model takes 3 x 32 x 32"):  # fmt: skip
        measured(model, photos, "native")
    with pytest.raises(InputError, match="limit is a number of images"):
        measured(model, photos, limit=0)


def test_models_beside_each_other(model, photos):
    other = zoo.build("conv-ae", input_shape=(3, 32, 32), latent_dim=4, seed=1).eval()
    models = {"a": model, "b": other}
    images = prepared_images(photos, parse_protocol("center-32"))
    found = compare_models(["a", "b", "a"], models.__getitem__, images)
    psnr = [row.numbers.psnr for row in found.rows]
    assert psnr == sorted(psnr, reverse=True)
    assert found.rows[0].rank == 1
    assert [row.rank for row in found.rows if row.numbers.model == "a"] in ([1, 1], [2, 2], [1, 2])
    assert found.picture[:4] == b"\x89PNG"
    assert len(set(found.shown)) == 6
    assert not math.isnan(psnr[0])


def test_models_beside_each_other_on_one_image_have_no_rank_and_no_error(model, photos):
    other = zoo.build("conv-ae", input_shape=(3, 32, 32), latent_dim=4, seed=1).eval()
    images = prepared_images(photos, parse_protocol("center-32"))
    found = compare_models(["a", "b"], {"a": model, "b": other}.__getitem__, images, limit=1)
    assert [row.rank for row in found.rows] == [None, None]
    assert {row.numbers.psnr_se for row in found.rows} == {None}


def test_ssim_that_is_left_out_for_a_small_image_is_said(any_size, tmp_path):
    for number, side in enumerate([32, 8, 32]):
        Image.new("RGB", (32, side)).save(tmp_path / f"{number}.png")
    found = measured(any_size, tmp_path, "native").summary
    assert (found.ssim, found.n_small) == (None, 1)
    assert "SSIM is omitted: 1 image is smaller than its 11-pixel window" in found.left_out


def test_a_model_that_gives_no_numbers_is_refused_with_the_images_key(photos):
    model = zoo.build("conv-ae", input_shape=(3, 32, 32), latent_dim=4, seed=1).eval()
    with torch.no_grad():
        [*model.parameters()][-1].fill_(math.nan)
    with pytest.raises(InputError, match=r"mse is nan for image '0\.png'"):
        measured(model, photos)


def test_the_color_of_a_protocol_is_the_models(photos):
    gray = zoo.build("conv-ae", input_shape=(1, 32, 32), latent_dim=4, seed=1).eval()
    found = measured(gray, photos).summary
    assert found.protocol.color == "gray"
    assert found.protocol_id == parse_protocol("center-32:color=gray").identity


def test_the_time_of_an_image_is_the_median_without_the_first(model, photos, monkeypatch):
    marks = iter([0, 100, 100, 101, 101, 103, 103, 106, 106, 110, 110, 1010, 0, 7])
    monkeypatch.setattr("zoo.evaluation.reconstruction.time.perf_counter", lambda: next(marks))
    assert measured(model, photos).summary.seconds_per_image == 3
    assert measured(model, photos, limit=1).summary.seconds_per_image == 7


@pytest.mark.parametrize(
    "failure",
    [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("can't allocate memory: 9 bytes")],
    ids=["GPU", "CPU"],
)
def test_an_image_for_which_there_is_no_memory_is_named_with_its_size(
    any_size, photos, monkeypatch, failure
):
    def encode(x):
        raise failure

    monkeypatch.setattr(any_size, "_encode", encode)
    with pytest.raises(InputError, match=r"for 3 x 40 x 56 at once .* center-512"):
        measured(any_size, photos, "whole")
