"""Digests: the two hashes under which the Hub and git keep a file."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from zoo.io.digests import Digest


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 10_000])
def test_the_sha1_is_the_one_that_git_gives_a_blob(data):
    Path("file").write_bytes(data)
    git = subprocess.run(["git", "hash-object", "file"], capture_output=True, text=True)
    digest = Digest.from_etag(git.stdout.strip())
    assert digest is not None
    assert digest.kind == "git-sha1"
    assert digest.matches(data)
    assert digest.is_of(Path("file"))
    assert not digest.matches(data + b"x")


def test_a_sha256_is_known_by_its_length():
    Path("file").write_bytes(b"abc")
    digest = Digest.from_etag(hashlib.sha256(b"abc").hexdigest())
    assert digest is not None
    assert digest.kind == "sha256"
    assert digest.is_of(Path("file"))


@pytest.mark.parametrize("etag", ["", "abc", "g" * 40, "A" * 64, "../" + "a" * 37, '"' + "a" * 40])
def test_what_is_no_hash_is_none(etag):
    assert Digest.from_etag(etag) is None


def test_a_file_of_another_size_does_not_match():
    assert not Digest("sha256", hashlib.sha256(b"abc").hexdigest(), size=4).matches(b"abc")


def test_what_cannot_be_read_does_not_match():
    assert not Digest("sha256", "0" * 64).is_of(Path("nowhere"))
