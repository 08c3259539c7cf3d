"""Whether the parts of a dataset agree with one another, and with what a model takes."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.data.sources.base import Source
from zoo.data.values import Shape
from zoo.errors import DataError
from zoo.specs.data import Transform
from zoo.specs.domains import domain_of


def check_one_shape(found: Mapping[str, Source], what: str) -> None:
    """Raises DataError for parts whose examples are known to differ in shape."""
    shapes = {part: source.shape for part, source in found.items()}
    if None not in shapes.values() and len(set(shapes.values())) > 1:
        listed = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        nouns = next(iter(found.values())).nouns
        raise DataError(f"All {nouns} of a dataset have one size; {what} has {listed}.")


def check_agreement(
    found: Mapping[str, Source], what: str, wanted: Shape | int | None, transform: Transform
) -> None:
    """Raises DataError for rows or series beside others, or that a model does not take.

    Args:
        found: the sources, by part or file.
        what: what to call them in errors.
        wanted: the shape that a model takes, or the channels of images; None is any.
        transform: what is done to images, and cannot be done to rows and series.
    """
    if len({source.nouns for source in found.values()}) > 1:
        listed = ", ".join(f"{part} {source.nouns}" for part, source in found.items())
        raise DataError(f"All parts of a dataset hold the same; {what} has {listed}.")
    takes_real = isinstance(wanted, tuple) and domain_of(wanted).is_real
    for source in found.values():
        if wanted not in (None, source.shape) and (source.is_real or takes_real):
            holds = str(domain_of(source.shape)) if source.shape else source.nouns
            takes = domain_of(wanted) if isinstance(wanted, tuple) else f"{wanted}-channel images"
            raise DataError(f"{what} holds {holds}; the model takes {takes}.")
        if source.is_real and transform != Transform():
            raise DataError(
                f"{what} holds {source.nouns}: a transform resizes, crops and flips images only."
            )
    dtypes = {part: str(source.dtype).removeprefix("torch.") for part, source in found.items()}
    if len(set(dtypes.values())) > 1:
        listed = ", ".join(f"{part} {dtype}" for part, dtype in dtypes.items())
        raise DataError(f"All parts of a dataset have one dtype; {what} has {listed}.")
    if any(source.is_real for source in found.values()):
        check_one_shape(found, what)
