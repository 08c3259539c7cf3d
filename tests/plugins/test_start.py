"""`zoo plugins new`: what it writes installs, works and passes, and what it cannot write it says."""

from __future__ import annotations

import pytest

from zoo.cli import main
from zoo.errors import InputError
from zoo.testing.new import TEMPLATE, family_for, write_package


def run(capsys, *words) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["plugins", *words])
    out = capsys.readouterr()
    return end.value.code, out.out + out.err


@pytest.mark.slow
@pytest.mark.parametrize("kind", [[], ["--variational"]], ids=["plain", "variational"])
def test_what_it_writes_works_once_installed(place, tmp_path, kind):
    done = place.zoo("plugins", "new", "acme-tiny-thing", *kind, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "acme-tiny-thing"
    text = "".join(path.read_text() for path in project.rglob("*") if path.is_file())
    assert "acme_thing" not in text
    place.install(project, by_pip=True)
    assert "thing" in place.zoo("list", "--families").stdout
    done = place.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("acme-vq", "vq"),
        ("acme_vq", "vq"),
        ("acme-vae", "acme-vae"),
        ("mine", "mine"),
        ("Acme.VQ2", "vq2"),
        ("acme-2", "acme-2"),
    ],
)
def test_the_family_is_the_last_word_of_the_package(name, family):
    assert family_for(name) == family


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../evil", "named like acme-vq"),
        ("acme thing", "named like acme-vq"),
        ("", "named like acme-vq"),
        ("vae", "A family 'vae' is already here"),
        ("x" * 61, "named like acme-vq"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path, name, said):
    with pytest.raises(InputError) as caught:
        write_package(name, tmp_path / "new")
    assert said in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_nothing_that_is_there_is_written_over(tmp_path):
    (tmp_path / "acme-thing").mkdir()
    with pytest.raises(InputError, match="is already there"):
        write_package("acme-thing", tmp_path / "acme-thing")


@pytest.mark.parametrize("variational", [False, True])
def test_every_word_of_the_template_is_replaced(tmp_path, variational):
    files = write_package("other-words", tmp_path / "new", variational)
    of_both = [p for p in TEMPLATE.rglob("*") if p.suffix in (".py", ".toml", ".md")]
    assert len(files) == len(of_both) - 1  # of the two models, one
    [model] = [path for path in files if path.name == "model.py"]
    assert ("VariationalAutoencoder" in model.read_text()) == variational
    for path in files:
        assert "thing" not in path.name
        for word in ("acme", "thing", "Thing"):
            assert word not in path.read_text().replace("Nothing", ""), path


def test_the_help_says_how_to_begin(capsys):
    code, out = run(capsys, "--help")
    assert code == 0
    for line in (
        "zoo plugins new acme-thing",
        "pip install -e ./acme-thing",
        "zoo plugins check thing",
        'thing = "acme_thing:Thing"',
    ):
        assert line in out


def test_a_misspelled_family_is_wrong_before_any_work(capsys):
    code, out = run(capsys, "check", "vae", "vaee")
    assert code == 1
    assert out.startswith("Error: No family named 'vaee'. Did you mean 'vae'?")
