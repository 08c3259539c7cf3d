"""Where a command prints, and where it writes: what cannot be written to is a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cli import main


def command(*words: str, **options) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "zoo", *words], env=environment, **options)


def test_a_reader_that_goes_away_is_no_error():
    for words in (["list", "--families"], ["show", "vae", "--json"]):
        process = command(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=300)
        assert process.returncode in (0, 1)
        assert err == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_a_sentence():
    with open("/dev/full", "wb") as full:
        process = command("show", "vae", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert b"No space left on device" in err
    assert b"Traceback" not in err


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("file/codes.npy", "'file' is a file, but a folder is needed"),
        ("file/deep/codes.npy", "Not a directory"),
        ("folder.npy", "not a regular file; it was not replaced"),
        ("zero.npy", "not a regular file; it was not replaced"),
        ("/proc/nowhere/codes.npy", "No such file or directory"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_a_sentence(fails, here, out, why):
    import numpy as np

    np.save("images.npy", np.zeros((3, 8, 8), np.uint8))
    Path("file").write_text("mine")
    Path("folder.npy").mkdir()
    Path("zero.npy").symlink_to("/dev/zero")
    message = fails("encode", "./model", "images.npy", "-o", out)
    assert message.startswith("Error: ")
    assert why in message
    assert Path("file").read_text() == "mine"
    assert os.readlink("zero.npy") == "/dev/zero"


def test_codes_that_were_there_survive_a_failed_run(fails, here):
    Path("codes.npy").write_bytes(b"old")
    fails("encode", "./model", "nowhere.png", "-o", "codes.npy")
    assert Path("codes.npy").read_bytes() == b"old"


def test_a_number_of_thousands_of_digits_is_a_sentence(fails):
    fails("train", "vae-digits-8", "epochs=" + "9" * 5000)


def test_a_value_nested_without_end_is_a_sentence(fails):
    fails("train", "vae-digits-8", "epochs=" + "[" * 5000)


def test_encode_refuses_more_than_one_process(capsys, as_rank):
    as_rank(2, 0)
    with pytest.raises(SystemExit) as end:
        main(["encode", "vae-digits-8", "digits", "-o", "codes.npy"])
    assert end.value.code == 1
    assert "runs in one process" in capsys.readouterr().err


def test_a_command_that_is_printed_is_the_one_that_works_here(tmp_path, monkeypatch):
    from zoo.cli.output import program

    script = tmp_path / ".venv/bin/zoo"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == str(script)
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "zoo"
    monkeypatch.setattr(sys, "argv", ["/somewhere/zoo/__main__.py"])
    assert program() == "python -m zoo"
