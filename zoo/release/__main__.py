"""Publishing a trained run under its name: `python -m zoo.release RUN`, for the maintainers of a registry.

It measures the test set, once; draws; writes `registry/<name>/` and its line in
`registry/index.toml`. It refuses to change the weights of a name that is already there. A run of a
recipe that an installed package brings goes into that package's registry.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zoo.errors import ZooError
from zoo.registry import index
from zoo.release.index_lines import render_cards
from zoo.release.notes import note_hub_repo, note_reconstructions, note_seeds
from zoo.release.publish import release


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m zoo.release", description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="the run's folder")
    parser.add_argument(
        "--cards",
        action="store_true",
        help="write every card and the hashes in the index again instead",
    )
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="WHAT=RUN",
        help="a run to measure for comparison, and what the card calls it",
    )
    parser.add_argument("--license", help="of the weights  [default: the package's]")
    parser.add_argument("--device", default="cpu", help="where it is measured  [default: cpu]")
    parser.add_argument(
        "--nll-examples",
        type=int,
        metavar="N",
        help="take the bound on the first N test images only  [default: all]",
    )
    parser.add_argument(
        "--false-alarm-rate",
        type=float,
        metavar="RATE",
        help="with a detector for this rate, calibrated on the validation split",
    )
    parser.add_argument(
        "--seeds",
        metavar="NAME=FILE",
        help="note what `zoo bench NAME --seeds N --json FILE` wrote beside a model's numbers, instead",
    )
    parser.add_argument(
        "--hub",
        metavar="NAME=ORG/REPO@COMMIT",
        help="note which Hub repo has a published model, instead",
    )
    parser.add_argument(
        "--reconstructions",
        metavar="NAME",
        help="measure mse, psnr and ssim of a published model again, instead",
    )
    arguments = parser.parse_args()
    given = (arguments.run, arguments.hub, arguments.seeds, arguments.reconstructions)
    if sum(one is not None for one in given) + arguments.cards != 1:
        parser.error("give a run's folder, or --cards, --hub, --seeds or --reconstructions")
    try:
        if arguments.cards:
            render_cards(index.own_registry())
        elif arguments.hub:
            note_hub_repo(*arguments.hub.partition("=")[::2])
        elif arguments.reconstructions:
            print(*note_reconstructions(arguments.reconstructions), sep="\n")
        elif arguments.seeds:
            name, _, file = arguments.seeds.partition("=")
            note_seeds(name, Path(file))
        else:
            pairs = [text.rpartition("=")[::2] for text in arguments.beside]
            beside = {what: Path(run) for what, run in pairs}
            target = release(
                arguments.run,
                beside,
                arguments.license,
                arguments.device,
                arguments.nll_examples,
                arguments.false_alarm_rate,
            )
            print(f"{target}, and its line in {target.parent / index.INDEX}")
    except ZooError as failure:
        sys.exit(f"Error: {failure}")


if __name__ == "__main__":
    main()
