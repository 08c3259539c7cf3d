"""Pushing: one commit with exactly the closed list, and what was there already."""

from __future__ import annotations

from ending import REPO, attempt, load, push, pushed


def body_bytes(hub) -> int:
    """Bytes of the files that traveled: uploads, and what commits hold in themselves."""
    return sum(
        r.bytes_received for r in hub.requests if "/upload/" in r.path or "/commit/" in r.path
    )


def test_what_is_pushed_loads_with_the_same_bits(hub, client, mine, alice):
    done = pushed(push(client, mine, env=alice))
    assert done["repo"] == REPO
    assert done["commit"] == hub.head(REPO)
    assert done["url"] == f"{hub.url}/{REPO}/commit/{done['commit']}"
    here = load(client, "./mine", cwd=mine.parent)
    there = load(client, REPO)
    assert there.value is not None
    assert here.value is not None
    assert there.value.split()[1] == here.value.split()[1]


def test_one_commit_holds_exactly_the_closed_list(hub, client, mine, files, alice):
    (mine / "notes.txt").write_text("mine")
    (mine / ".env").write_text("SECRET=1")
    (mine / "figures" / "raw.svg").write_text("<svg/>")
    (mine / "checkpoint.pt").write_bytes(b"PK")
    push(client, mine, env=alice)
    assert len(hub.commits(REPO)) == 2  # the repo's own first one, and this
    there = hub.files(REPO)
    assert there.keys() - {".gitattributes"} == files.keys()
    assert all(there[name] == files[name] for name in files.keys() - {"README.md"})


def test_the_same_folder_again_makes_no_commit_and_sends_no_body(hub, client, mine, alice):
    first = pushed(push(client, mine, env=alice))
    hub.forget()
    again = pushed(push(client, mine, env=alice))
    assert (again["commit"], again["pushed"], again["deleted"]) == (first["commit"], (), ())
    assert len(hub.requests) == 1
    assert body_bytes(hub) == 0


def test_only_what_differs_travels(hub, client, mine, alice):
    push(client, mine, env=alice)
    (mine / "metrics.json").unlink()
    (mine / "figures" / "samples.png").unlink()
    hub.forget()
    done = pushed(push(client, mine, env=alice))
    assert done["pushed"] == ("README.md",)
    assert done["deleted"] == ("figures/samples.png", "metrics.json")
    assert not any("/upload/" in request.path for request in hub.requests)
    assert "metrics.json" not in hub.files(REPO)


def test_unrecognized_files_of_the_repo_stay(hub, client, mine, alice):
    push(client, mine, env=alice)
    hub.commit(REPO, {"paper.pdf": b"%PDF", "figures/mine.svg": b"<svg/>", "a/metrics.json": b"{}"})
    (mine / "metrics.json").unlink()
    push(client, mine, env=alice)
    assert {"paper.pdf", "figures/mine.svg", "a/metrics.json"} <= hub.files(REPO).keys()


def test_a_readme_without_the_mark_is_left_alone_and_said_so(hub, client, mine, alice):
    hub.create(REPO)
    hub.commit(REPO, {"README.md": b"---\nlicense: mit\n---\n# By hand\n"})
    done = pushed(push(client, mine, env=alice))
    assert done["kept"] == ("README.md",)
    assert hub.files(REPO)["README.md"].endswith(b"# By hand\n")
    said = client.zoo("push", mine, REPO, env=alice).out
    assert "kept     README.md" in said


def test_a_card_of_the_folders_author_is_pushed_as_it_is(hub, client, mine, alice):
    (mine / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")
    push(client, mine, env=alice)
    assert hub.files(REPO)["README.md"] == b"---\nlicense: mit\n---\n# Mine\n"


def test_the_card_says_how_to_load_it_from_its_repo(hub, client, mine, alice):
    push(client, mine, env=alice)
    card = hub.files(REPO)["README.md"].decode()
    assert f'model = zoo.load("{REPO}")' in card
    assert f"zoo verify {REPO} --full" in card


def test_a_model_in_memory_is_pushed_too(hub, client, mine, alice):
    code = "(m := zoo.load('./mine'), vars(zoo.push(m, 'acme/vae')), m.info.origin)[1:]"
    got = attempt(client, code, env=alice, cwd=mine.parent)
    done, origin = pushed(got)
    assert origin == "./mine"
    assert b"![samples](figures/samples.png)" in hub.files(REPO)["README.md"]
    assert "model.safetensors" in done["pushed"]
    assert hub.files(REPO)["metrics.json"] == (mine / "metrics.json").read_bytes()


def test_a_model_from_the_hub_is_pushed_on_with_all_its_files(hub, client, repo, files, alice):
    done = pushed(attempt(client, f"vars(zoo.push(zoo.load('{repo}'), 'acme/copy'))", env=alice))
    assert set(done["pushed"]) == files.keys()


def test_a_run_folder_says_where_its_model_is(client, mine, alice, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    mine.rename(run / "model")
    got = push(client, run, env=alice)
    assert got.says("SourceError", "is a run's folder; its model is", str(run / "model"))


# A dry run.


def test_a_dry_run_prints_files_sizes_and_the_card_and_asks_nothing(hub, client, mine):
    done = client.zoo("push", mine, REPO, "--dry-run")
    assert done.returncode == 0, done.err
    size = (mine / "model.safetensors").stat().st_size
    assert f"{size:,} bytes  model.safetensors" in done.out
    assert f'zoo.load("{REPO}")' in done.out
    assert hub.requests == []


def test_a_dry_run_finds_what_a_push_would_refuse(client, mine):
    (mine / "model.safetensors").write_bytes(b"x")
    done = client.zoo("push", mine, REPO, "--dry-run")
    assert (done.returncode, "Nothing was pushed" in done.err) == (1, True)
