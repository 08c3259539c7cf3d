"""`zoo detect`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli import complete
from zoo.cli.output import device_option, print_table, say
from zoo.cli.train import as_setting

if TYPE_CHECKING:
    from zoo.specs.data import Transform

score_option = click.option(
    "--score",
    default="default",
    show_default=True,
    help="A kind of score: reconstruction, neg-elbo, nll, kl, latent, distance, typicality, complexity, regret, llr, "
    "or a plugin's; with settings as nll,samples=500. Another score than a detector's own has no p-values.",
)
reference_option = click.option(
    "--reference",
    metavar="DATA",
    help="Normal examples, for a score that learns from them.  [default: the training split of the model's recipe]",
    shell_complete=complete.datasets,
)


@click.group()
def detect() -> None:
    """Find anomalies: fit a detector to normal data, score other data with it."""


@detect.command()
@click.argument("data", shell_complete=complete.datasets)
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--family", default="vae", show_default=True, help="The family to train.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the detector."
)
@click.option(
    "--false-alarm-rate",
    type=float,
    help="For normal data: 20 % of them are held out, and at most this share of normal examples raises an alarm.  "
    "[default: 0.05]",
)
@click.option("--contamination", type=float, help="For data with anomalies: the share of them.")
@score_option
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="COLUMN=KIND",
    help="Kind of a table's column: real, binary or categorical. May be repeated.",
)
@click.option(
    "--missing",
    type=click.Choice(["refused", "marginal"]),
    default="refused",
    show_default=True,
    help="marginal: score the values that a table's row has.",
)
@click.option(
    "--split", help="Part of a dataset with parts.  [default: train; all if it has no parts]"
)
@click.option("--seed", default=0, show_default=True, help="Seed of the training and of the split.")
@device_option
def fit(
    data: str,
    settings: tuple[str, ...],
    family: str,
    out: Path,
    false_alarm_rate: float | None,
    contamination: float | None,
    score: str,
    kinds: tuple[str, ...],
    missing: str,
    split: str | None,
    seed: int,
    device: str,
) -> None:
    """Train a detector on DATA: a .csv or .parquet table, a .npy or .npz of rows, series or images, a folder
    of images, or a dataset's name.

    KEY=VALUE changes a setting of the recipe: epochs=50, model.latent_dim=8.
    """
    from zoo.folder import store
    from zoo.sklearn import Detector
    from zoo.sklearn.inputs import transform_of

    store.check_target(out)
    detector = Detector(
        family,
        anomaly_score=parsed_score(score),
        false_alarm_rate=false_alarm_rate,
        contamination=contamination,
        settings=dict(as_setting(text) for text in settings),
        kinds=dict(_pair(text) for text in kinds) or None,
        missing=missing,  # pyright: ignore[reportArgumentType]  # a choice
        device=device,
        random_state=seed,
        verbose=True,
    )
    detector.fit(_data(data, split, missing == "marginal", transform_of(detector.settings)))
    detector.save(out)
    calibration = detector.detector_.calibration
    assert calibration is not None
    rule = (
        f"p-value at most {calibration.rate:g}, by {len(calibration.scores):,} held-out examples"
        if calibration.method == "conformal"
        else f"the highest {calibration.rate:.2%} of the training scores"
    )
    say(f"Detector: {out if out.is_absolute() or out.parent != Path() else f'./{out}'}")
    say(f"Alarm: score of {detector.threshold_:.6g} or more ({rule}).")


@detect.command("score")
@click.argument("detector", shell_complete=complete.models)
@click.argument("data", shell_complete=complete.datasets)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="A .csv file of all scores.")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Examples to print and draw.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="A .png file of the most anomalous examples, their reconstructions and, for images, maps.",
)
@score_option
@reference_option
@click.option(
    "--split", help="Part of a dataset with parts.  [default: test; all if it has no parts]"
)
@device_option
def score_(
    detector: str,
    data: str,
    out: Path | None,
    top: int,
    picture: Path | None,
    score: str,
    reference: str | None,
    split: str | None,
    device: str,
) -> None:
    """Score DATA with a DETECTOR: the folder of `zoo detect fit`, or any model, which gives no p-values.

    The most anomalous examples come first. Rows and series are numbered from 0.
    """
    import torch

    from zoo.api.detection import detector_and_examples
    from zoo.detection.pictures import draw_anomalies
    from zoo.io.files import write_atomically
    from zoo.runtime.devices import find_device

    if picture is not None and picture.suffix.lower() != ".png":
        raise click.UsageError(f"--picture {str(picture)!r} does not end in .png.")
    found, examples = detector_and_examples(
        detector,
        as_data(data),
        parsed_score(score),
        split=split,
        reference=None if reference is None else as_data(reference),
        device=device,
    )
    scores = found.score_examples(
        examples, device=find_device(device), maps=picture is not None and found.score.has_map
    )
    columns, rows = scores.table(top)
    shown = [[f"{float(value):.4g}" for value in rest[:1]] + rest[1:] for _, _, *rest in rows]
    values = [f"{float(value):.6g}" for _, value, *_ in rows]
    keys = [key for key, *_ in rows]
    print_table(columns, [[*pair, *rest] for *pair, rest in zip(keys, values, shown, strict=True)])
    if scores.alarms is not None:
        say(
            f"{int(scores.alarms.sum()):,} of {len(scores):,} {examples.domain.nouns} raise an alarm: "
            f"their score is {scores.threshold:.6g} or more."
        )
    if out is not None:
        write_atomically(out, scores.to_csv())
        say(f"{out}: {len(scores):,} scores")
    if picture is not None:
        order = scores.order()[:top]
        values = next(iter(examples.read([torch.from_numpy(order)])))
        maps = None if scores.maps is None else scores.maps[order]
        keys = [scores.keys[number] for number in order]
        names = found.table.names if found.table else ()
        write_atomically(picture, draw_anomalies(found.model, values, maps, keys, names))
        say(f"{picture}: the {len(order)} with the highest scores")


def parsed_score(text: str) -> str | dict[str, Any]:
    """A score from `KIND` or `KIND,NAME=VALUE,...`."""
    kind, *settings = text.split(",")
    return {"kind": kind, **dict(as_setting(one) for one in settings)} if settings else kind


def _pair(text: str) -> tuple[str, str]:
    name, equals, kind = text.rpartition("=")
    if not equals:
        raise click.UsageError(f"--kind {text!r} is not COLUMN=KIND.")
    return name, kind


def as_data(data: str) -> str | Path:
    """A dataset, or the path of a table."""
    from zoo.data.frames import TABLES

    return Path(data) if Path(data).suffix.lower() in TABLES else data


def _data(data: str, split: str | None, has_missing: bool, transform: Transform) -> object:
    """What `Detector.fit` takes: a table's path, or examples."""
    from zoo.data import load_examples
    from zoo.data.open import check_at_hand

    found = as_data(data)
    if isinstance(found, Path):
        return found
    check_at_hand(data, offline=False)
    return load_examples(data, split, transform=transform, has_missing=has_missing, default="train")
