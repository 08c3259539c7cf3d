"""`zoo.export_onnx` and `zoo.export_torch`: what is written, what it computes, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import zoo
from zoo.errors import ExportError, InputError, ZooError
from zoo.export.examples import examples_for_check
from zoo.families.ae.spec import VectorSpec
from zoo.registry import families

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SHAPE = (3, 8, 9)
CASES = [
    ("hierarchical-vae", {}),
    *(
        pytest.param(family, {}, marks=pytest.mark.slow)
        for family in sorted(families.BUILT_IN)
        if issubclass(families.get(family).spec_class, VectorSpec)
    ),
    pytest.param(
        "conv-vae", {"likelihood": {"kind": "continuous-bernoulli"}}, marks=pytest.mark.slow
    ),
    ("vae", {"likelihood": {"kind": "discretized-logistic"}, "prior": {"kind": "vamp"}}),
]


def run(path: Path, given: torch.Tensor) -> torch.Tensor:
    """What onnxruntime gives for the one input of a file."""
    session = onnxruntime.InferenceSession(path)
    [found] = session.run(None, {session.get_inputs()[0].name: given.numpy()})
    return torch.from_numpy(found)


@pytest.mark.parametrize(("family", "fields"), CASES, ids=lambda value: str(value))
def test_every_familys_graphs_compute_what_it_does_for_any_number_of_images(family, fields):
    model = zoo.build(family, input_shape=SHAPE, latent_dim=3, seed=0, **fields).eval()
    zoo.export_onnx(model, "out")
    for n in (1, 5):
        x = torch.rand(n, *SHAPE)
        with torch.no_grad():
            z = model.encode(x)
            y = model.decode(z)
        torch.testing.assert_close(run(Path("out/encoder.onnx"), x), z, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(run(Path("out/decoder.onnx"), z), y, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """The folder of a published model's ONNX."""
    return zoo.export_onnx(zoo.load("vae-digits-8"), tmp_path_factory.mktemp("digits")).folder


def test_a_file_has_plain_operators_and_the_names_and_shapes_that_are_promised(digits):
    wanted = {"images": ["n", 1, 8, 8], "codes": ["n", 8]}
    for part, takes, gives in (("encoder", "images", "codes"), ("decoder", "codes", "images")):
        path = digits / f"{part}.onnx"
        session = onnxruntime.InferenceSession(path)
        for [one], name in ((session.get_inputs(), takes), (session.get_outputs(), gives)):
            assert (one.name, one.shape, one.type) == (name, wanted[name], "tensor(float)")
        made = onnx.load(path)
        assert [(used.domain, used.version) for used in made.opset_import] == [("", 18)]
        assert {node.domain for node in made.graph.node} == {""}
    text = (digits / "README.md").read_text()
    assert "| `decoder.onnx` | `codes` (n, 8) | `images` (n, 1, 8, 8) |" in text
    assert f"`{zoo.info('vae-digits-8').sha256}`. Its license is apache-2.0." in text


def has_path(path: Path, checkout: Path) -> bool:
    """Whether a file says where on this machine the zoo lies."""
    return any(word in path.read_bytes() for word in (str(checkout).encode(), b"/models/bodies.py"))


def test_no_onnx_file_holds_a_path_of_this_machine(digits, checkout):
    assert not any(has_path(path, checkout) for path in digits.iterdir())


def test_the_same_model_gives_the_same_bytes(digits):
    zoo.export_onnx(zoo.load("vae-digits-8"), "again")
    assert len(list(digits.iterdir())) == 3
    for path in digits.iterdir():
        assert path.read_bytes() == (Path("again") / path.name).read_bytes()


@pytest.mark.parametrize("family", ["conv-ae", "hierarchical-vae", "vq-vae"])
def test_torchs_programs_come_back_and_compute_the_same(family, checkout):
    model = zoo.build(family, input_shape=SHAPE, latent_dim=3, seed=0).eval()
    done = zoo.export_torch(model, "out")
    assert set(done.differences) == {"encoder.pt2", "decoder.pt2"}
    encoder, decoder = (torch.export.load(f"out/{name}").module() for name in done.differences)
    x = torch.rand(5, *SHAPE)
    torch.testing.assert_close(decoder(encoder(x)), model(x), rtol=0, atol=1e-5)
    assert not any(has_path(path, checkout) for path in Path("out").iterdir())


def test_a_model_that_trains_or_is_narrow_is_exported_as_in_eval_mode_and_float32_and_not_changed():
    model = zoo.build("vae", input_shape=SHAPE, latent_dim=3, seed=0).bfloat16()
    zoo.export_torch(model, "out")
    assert model.training
    assert model.dtype == torch.bfloat16
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_real_images_are_taken_where_they_are_and_nothing_is_downloaded(monkeypatch):
    images, what = examples_for_check(zoo.load("vae-digits-8"))
    assert (len(images), what) == (64, "64 test images of digits")
    monkeypatch.setenv("ZOO_DATA", str(Path("empty").absolute()))
    images, what = examples_for_check(zoo.load("vae-mnist-20"))
    assert (images.shape, what) == ((64, 1, 28, 28), "64 random images")


def test_large_images_are_compared_two_at_a_time():
    body = {"kind": "conv", "channels": [2] * 6}
    model = zoo.build("conv-ae", input_shape=(3, 512, 512), latent_dim=2, body=body)
    images, what = examples_for_check(model)
    assert (images.shape, what) == ((2, 3, 512, 512), "2 random images")
    assert not Path("empty").exists()


# Rows and series


def table(shape: tuple[int, ...], family: str = "vae") -> tuple[zoo.Autoencoder, torch.Tensor]:
    """A model whose first column or channel is a timestamp, and examples in the user's units."""
    model = zoo.build(family, input_shape=shape, latent_dim=3, body={"kind": "mlp"}, seed=0).eval()
    assert model.standardization is not None
    model.standardization.mean[0] += 1.7e9
    model.standardization.scale[0] *= 3600
    noise = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    return model, model.standardization.restore(noise)


@pytest.mark.parametrize(("shape", "noun"), [((6,), "rows"), ((2, 16), "series")])
@pytest.mark.parametrize("family", ["ae", "vae"])
def test_graphs_of_rows_and_series_take_and_give_the_users_units(shape, noun, family):
    model, x = table(shape, family)
    done = zoo.export_onnx(model, "out")
    assert done.checked_on == f"64 random {noun}"
    with torch.no_grad():
        z = model.encode(x)
        y = model.decode(z)
    found = run(Path("out/encoder.onnx"), x)
    torch.testing.assert_close(found, z, rtol=1e-5, atol=1e-5)
    a_second = torch.zeros_like(x)
    a_second[:, 0] = 1.0
    assert not torch.equal(run(Path("out/encoder.onnx"), x + a_second), found)
    given = run(Path("out/decoder.onnx"), z)
    assert given.dtype == torch.float64
    torch.testing.assert_close(given, y, rtol=0, atol=1e-5 * 3600)
    for part, takes, gives in (("encoder", noun, "codes"), ("decoder", "codes", noun)):
        session = onnxruntime.InferenceSession(f"out/{part}.onnx")
        assert [one.name for one in (*session.get_inputs(), *session.get_outputs())] == [
            takes,
            gives,
        ]
        types = {"codes": "tensor(float)", noun: "tensor(double)"}
        assert session.get_inputs()[0].type == types[takes]
        assert session.get_outputs()[0].type == types[gives]


@pytest.mark.parametrize(("shape", "noun"), [((6,), "rows"), ((2, 16), "series")])
def test_the_readme_and_the_program_of_rows_and_series_say_so(shape, noun):
    model, x = table(shape)
    zoo.export_torch(model, "out")
    encoder = torch.export.load("out/encoder.pt2").module()
    torch.testing.assert_close(encoder(x), model.encode(x), rtol=1e-5, atol=1e-5)
    text = Path("out/README.md").read_text()
    sides = ", ".join(map(str, shape))
    assert f"| `{noun}` (n, {sides}) | `codes` (n, 3) |" in text
    assert f"n is any number of {noun}; {noun} are float64, in the units of the training" in text
    assert f"codes = encoder({noun})  # {noun}: a tensor, float64" in text
    assert "image" not in text


# What is refused


@pytest.mark.parametrize("export", [zoo.export_onnx, zoo.export_torch])
def test_what_is_there_already_stays(export):
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    Path("file").write_text("mine")
    model = zoo.build("ae", input_shape=SHAPE, latent_dim=3)
    for place, why in (("full", "'full' is not empty. Choose a new"), ("file", "is a file; an")):
        with pytest.raises(InputError, match=why):
            export(model, place)
    assert [path.name for path in Path("full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("absent", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(InputError, match=rf"ONNX needs {absent}: pip install 'autoencoder-zoo\[ex"):
        zoo.export_onnx(zoo.build("ae", input_shape=SHAPE, latent_dim=3), "out")


def test_a_place_that_cannot_be_written_is_a_sentence():
    Path("file").write_text("mine")
    with pytest.raises(ZooError, match="Cannot write"):
        zoo.export_torch(zoo.build("ae", input_shape=SHAPE, latent_dim=3), "file/deep")


class Spec(zoo.Spec):
    @property
    def latent_shape(self):
        return (4,)


class Odd(zoo.Autoencoder):
    """Encodes by a function that a test gives it."""

    Spec = Spec

    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(torch.ones(spec.input_size, 4))

    def _encode(self, x):
        return self.odd(x.flatten(1) @ self.weight)

    def _decode(self, z):
        return torch.sigmoid(z @ self.weight.T).unflatten(-1, self.spec.input_shape)


def odd(code) -> Odd:
    model = Odd(Spec(input_shape=SHAPE))
    model.odd = code
    return model


def chosen_by_a_value(code):
    return code if code.max() > 0 else -code


def test_an_operator_that_onnx_lacks_is_named():
    with pytest.raises(ExportError, match=r"its encoder uses prims\.bessel_j0, which torch cannot"):
        zoo.export_onnx(odd(torch.special.bessel_j0), "out")
    assert not Path("out").exists()
    zoo.export_torch(odd(torch.special.bessel_j0), "out")


def test_a_graph_that_onnxruntime_refuses_is_a_sentence(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("Could not find an implementation for Tanh(18) node")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(ExportError, match=r"the graph of its encoder fails \(.* for Tanh\(18\)"):
        zoo.export_onnx(odd(torch.tanh), "out")


@pytest.mark.parametrize("export", [zoo.export_onnx, zoo.export_torch])
def test_a_line_that_torch_cannot_follow_is_named(export):
    line = r"`return code if code.max\(\) > 0 else -code` \(test_export.py, line \d+\)"
    with pytest.raises(ExportError, match=rf"cannot trace its encoder at {line}"):
        export(odd(chosen_by_a_value), "out")


def test_a_graph_of_one_batch_size_is_refused():
    with pytest.raises(ExportError, match="cannot be exported"):
        zoo.export_torch(odd(lambda code: code.view(2, 4) if len(code) == 2 else code), "out")


def test_a_graph_that_computes_something_else_is_refused():
    with pytest.raises(
        ExportError, match=r"the graph of its encoder differs from it by .* more than"
    ):
        zoo.export_torch(odd(lambda code: code + torch.rand_like(code)), "out")
    assert not Path("out").exists()
