"""`zoo denoise`, `reconstruct`, `inpaint` and `impute`: files that keep what they are, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli import main

PIXELS = np.random.Generator(np.random.Philox(5)).integers(0, 256, (30, 44, 3), np.uint8)


@pytest.fixture(scope="module")
def unet(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("denoiser") / "model"
    zoo.save(zoo.build("unet", input_shape=(1, 8, 8), channels=(3, 4), seed=0), path)
    return str(path)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder of pictures of all kinds."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    color, gray = Image.fromarray(PIXELS), Image.fromarray(PIXELS[..., 0])
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    color.save(folder / "turned.jpg", exif=exif)
    gray.save(folder / "sub" / "gray.png")
    clear = color.copy()
    clear.putalpha(Image.fromarray(PIXELS[..., 1]))
    clear.save(folder / "clear.webp", lossless=True, exact=True)
    color.convert("P").save(folder / "palette.gif")
    color.resize((1, 40)).save(folder / "line.bmp")
    gray.convert("P").save(folder / "scan.tif", exif=exif)
    (folder / "notes.txt").write_text("of mine")
    return folder


def ran(capsys, *words: object) -> str:
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    out, err = capsys.readouterr()
    assert end.value.code == 0, err
    return out


def test_pictures_keep_names_formats_and_what_is_no_pixel(capsys, unet, pictures):
    said = ran(capsys, "denoise", unet, pictures, "-o", "out")
    names = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.*")}
    assert names == {
        "turned.jpg",
        "sub/gray.png",
        "clear.webp",
        "palette.gif",
        "line.bmp",
        "scan.tif",
    }
    with Image.open("out/turned.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (30, 44))
        assert dict(image.getexif()) == {0x010F: "Camera"}
    with Image.open("out/clear.webp") as image:
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image)[..., 3], PIXELS[..., 1])
    with Image.open("out/sub/gray.png") as image:
        assert image.mode == "L"
        seen = np.asarray(image)
    with Image.open("out/scan.tif") as image:
        assert (image.mode, image.size) == ("RGB", (30, 44))
        x = zoo.denoise(unet, as_tensor(np.rot90(PIXELS[..., :1], -1).copy()))[0, 0]
        assert np.abs(np.asarray(image)[..., 0] / 255 - x.numpy()).max() < 0.5 / 255
    assert "turned.jpg: sigma " in said
    assert "(estimated), a gray model on each channel, JPEG of quality 95" in said
    assert "line.bmp: too small to estimate the noise" in said
    x = zoo.denoise(unet, as_tensor(PIXELS[..., :1]))
    assert np.array_equal(seen, np.round(x[0, 0].numpy() * 255).astype(np.uint8))


def as_tensor(pixels: np.ndarray):
    import torch

    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def test_transparency_that_a_format_cannot_have_is_said(capsys, unet):
    clear = Image.fromarray(PIXELS)
    clear.putalpha(Image.fromarray(PIXELS[..., 1] // 128 * 255))
    clear.save("clear.gif")
    said = ran(capsys, "denoise", unet, "clear.gif", "-o", "out")
    assert "without its transparency, as a GIF" in said


def test_pictures_that_fail_are_left_out_and_said(fails, unet, pictures):
    (pictures / "broken.png").write_bytes(b"no picture")
    said = fails("denoise", unet, str(pictures), "-o", "out")
    assert "broken.png' cannot be read as an image" in said
    assert len(list(Path("out").rglob("*.*"))) == 6


def test_results_inside_the_folder_are_not_read_again(capsys, unet, pictures):
    out = pictures / "clean"
    ran(capsys, "denoise", unet, pictures, "-o", out)
    before = sorted(out.rglob("*.*"))
    ran(capsys, "denoise", unet, pictures, "-o", out, "--overwrite")
    assert sorted(out.rglob("*.*")) == before


def test_json_says_what_was_done(capsys, unet, pictures):
    out = ran(capsys, "denoise", unet, pictures / "sub", "--sigma", "25/255", "-o", "out", "--json")
    (one,) = json.loads(out)["pictures"]
    assert one["sigma"] == 25 / 255
    assert not one["estimated"]
    assert not one["by_channel"]


def test_strength_0_leaves_the_pixels(capsys, unet, pictures):
    ran(capsys, "denoise", unet, pictures / "sub" / "gray.png", "--strength", "0", "-o", "out")
    with Image.open("out/gray.png") as image:
        assert np.array_equal(np.asarray(image), PIXELS[..., 0])


def test_reconstructions_are_written(capsys, pictures):
    Image.fromarray(PIXELS[:8, :8, 0]).save("digit.png")
    ran(capsys, "reconstruct", "vae-digits-8", "digit.png", "-o", "out")
    with Image.open("out/digit.png") as image:
        assert image.size == (8, 8)


def test_nothing_is_replaced(fails, unet, pictures, capsys):
    before = {path: path.read_bytes() for path in pictures.rglob("*.*")}
    assert "would replace a file that is read" in fails(
        "denoise", unet, str(pictures), "-o", str(pictures)
    )
    ran(capsys, "denoise", unet, pictures, "-o", "out")
    said = fails("denoise", unet, str(pictures), "-o", "out", code=2)
    assert "exists: --overwrite replaces it" in said
    ran(capsys, "denoise", unet, pictures, "-o", "out", "--overwrite")
    one = str(pictures / "sub" / "gray.png")
    assert "Two pictures would be written" in fails("denoise", unet, one, one, "-o", "new", code=2)
    assert not Path("new").exists()
    assert {path: path.read_bytes() for path in pictures.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a.png", "--sigma", "25"], '"25/255"'),
        (["a.png", "--sigma", "-1"], "at least 0"),
        (["nowhere.png"], "does not exist"),
        (["deep.png"], "more than 8 bits"),
        (["empty"], "No images in 'empty'"),
        (["a.npy"], "neither an image file nor a folder"),
    ],
)
def test_mistakes_are_sentences(fails, unet, words, said):
    Image.fromarray(PIXELS[..., 0]).save("a.png")
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 256).save("deep.png")
    np.save("a.npy", PIXELS)
    Path("empty").mkdir()
    assert said in fails("denoise", unet, *words, "-o", "out")
    assert not [path for path in Path("out").rglob("*") if path.is_file()]


def test_missing_pixels_are_filled_in_several_times(capsys, fails):
    Image.fromarray(PIXELS[:8, :8, 0]).save("digit.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[4:] = 255
    Path("masks").mkdir()
    Image.fromarray(mask).save("masks/digit.gif")
    Image.fromarray(mask).save("masks/digit.b.png")
    Path("masks/digit.txt").write_text("not a mask")
    how = ("inpaint", "vae-digits-8", "digit.png", "-o", "out", "--steps", "4")
    said = ran(capsys, *how, "--mask", "masks", "--samples", 2)
    assert "digit.png: 32 pixels missing" in said
    for number in (1, 2):
        with Image.open(f"out/digit.{number}.png") as image:
            assert np.array_equal(np.asarray(image)[:4], PIXELS[:4, :8, 0])
    Image.fromarray(mask[:5]).save("small.png")
    assert "is 5 x 8; its picture is 8 x 8" in fails(*how, "--overwrite", "--mask", "small.png")
    Image.fromarray(mask // 2).save("half.png")
    assert "has levels between black and white" in fails(*how, "--overwrite", "--mask", "half.png")
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save("gray.png")
    assert "black and white (128)" in fails(*how, "--overwrite", "--mask", "gray.png")
    Path("none").mkdir()
    assert "has no mask for 'digit.png'" in fails(*how, "--overwrite", "--mask", "none")


def test_a_tables_missing_values_are_drawn(capsys, fails):
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, 60)
    sizes = kinds * 10 + rng.normal(size=60)
    lines = [
        f"{size:.3f},{'ab'[kind]},{'true' if kind else 'false'},{2 * kind}"
        for size, kind in zip(sizes, kinds, strict=True)
    ]
    Path("table.csv").write_text("\n".join(["size,kind,big,count", *lines]))
    settings = ["epochs=2", "model.latent_dim=1"]
    ran(capsys, "detect", "fit", "table.csv", *settings, "--out", "fitted", "--contamination", 0.1)
    Path("gaps.csv").write_text("kind,size,big,count\n,10.250,true,3\na,,,\na,0.5,false,1\n")
    said = ran(capsys, "impute", "./fitted", "gaps.csv", "-o", "full.csv", "--draws", 2)
    assert "full.1.csv to full.2.csv: 3 rows" in said
    rows = [line.split(",") for line in Path("full.1.csv").read_text().splitlines()]
    assert rows[0] == ["kind", "size", "big", "count"]
    assert rows[1][0] in ("a", "b")
    assert rows[1][1:] == ["10.250", "true", "3"]
    assert float(rows[2][1])
    assert rows[2][2] in ("true", "false")
    assert rows[3] == ["a", "0.5", "false", "1"]
    again = fails("impute", "./fitted", "gaps.csv", "-o", "full.csv", "--draws", "2", code=2)
    assert "exists: --overwrite" in again
    assert "does not end in .csv" in fails(
        "impute", "./fitted", "gaps.csv", "-o", "full.npy", code=2
    )


def test_rows_in_an_array_are_imputed(capsys):
    x = np.full((2, 30), np.nan)
    x[:, :5] = 1.0
    np.save("rows.npy", x)
    ran(
        capsys,
        "impute",
        "vae-breast-cancer-2",
        "rows.npy",
        "-o",
        "full.npy",
        "--draws",
        1,
        "--steps",
        4,
    )
    full = np.load("full.npy")
    assert full.shape == (2, 30)
    assert (full[:, :5] == 1.0).all()
    assert np.isfinite(full).all()
