"""The command line: one file per verb."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback

import click

from zoo.cli.bench import bench
from zoo.cli.card import card
from zoo.cli.compare import compare
from zoo.cli.compress import compress, decompress
from zoo.cli.demo import demo
from zoo.cli.denoise import denoise, reconstruct
from zoo.cli.detect import detect
from zoo.cli.draw import draw
from zoo.cli.encode import encode
from zoo.cli.eval import evaluate
from zoo.cli.export import export
from zoo.cli.gallery import gallery
from zoo.cli.impute import impute
from zoo.cli.inpaint import inpaint
from zoo.cli.list import list_
from zoo.cli.page import page
from zoo.cli.plugins import plugins
from zoo.cli.pull import pull
from zoo.cli.push import push
from zoo.cli.show import show
from zoo.cli.sweep import sweep
from zoo.cli.train import train
from zoo.cli.verify import verify
from zoo.errors import ZooError
from zoo.io.text import printable
from zoo.runtime import processes
from zoo.runtime.orphans import end_with_parent
from zoo.version import __version__

SHARED = ("demo", "train", "eval", "bench", "compare", "verify")
"""Verbs whose work the processes of a launcher share; to any other, each is the only one."""
OTHERS_WAIT = 5.0
"""Seconds that all processes but the first wait before they say what is wrong."""


class Verbs(click.Group):
    """The verbs, in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands]


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zoo")
@click.option("--debug", is_flag=True, help="Show the traceback of a mistake.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Trained autoencoders that you can trust.

    A MODEL is a published name (`zoo list`), a folder (./folder), or a repo on the Hugging Face Hub
    (org/name, hf://org/name@revision).
    """
    if context.invoked_subcommand in SHARED:
        _be_one_of_many()


for verb in (
    list_,
    show,
    demo,
    encode,
    compress,
    decompress,
    denoise,
    reconstruct,
    inpaint,
    impute,
    draw,
    train,
    sweep,
    evaluate,
    detect,
    bench,
    compare,
    verify,
    push,
    pull,
    export,
    page,
    gallery,
    card,
    plugins,
):
    cli.add_command(verb)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 wrong usage."""
    _open_streams()
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends a verb as Ctrl-C does
    sys.exit(_run(words, debug))


def _open_streams() -> None:
    """Opens what the caller closed (`2>&-`): else errors are printed to standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # until the process ends


def _be_one_of_many() -> None:
    """Under a launcher: ends with it, and leaves printing to the first process."""
    if processes.are_many():
        end_with_parent()
    elif os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_ADDR" in os.environ:
        _say(
            "accelerate launch started one process: on processors, give it --multi_gpu or use torchrun."
        )
    if not processes.is_first():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # until the process ends
        logging.getLogger("zoo").setLevel(logging.ERROR)


def _run(words: list[str], debug: bool) -> int:
    try:
        cli.main(words, prog_name="zoo", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as misuse:
        misuse.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on
    except (ZooError, click.ClickException, OSError) as failure:
        if debug:
            traceback.print_exc()
        _say(f"Error: {failure}")
    except (Exception, SystemExit) as failure:
        from zoo.plugins.entry_points import at_fault
        from zoo.plugins.guards import cause, is_out_of_memory

        no_room, owner = is_out_of_memory(failure), at_fault(failure)
        if debug or not (no_room or owner):  # the zoo's own mistakes are shown whole
            raise
        said = "out of memory" if no_room else f"{owner} failed"
        hint = "Try smaller images or a smaller model" if no_room else "--debug shows where"
        _say(f"Error: {said}: {cause(failure)}. {hint}.")
    else:
        return 0
    return 1


def _say(message: str) -> None:
    if not processes.is_first():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the launcher's, when the first has ended
        time.sleep(OTHERS_WAIT)  # if the first fails too, it has said so and the launcher ends all
    print(printable(message), file=sys.stderr)
