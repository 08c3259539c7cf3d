"""The one program that runs in strangers' browsers is the one that its package published."""

from __future__ import annotations

import hashlib
import lzma
import tomllib

from zoo.page.write import RUNTIME, common_files

LOCK = tomllib.loads((RUNTIME / "LOCK.toml").read_text(encoding="utf-8"))


def test_every_file_is_the_one_that_is_recorded():
    found = {}
    for file in RUNTIME.iterdir():
        data, name = file.read_bytes(), file.name
        if name.endswith(".xz"):
            data, name = lzma.decompress(data), name.removesuffix(".xz")
        found[name] = hashlib.sha256(data).hexdigest()
    del found["LOCK.toml"]
    assert found == LOCK["dist"] | LOCK["repository"]


def test_a_page_names_the_version_that_is_recorded():
    assert f"{LOCK['package']} {LOCK['version']}." in common_files()["licenses.txt"]
    assert LOCK["integrity"].startswith("sha512-")
