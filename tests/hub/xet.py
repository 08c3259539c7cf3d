"""What a Hub with `hub.xet = True` answers to clients that move large files over Xet.

A file is cut into chunks, which travel in xorbs, many at a time. A shard says which chunks of
which xorbs make a file. https://huggingface.co/docs/xet specifies both. An upload is read here as
far as it takes to have the file's bytes, and its xorbs are served as they came. A large file that
came another way is packed into a xorb when it is first asked for.

The client asks for more: v1/chunks, v1/xorb-grants, v2/shards and v2/reconstructions. There are
none here, and it makes do without.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from desk import Desk, RefusedError, route
from repos import Blob, Repo, Term
from routes import part_of
from server import Answer

CHUNK_BYTES = 2**16
TOKEN_SECONDS = 3600
ENTRY = 48
"""Bytes of a shard's header and of each of its entries."""
END = b"\xff" * 32
"""In place of a hash, where a section of a shard ends."""
WITH_VERIFICATION, WITH_SHA256 = 1 << 31, 1 << 30
STORED, LZ4, GROUPED_LZ4 = range(3)


class FormatError(ValueError):
    """A xorb or shard that is not as specified."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a file, where it lies in a xorb."""

    start: int
    end: int
    data: bytes


def pack(data: bytes) -> bytes:
    """A xorb with these bytes, as they are."""
    xorb = bytearray()
    for at in range(0, len(data), CHUNK_BYTES):
        piece = data[at : at + CHUNK_BYTES]
        size = len(piece).to_bytes(3, "little")
        xorb += struct.pack("<B3sB3s", 0, size, STORED, size) + piece
    return bytes(xorb)


def unpack(xorb: bytes) -> list[Chunk]:
    """The chunks of a xorb, which may have a footer or not."""
    chunks, at = [], 0
    while at + 8 <= len(xorb) and xorb[at] == 0:
        _, packed, scheme, unpacked = struct.unpack_from("<B3sB3s", xorb, at)
        start, at = at, at + 8 + int.from_bytes(packed, "little")
        data = _unpacked(xorb[start + 8 : at], scheme)
        if len(data) != int.from_bytes(unpacked, "little"):
            raise FormatError(f"chunk {len(chunks)} has {len(data)} bytes")
        chunks.append(Chunk(start, at, data))
    return chunks


def _unpacked(data: bytes, scheme: int) -> bytes:
    if scheme == STORED:
        return data
    data = _lz4_frame(data)
    if scheme == LZ4:
        return data
    grouped, at = bytearray(len(data)), 0
    for place in range(4):
        size = len(grouped[place::4])
        grouped[place::4] = data[at : at + size]
        at += size
    return bytes(grouped)


def _lz4_frame(data: bytes) -> bytes:
    """The bytes that were packed; checksums are not looked at."""
    magic, flags = struct.unpack_from("<IB", data)
    if magic != 0x184D2204:
        raise FormatError("no LZ4 frame")
    at = 7 + (8 if flags & 8 else 0) + (4 if flags & 1 else 0)
    out = bytearray()
    while size := int.from_bytes(data[at : at + 4], "little"):
        length = size & 0x7FFFFFFF
        block = data[at + 4 : at + 4 + length]
        if size >> 31:
            out += block
        else:
            _lz4_block(block, out)
        at += 4 + length + (4 if flags & 16 else 0)
    return bytes(out)


def _lz4_block(block: bytes, out: bytearray) -> None:
    at = 0
    while True:
        token = block[at]
        literals, at = _lz4_length(token >> 4, block, at + 1)
        out += block[at : at + literals]
        at += literals
        if at >= len(block):
            return
        back = int.from_bytes(block[at : at + 2], "little")
        count, at = _lz4_length(token & 15, block, at + 2)
        count += 4
        seen = out[-back:]
        out += (seen * (count // back + 1))[:count]


def _lz4_length(length: int, block: bytes, at: int) -> tuple[int, int]:
    """A length that goes on in the next bytes if its four bits are all set, and where it ends."""
    more = 255 if length == 15 else 0
    while more == 255:
        more = block[at]
        length, at = length + more, at + 1
    return length, at


@dataclass(frozen=True)
class Recipe:
    """What a shard says of one file."""

    name: str
    terms: tuple[Term, ...]
    sha256: str | None


def read_shard(shard: bytes) -> Iterator[Recipe]:
    """The files of a shard; what it says of xorbs is for finding chunks again."""
    at = ENTRY
    while shard[at : at + 32] != END:
        if at + ENTRY > len(shard):
            raise FormatError("the shard ends before its section of files")
        hash_, flags, count = struct.unpack_from("<32sII", shard, at)
        at += ENTRY
        terms = [_term(shard, at + ENTRY * number) for number in range(count)]
        at += ENTRY * count * (2 if flags & WITH_VERIFICATION else 1)
        sha256 = hash_name(shard[at : at + 32]) if flags & WITH_SHA256 else None
        at += ENTRY if flags & WITH_SHA256 else 0
        yield Recipe(hash_name(hash_), tuple(terms), sha256)


def _term(shard: bytes, at: int) -> Term:
    xorb, _, size, start, end = struct.unpack_from("<32sIIII", shard, at)
    return Term(hash_name(xorb), start, end, size)


def hash_name(value: bytes) -> str:
    """Xet writes a hash as four little-endian numbers."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", value))


@route("GET", "/api/models/{repo}/xet-read-token/{revision}")
def read_token(desk: Desk, repo: str, revision: str) -> Answer:
    found = desk.readable(repo)
    desk.commit(found, revision)
    return _token(desk, "read", found)


@route("GET", "/api/models/{repo}/xet-write-token/{revision}")
def write_token(desk: Desk, repo: str, revision: str) -> Answer:
    return _token(desk, "write", desk.writable(repo, pull_request="create_pr" in desk.ask.query))


def _token(desk: Desk, right: str, repo: Repo) -> Answer:
    """The client's Python part reads the headers, its Rust part the body."""
    if not desk.state.xet:
        raise RefusedError(404, "Xet is not enabled")
    token, end = f"{right} {repo.name}", int(time.time()) + TOKEN_SECONDS
    answer = Answer.of({"accessToken": token, "exp": end, "casUrl": desk.cdn_url})
    answer.headers["X-Xet-Access-Token"] = token
    answer.headers["X-Xet-Token-Expiration"] = str(end)
    answer.headers["X-Xet-Cas-Url"] = desk.cdn_url
    return answer


def _repo(desk: Desk, right: str) -> Repo:
    """The repo that the token of a request is for."""
    given = desk.ask.headers.get("authorization", "").removeprefix("Bearer ")
    granted, _, name = given.partition(" ")
    repo = desk.state.repos.get(name)
    if repo is None:
        raise RefusedError(401, "No Xet token")
    if granted not in (right, "write"):
        raise RefusedError(403, f"The token has no right to {right}")
    return repo


@route("POST", "/v1/xorbs/default/{name}", "cdn")
def post_xorb(desk: Desk, name: str) -> Answer:
    _repo(desk, "write")
    is_new = name not in desk.state.xorbs
    desk.state.xorbs.setdefault(name, desk.ask.body)
    return Answer.of({"was_inserted": is_new})


@route("POST", "/v1/shards", "cdn")
def post_shard(desk: Desk) -> Answer:
    """Makes each file whose xorbs are there one that can be committed."""
    repo = _repo(desk, "write")
    try:
        for recipe in read_shard(desk.ask.body):
            blob = Blob(b"".join(_data(desk, term) for term in recipe.terms), large=True)
            if recipe.sha256 not in (None, blob.sha256):
                raise FormatError(f"the file's sha256 is {blob.sha256}, not {recipe.sha256}")
            repo.uploaded.setdefault(blob.sha256, blob)
            desk.state.xet_names[blob.sha256] = recipe.name
            desk.state.recipes[recipe.name] = recipe.terms
    except (FormatError, KeyError, IndexError, struct.error) as wrong:
        raise RefusedError(400, f"Bad shard: {wrong!r}") from None
    return Answer.of({"result": 1})


def _data(desk: Desk, term: Term) -> bytes:
    chunks = unpack(desk.state.xorbs[term.xorb])[term.start : term.end]
    data = b"".join(chunk.data for chunk in chunks)
    if len(data) != term.size:
        raise FormatError(f"chunks {term.start}-{term.end} have {len(data)} bytes, not {term.size}")
    return data


@route("GET", "/v1/reconstructions/{name}", "cdn")
def reconstruction(desk: Desk, name: str) -> Answer:
    """Where to get each part of a file, all of it whatever the Range."""
    repo = _repo(desk, "read")
    terms = desk.state.recipes.get(name) or _cut(desk, repo, name)
    if not desk.ask.headers.get("range", "bytes=0-").startswith("bytes=0-"):
        raise RefusedError(416, "There is no more")
    fetch: dict[str, list[dict]] = {}
    for term in terms:
        chunks = unpack(desk.state.xorbs[term.xorb])[term.start : term.end]
        fetch.setdefault(term.xorb, []).append(
            {
                "range": {"start": term.start, "end": term.end},
                "url": f"{desk.cdn_url}/xorbs/{term.xorb}",
                "url_range": {"start": chunks[0].start, "end": chunks[-1].end - 1},
            }
        )
    wanted = [
        {
            "hash": term.xorb,
            "unpacked_length": term.size,
            "range": {"start": term.start, "end": term.end},
        }
        for term in terms
    ]
    return Answer.of({"offset_into_first_range": 0, "terms": wanted, "fetch_info": fetch})


def _cut(desk: Desk, repo: Repo, sha256: str) -> tuple[Term, ...]:
    """A xorb of a file's own; it and the file are named by sha256, which the client accepts."""
    blob = repo.uploaded.get(sha256)
    if blob is None:
        raise RefusedError(404, "There is no such file")
    xorb = desk.state.xorbs[sha256] = pack(blob.data)
    terms = (Term(sha256, 0, len(unpack(xorb)), len(blob.data)),)
    return desk.state.recipes.setdefault(sha256, terms)


@route("GET", "/xorbs/{name}", "cdn")
def get_xorb(desk: Desk, name: str) -> Answer:
    """Whoever has the address may read."""
    xorb = desk.state.xorbs.get(name)
    if xorb is None:
        return Answer(404, b"NoSuchKey", {"Content-Type": "text/plain"})
    return part_of(xorb, desk.ask, {"Accept-Ranges": "bytes"})
