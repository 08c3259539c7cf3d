"""`zoo demo`"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from zoo.cli.output import program, say

NAME = "vae-mnist-20"


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where pictures and the trained model go.",
)
@click.pass_context
def demo(context: click.Context, out: Path) -> None:
    """See everything once: load, sample, draw, train, measure. Works without a network.

    On a terminal it offers to open the model's page in the browser at the end.
    """
    _load_and_sample(out)
    _train_digits(out)
    _measure()
    _offer_page(context, out)


def _load_and_sample(out: Path) -> None:
    import zoo
    from zoo.evaluation.figures import draw_samples
    from zoo.io.files import write_atomically

    say("1. Load a published model")
    started = time.perf_counter()
    model = zoo.load(NAME)
    seconds = time.perf_counter() - started
    info = model.info
    assert info is not None
    assert isinstance(model, zoo.VariationalAutoencoder)
    say(
        f"   {info.origin}: a {info.family} of {info.parameters:,} parameters trained on {info.data}"
    )
    say(f"   loaded in {seconds * 1000:.0f} ms, sha256 {info.sha256[:16]}... as the index says")
    images = model.sample(16, seed=0)
    say(
        f"   model.sample(16, seed=0): {tuple(images.shape)}, in [{images.min():.2f}, {images.max():.2f}]"
    )
    write_atomically(out / "samples.png", draw_samples(model, 64))
    say(f"   64 samples: {out / 'samples.png'}\n")


def _train_digits(out: Path) -> None:
    import torch

    import zoo
    from zoo.cards.record import heading, lines_of
    from zoo.training.folder import next_free
    from zoo.training.run import train

    say("2. Train vae-digits-8 from nothing, and measure it")
    started = time.perf_counter()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # faster for so small a model, and how the published one was trained
    run = train("vae-digits-8", out=next_free(out / "vae-digits-8"), device="cpu")
    torch.set_num_threads(threads)
    say(f"   trained in {time.perf_counter() - started:.0f} s: {run.folder / 'model'}")
    if run.metrics is not None:
        say(f"   {heading(run.metrics)}:")
        for line in lines_of(run.metrics):
            say(f"   {line}")
    same = run.model.info is not None and run.model.info.sha256 == zoo.info("vae-digits-8").sha256
    say(
        f"   {'the same bits as' if same else 'on this processor, other bits than'} the published one\n"
    )


def _measure() -> None:
    import zoo
    from zoo.bench.entries import measure_models
    from zoo.cli.standings import print_results
    from zoo.data import load_examples
    from zoo.datasets.idx import data_folder
    from zoo.errors import DataError, OfflineError
    from zoo.registry import published

    say("3. Measure published models again, beside their published numbers")
    names, absent = published.list_models("*-mnist-*"), ""
    try:
        load_examples("mnist", "test")
    except (DataError, OfflineError):
        names = ["vae-digits-8"]
        absent = (
            f"For the MNIST models, run this with a network once, or set ZOO_DATA to a folder that "
            f"has MNIST/raw/, which {str(data_folder())!r} lacks."
        )
    print_results(measure_models(names, 0, None, "auto", say, zoo.load))
    say(absent or "nll takes longer: zoo bench --nll-samples 1000")


def _offer_page(context: click.Context, out: Path) -> None:
    from zoo.cli.page import page

    say(f"\n4. Move its code in the browser\n   {program()} page {NAME} --open")
    is_asked = sys.stdin.isatty() and sys.stdout.isatty()
    if is_asked and click.confirm("   Write that page and open it now?"):
        context.invoke(page, model=NAME, out=out / "page", open_=True)
