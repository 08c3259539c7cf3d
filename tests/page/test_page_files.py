"""The page as files: what is in it, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import struct
import sys
import threading
import types
import urllib.request

import numpy as np
import pytest
import torch

import zoo
from zoo.cli import main
from zoo.data import load_examples
from zoo.datasets import NAMED
from zoo.errors import InputError
from zoo.page.contents import by_umap, contents, packed, principal_components, within_square
from zoo.page.read import CONTENTS, END, FILES, START
from zoo.page.serve import served, show
from zoo.page.verify import verify_page
from zoo.page.write import write_page

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def digits():
    return load_examples("digits", "test")


@pytest.fixture(scope="module")
def page(tmp_path_factory, digits):
    return write_page(zoo.load("vae-digits-8"), digits, "test", tmp_path_factory.mktemp("page"))


def test_a_page_is_four_files_that_name_no_other_server(page):
    assert sorted(path.name for path in page.parent.iterdir()) == sorted(FILES)
    text = page.read_text()
    card = text[text.index("The model's card") :]
    links = re.findall(r"""(?:src|href)=["']?([^"' >]+)""", text.replace(card, ""))
    assert set(links) <= {"runtime.js", "model.js", "licenses.txt", "data:,"}
    assert "onnxruntime-web 1.30.0" in (page.parent / "licenses.txt").read_text()


def test_it_holds_the_networks_and_the_test_images(page, digits):
    held = json.loads((page.parent / "model.js").read_text().partition(" = ")[2].rstrip(";\n"))
    assert set(held["networks"]) == {"encoder", "decoder"}
    assert held["images"]["count"] == len(digits)
    assert held["images"]["classes"] == list("0123456789")
    assert sorted(held["order"]) == list(range(8))


@pytest.mark.slow
def test_it_is_the_same_bytes_again(page, digits):
    before = {path.name: path.read_bytes() for path in page.parent.iterdir()}
    write_page(zoo.load("vae-digits-8"), digits, "test", page.parent)
    assert {path.name: path.read_bytes() for path in page.parent.iterdir()} == before


def test_markup_of_a_card_is_text(tmp_path, digits, monkeypatch):
    card = "<!-- a mark -->\n# A <script>alert(1)</script>\n\n![x](https://evil.example/x.png) [y](javascript:alert(2))"
    monkeypatch.setattr("zoo.cards.markdown.render_card", lambda info: card)
    page = write_page(zoo.load("vae-digits-8"), digits, "test", tmp_path / "page").read_text()
    shown = page[page.index("The model's card") : page.index("</details>")]
    assert "a mark" not in shown
    assert "<script" not in shown
    assert "<img" not in shown
    assert 'href="javascript' not in shown


def test_a_folder_with_something_else_is_left_alone(tmp_path, digits):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="not part of a page"):
        write_page(zoo.load("vae-digits-8"), digits, "test", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("shape", [(6,), (2, 16)])
def test_a_model_of_rows_or_series_is_refused_with_what_draws_it(tmp_path, shape):
    model = zoo.build("vae", input_shape=shape, latent_dim=2, body={"kind": "mlp"})
    with pytest.raises(InputError, match=r"A page shows images, .* of .*(rows|series): `zoo draw`"):
        write_page(model, None, "", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_places_of_codes_lie_within_the_square():
    for codes in (torch.randn(50, 7), torch.randn(2, 1), torch.zeros(5, 3)):
        places = within_square(principal_components(codes))
        assert places.shape == (len(codes), 2)
        assert ((places >= 0) & (places <= 1)).all()


@pytest.mark.slow
def test_the_map_is_laid_out_by_umap_where_that_is_asked_for(tmp_path, digits, monkeypatch):
    class Umap:
        def __init__(self, **settings):
            assert settings["random_state"] == 0  # the same bytes again

        def fit_transform(self, codes):
            return codes[:, 6:]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    found = contents(zoo.load("vae-digits-8"), digits, "test", umap=True)["images"]
    plain = contents(zoo.load("vae-digits-8"), digits, "test")["images"]
    assert (found["layout"], plain["layout"]) == ("UMAP", "two principal components")
    assert found["points"] != plain["points"]
    with pytest.raises(InputError, match="UMAP needs 16 images, and there are 15"):
        by_umap()(torch.randn(15, 8))
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"autoencoder-zoo\[page\]', or leave --umap out"):
        by_umap()


def test_labels_are_those_of_the_test_images(digits):
    labels = NAMED["digits"].test_labels()
    assert labels is not None
    assert len(labels) == len(digits)
    assert len(NAMED["digits"].classes) == 10


def results(report) -> dict[str, str]:
    return {check.what: check.result for check in report.checks}


def test_a_page_is_verified_against_its_model(page):
    report = verify_page(page.parent)
    assert results(report) == dict.fromkeys(("weights", "script", "encoder", "decoder"), "passed")


@pytest.mark.parametrize(
    ("name", "change", "failed"),
    [
        ("index.html", ("</body>", "<script src=x.js></script></body>"), "script"),
        ("runtime.js", ("zooRuntime", "zooRuntime "), "script"),
        ("model.js", ('"sha256": "', '"sha256": "0'), "weights"),
        ("model.js", ('"decoder": "H', '"decoder": "I'), "decoder"),
        ("model.js", ("globalThis", "globalthis = {} ;"), "files"),
        ("model.js", ("globalThis", "fetch(1), globalThis"), "files"),
    ],
)
def test_a_page_that_was_changed_fails(page, tmp_path, name, change, failed):
    folder = shutil.copytree(page.parent, tmp_path / "page")
    text = (folder / name).read_text()
    assert change[0] in text
    (folder / name).write_text(text.replace(*change, 1))
    assert results(verify_page(folder))[failed] == "failed"


def with_contents(page, folder, **changes):
    """A copy of a page whose script is given something else."""
    shutil.copytree(page.parent, folder)
    held = json.loads((folder / CONTENTS).read_text()[len(START) : -len(END)]) | changes
    (folder / CONTENTS).write_text(START + json.dumps(held) + END)
    return folder


def endless() -> bytes:
    """A network that adds one to its input 2^62 times."""
    value, true = (onnx.helper.make_tensor_value_info(n, t, []) for n, t in (("i", 7), ("c", 9)))
    x, y = (onnx.helper.make_tensor_value_info(n, 1, None) for n in ("x", "y"))
    made = onnx.helper.make_tensor_value_info("o", 9, [])
    body = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Identity", ["c"], ["o"]),
            onnx.helper.make_node("Add", ["x", "x"], ["y"]),
        ],
        "body",
        [value, true, x],
        [made, y],
    )
    most = onnx.numpy_helper.from_array(np.array(2**62), "most")
    loop = onnx.helper.make_node("Loop", ["most", "", "images"], ["codes"], body=body)
    return network([loop], [most])


def network(nodes, weights) -> bytes:
    given, found = (
        onnx.helper.make_tensor_value_info(name, 1, None) for name in ("images", "codes")
    )
    graph = onnx.helper.make_graph(nodes, "g", [given], [found], weights)
    opset = [onnx.helper.make_opsetid("", 18)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def outside() -> bytes:
    """A network whose weights are in a file of this machine."""
    weights = onnx.numpy_helper.from_array(np.zeros(3, np.float32), "w")
    onnx.external_data_helper.set_external_data(weights, "../../secret")
    weights.ClearField("raw_data")
    return network([onnx.helper.make_node("Add", ["images", "w"], ["codes"])], [weights])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (endless, "has the operator 'Loop', which the zoo never writes"),
        (outside, "has weights in another file"),
        (lambda: b"no network", ""),
    ],
    ids=["endless", "outside", "nonsense"],
)
def test_a_strangers_network_neither_loops_nor_reads_files(page, tmp_path, no_hang, made, said):
    networks = dict.fromkeys(("encoder", "decoder"), packed(made()))
    report = verify_page(with_contents(page, tmp_path / "page", networks=networks))
    [check] = [one for one in report.checks if one.what == "encoder"]
    assert check.result == "failed"
    assert said in check.detail


def test_a_network_is_stopped_when_its_time_is_over(page, monkeypatch):
    monkeypatch.setattr("zoo.page.verify.SECONDS", 0.0)
    monkeypatch.setattr("threading.Timer.start", lambda timer: timer.function(*timer.args))
    checks = {one.what: one for one in verify_page(page.parent).checks}
    assert (checks["decoder"].result, "takes longer than 0 s" in checks["decoder"].detail) == (
        "failed",
        True,
    )


@pytest.mark.parametrize("source", [None, "", "./mine", "no-such-name", 3, ["x"], {"a": 1}])
def test_a_page_that_names_no_public_model_does_not_pass(page, tmp_path, source, capsys):
    zoo.pull("vae-digits-8", to="mine")
    folder = with_contents(page, tmp_path / "page", source=source)
    report = verify_page(folder)
    assert (report.passed, results(report)) == (False, {"weights": "not measured"})
    with pytest.raises(SystemExit) as end:
        main(["verify", str(folder)])
    assert end.value.code == 1
    assert "NOT MEASURED (1 not measured)" in capsys.readouterr().out


def test_whose_page_it_should_be_can_be_said(page, tmp_path, capsys):
    folder = with_contents(page, tmp_path / "page", source=None)
    with pytest.raises(SystemExit):
        main(["verify", str(folder), "--model", "vae-digits-8"])
    assert "encoder: differs from the model by" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["model.js", "index.html"])
def test_a_page_of_another_model_or_none_is_not_replaced(page, tmp_path, digits, name):
    folder = with_contents(page, tmp_path / "page", sha256="0" * 64)
    if name != "model.js":
        (folder / "model.js").unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="holds the page of another model"):
        write_page(zoo.load("vae-digits-8"), digits, "test", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.slow
def test_networks_of_another_model_fail(page, tmp_path, digits):
    other = zoo.build(
        "vae", input_shape=(1, 8, 8), latent_dim=8, likelihood={"kind": "continuous-bernoulli"}
    )
    theirs = write_page(other, digits, "test", tmp_path / "other").parent
    assert results(verify_page(theirs)) == {"weights": "not measured"}
    found = results(verify_page(theirs, zoo.load("vae-digits-8")))
    assert found["decoder"] == found["encoder"] == found["weights"] == "failed"


def test_it_is_served_until_it_is_interrupted(page, monkeypatch):
    seen = []

    def look(address):
        try:
            seen.append(urllib.request.urlopen(address, timeout=60).read())
        finally:  # else the test would wait for ever
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("webbrowser.open", look)
    said = []
    show(page.parent, 0, said.append)
    assert seen == [page.read_bytes()]
    assert re.fullmatch(r"http://127.0.0.1:\d+/ until you press Ctrl-C", said[0])


def test_a_browser_that_asks_nonsense_or_goes_away_prints_nothing(page, capfd):
    with served(page.parent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = ("127.0.0.1", server.server_address[1])
        with socket.create_connection(where) as browser:
            browser.sendall(b"GET /%00 HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
            assert b"404" in browser.recv(1000)
        for _ in range(20):
            with socket.create_connection(where) as browser:
                browser.sendall(b"GET /runtime.js HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.shutdown()
    assert "Traceback" not in capfd.readouterr().err


def test_a_port_that_is_taken_is_said(page):
    with (
        served(page.parent) as first,
        pytest.raises(InputError, match="cannot be had"),
        served(page.parent, first.server_address[1]),
    ):
        pass
