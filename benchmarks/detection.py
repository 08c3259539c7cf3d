"""How well and how fast the zoo detects anomalies, beside PCA, PyOD and the untrained network.

    python benchmarks/detection.py --what one-class [--limit N] [--datasets NAME ...]
    python benchmarks/detection.py --what pairs [--choose] [--limit N] [--omniglot F] [--photos F]
    python benchmarks/detection.py --what tables [--development] [--limit N] [--tables NAME ...]
    python benchmarks/detection.py --what regret [--choose] [--limit N]

one-class   For each class of MNIST and of Fashion-MNIST: a detector fitted on the training images
            of that class; normal test images are of the class, anomalies of the nine others.
            `--limit` is the most training images of a class and the most test images.
pairs       For published models of MNIST and of Fashion-MNIST: the detector's score and single
            scores. Normal images are test images of the model's dataset; anomalies are test images
            of the other dataset, and pictures of folders at 28 x 28: drawings of Omniglot, inverted,
            and photographs in gray. `--limit` is the number of images of each set, 1,000 by default.
            With `--choose` no test image and no other dataset is used: normal images are of the
            validation split; anomalies are sprites, noise, and other validation images upside down,
            inverted, or with patches of 7 or 14 pixels in random order. All ensembles of four scores
            are compared too. The default score was chosen like this. Models that were trained on the
            validation images, as the published ones were, are pointed out: `--models` takes others.
tables      Each .npz (`X`, `y`; y = 1 is an anomaly) of a folder, at most 50,000 rows (`--limit`),
            drawn once for all methods. Setting `all`: fit on all rows without labels, score the same.
            Setting `half`: fit on half of the normal rows, score the other half and all anomalies.
            PyOD's methods have their defaults, and are left out if it is not installed. Seconds are
            the processor's, for fit and score, in one thread. Tables numbered below 15 are for
            development: `--development` measures those; without it, all others.
regret      Seconds per image and AUROC of likelihood regret, and of the detector's score, on the
            sets of `pairs`. Batches of 500 are filled up: fewer images take as long.

AUROC is with anomalies positive. In tables, the first number in parentheses is the standard error
over examples (bootstrap, of the first seed); the second is the standard deviation over seeds.
The standard error of a mean is the mean of the standard errors, which is an upper bound. Methods
without a seed are measured once. The untrained network has the detector's score and reference
examples; only its weights are those before training. No epoch is selected by test data.

With `--out` measurements go to a JSON file after each class, score or table; rerun with the same
options to resume. MNIST and Fashion-MNIST are in ZOO_DATA, as for `zoo.load_examples`; folders are
`adbench`, `omniglot` and `photos` there unless given.

`pairs` takes some minutes on one core. `one-class` trains 100 networks and scores 22,000 images by each, and
again untrained: about a minute each on one core. `tables` takes some 10 fits a method for each table: about
40 minutes a seed on one core.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click
import torch
from anomalies import one_class, pairs, regret, tables
from anomalies.images import Folder
from anomalies.methods import Recipe
from anomalies.records import Records
from comparison import print_setting

import zoo
from zoo.cli.detect import parsed_score
from zoo.cli.train import as_setting
from zoo.datasets.idx import data_folder

PACKAGES = ("torch", "numpy", "scikit-learn", "pillow", "pyod")
IMAGES = 1000
"""Default number of images of each set."""
IMAGE_SETS = ("pairs", "regret")
USED_BY = {
    "datasets": ("one-class",),
    "models": IMAGE_SETS,
    "choose": IMAGE_SETS,
    "omniglot": IMAGE_SETS,
    "photos": IMAGE_SETS,
    "folder": ("tables",),
    "tables": ("tables",),
    "development": ("tables",),
}
"""Options of some sub-benchmarks only."""


def main() -> None:
    """Measures what is asked for and prints it."""
    options = _options()
    try:
        recipe = Recipe(
            options.family,
            parsed_score(options.score),
            options.contamination,
            dict(as_setting(text) for text in options.settings),
            options.device,
        )
        records = Records(options.out, _about(options, recipe))
        print_setting()
        _run(options, recipe, records)
    except (zoo.ZooError, click.UsageError) as problem:
        sys.exit(str(problem))


def _run(options: argparse.Namespace, recipe: Recipe, records: Records) -> None:
    if options.what == "one-class":
        one_class.run(recipe, records, options.seeds, options.limit, options.datasets)
    elif options.what == "tables":
        _use_one_thread()
        paths = tables.find_tables(
            options.folder or data_folder() / "adbench", options.development, options.tables
        )
        limit = min(options.limit or tables.MOST_ROWS, tables.MOST_ROWS)
        tables.run(recipe, records, options.seeds, limit, paths)
    else:
        folders = [] if options.choose else _folders(options)
        count = options.limit or IMAGES
        some = pairs.subjects(options.models, count, folders, options.choose)
        if options.what == "pairs":
            pairs.run(recipe, records, options.seeds, options.choose, some)
        else:
            _use_one_thread()
            regret.run(recipe, records, options.seeds[0], some)


def _folders(options: argparse.Namespace) -> list[Folder]:
    """The folders that are given, or that are in the data folder."""
    found = []
    for name, path, inverted in (
        ("omniglot", options.omniglot, True),
        ("photos", options.photos, False),
    ):
        where = path or data_folder() / name
        if where.is_dir():
            found.append(Folder(name, where, inverted))
        elif path:
            raise zoo.DataError(f"--{name}: {str(path)!r} is not a folder.")
        else:
            print(f"No folder of {name} is given: left out.\n")
    return found


def _use_one_thread() -> None:
    """For measurements of the processor's time, in which several threads would wait for each other."""
    from threadpoolctl import threadpool_limits

    os.environ["NUMBA_NUM_THREADS"] = "1"  # before numba is imported, by PyOD
    threadpool_limits(1)
    torch.set_num_threads(1)


def _about(options: argparse.Namespace, recipe: Recipe) -> dict[str, object]:
    """What measurements of one file share."""
    packages = {"zoo": zoo.__version__} | {name: _version(name) for name in PACKAGES}
    return {
        "what": options.what,
        "family": recipe.family,
        "score": recipe.score,
        "contamination": recipe.contamination,
        "settings": dict(recipe.settings),
        "device": recipe.device,
        "first_seed": options.seeds[0],
        "packages": packages,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    choices = ("one-class", "pairs", "tables", "regret")
    add("--what", choices=choices, required=True, help="the sub-benchmark")
    add("--seeds", type=int, nargs="+", default=list(range(5)), help="default: 0 to 4")
    add("--limit", type=int, help="most images or rows of each set")
    add("--out", type=Path, help="a JSON file; an existing one is resumed")
    add("--family", default="vae", help="the detector's family (one-class, tables)")
    add("--score", default="default", help="the detector's score, as of `zoo detect fit`")
    add("--contamination", type=float, default=0.1, help="the detector's contamination")
    add("--set", dest="settings", nargs="+", default=[], metavar="KEY=VALUE", help="its recipe")
    add("--device", default="cpu", help="where to train and score; tables are on the CPU")
    add("--datasets", nargs="+", choices=one_class.DATASETS, default=list(one_class.DATASETS))
    add("--models", nargs="+", default=list(pairs.MODELS), help="names or folders (pairs, regret)")
    add("--choose", action="store_true", help="no test images (pairs, regret)")
    add("--omniglot", type=Path, help="folder of drawings, dark on bright (pairs, regret)")
    add("--photos", type=Path, help="folder of photographs (pairs, regret)")
    add("--folder", type=Path, help="folder of tables")
    add("--tables", nargs="+", metavar="NAME", help="only these tables, such as 4_breastw")
    add("--development", action="store_true", help="the tables numbered below 15, not the others")
    options = parser.parse_args()
    for name, users in USED_BY.items():
        if options.what not in users and getattr(options, name) != parser.get_default(name):
            parser.error(f"--{name} is an option of --what {' and '.join(users)}")
    if options.limit is not None and options.limit < 2:
        parser.error("--limit is 2 or more")
    if options.what == "tables" and options.device != "cpu":
        parser.error("--what tables measures the processor's time: leave --device out")
    if len(set(options.seeds)) < len(options.seeds):
        parser.error("--seeds has a seed twice")
    return options


if __name__ == "__main__":
    main()
