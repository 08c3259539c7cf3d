"""`zoo export`"""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli import complete
from zoo.cli.output import say


@click.command()
@click.argument("model", shell_complete=complete.models)
@click.option(
    "--onnx",
    type=click.Path(path_type=Path),
    help="Folder for encoder.onnx and decoder.onnx: new or empty.",
)
@click.option(
    "--torch-export",
    "torch_",
    type=click.Path(path_type=Path),
    help="Folder for encoder.pt2 and decoder.pt2, of torch.export: new or empty.",
)
def export(model: str, onnx: Path | None, torch_: Path | None) -> None:
    """Write a MODEL's encoder and decoder as graphs that run without the zoo, for any number of examples.

    Each is compared with the model, on test examples if its dataset is here, before it is written;
    a README.md beside them says names, shapes and differences. ONNX needs
    pip install 'autoencoder-zoo[export]'.
    """
    import zoo

    if onnx is None and torch_ is None:
        raise click.UsageError("Say what to write: --onnx FOLDER, --torch-export FOLDER, or both.")
    if onnx is not None and torch_ is not None and onnx.absolute() == torch_.absolute():
        raise click.UsageError("--onnx and --torch-export need a folder each.")
    loaded = zoo.load(model)
    for folder, write in ((onnx, zoo.export_onnx), (torch_, zoo.export_torch)):
        if folder is not None:
            done = write(loaded, folder)
            for name, difference in done.differences.items():
                say(f"{folder / name}  differs by {difference:.1e} at most, on {done.checked_on}")
