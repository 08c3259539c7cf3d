"""`zoo push`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.output import as_json, print_json, say

if TYPE_CHECKING:
    from zoo.hub.push import Published
    from zoo.hub.target import Target


NO_LICENSE = (
    "No license is set, so nobody has permission to use this model: add --license mit, or another, "
    "or put `license: mit` into the front matter of its README.md."
)


@click.command()
@click.argument("folder")
@click.argument("repo")
@click.option(
    "--space", is_flag=True, help="FOLDER is a page, of `zoo page`, and REPO a static Space."
)
@click.option("--private/--public", default=None, help="Of a new repo.  [default: the Hub's]")
@click.option("--license", metavar="ID", help="Of the weights, such as mit.  [default: the card's]")
@click.option("--revision", help="The branch to push to.  [default: main]")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead.")
@click.option(
    "--dry-run", is_flag=True, help="Print the files, their sizes and the card; ask nothing."
)
@as_json
def push(
    folder: str,
    repo: str,
    space: bool,
    private: bool | None,
    license: str | None,
    revision: str | None,
    create_pr: bool,
    dry_run: bool,
    json_: bool,
) -> None:
    """Publish the model in FOLDER on the Hugging Face Hub as REPO (org/name), in one commit.

    The repo is made if it is not there. The token, with the right to write there, is read from
    `hf auth login` or HF_TOKEN. Whoever has autoencoder-zoo loads it with zoo.load("org/name").

    With --space it publishes a page, with the test images that are on it, as a static Space.
    """
    import zoo
    from zoo.errors import InputError
    from zoo.hub.target import Target
    from zoo.page.read import is_page

    target = Target(repo, "space" if space else "model", private, revision, create_pr)
    if not space and is_page(Path(folder)):
        raise InputError(f"{folder!r} is a page, and becomes a Space: add --space.")
    if space and license is not None:
        raise click.UsageError("--license is of a model's weights, not of --space.")
    if dry_run:
        _show(folder, target, license, json_)
        return
    if space:
        from zoo.page.space import push_page

        done = push_page(folder, target)
    else:
        done = zoo.push(
            folder,
            repo,
            private=private,
            revision=revision,
            create_pr=create_pr,
            license=license,
        )
    if json_:
        print_json(vars(done))
        return
    _say(done, "page" if space else "model")
    if space:
        from zoo.page.space import shown_on

        say(shown_on(folder))
        say(f"See it on {target.page}")
        return
    if not create_pr and target.is_main:
        say(f'Load it with zoo.load("{done.repo}").')
    if done.license is None:
        say(NO_LICENSE)


def _say(done: Published, what: str) -> None:
    for name in done.pushed:
        say(f"  pushed   {name}")
    for name in done.deleted:
        say(f"  deleted  {name}, which was there before")
    for name in done.kept:
        say(f"  kept     {name}: the one there lacks the zoo's mark; edit it on the Hub, or delete")
        say("           it there and push again")
    if not done.pushed and not done.deleted:
        say(f"Nothing to push: the repo has this {what} already.")
    say(f"{done.repo} at commit {done.commit}")
    say(done.url)


def _show(folder: str, target: Target, license: str | None, json_: bool) -> None:
    from zoo.cards.licenses import LICENSE, card_license
    from zoo.folder.layout import CARD
    from zoo.hub.prepare import prepared

    if target.kind == "space":
        from zoo.page.space import shown_on, space_files

        files = space_files(folder, target)
        if not json_:
            say(shown_on(folder))
    else:
        with prepared(folder, target, license) as what:
            files = {**what.files, CARD: what.card({})}
    if json_:
        print_json({name: len(content) for name, content in files.items()})
        return
    say(f"Would push to {target.repo}:")
    for name, content in files.items():
        say(f"  {len(content):>12,} bytes  {name}")
    say(f"\n{CARD}:\n\n{files[CARD].decode('utf-8', 'replace').rstrip()}")
    if target.kind == "model" and LICENSE not in card_license(
        files[CARD].decode("utf-8", "replace")
    ):
        say(f"\n{NO_LICENSE}")
