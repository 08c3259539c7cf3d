"""Checks that the parts of a dataset agree with each other and with the model."""

from __future__ import annotations

from collections.abc import Mapping

from zoo.data.sources.base import Source
from zoo.data.values import Shape
from zoo.errors import DataError
from zoo.specs.data import Transform
from zoo.specs.domains import domain_of


def check_one_shape(found: Mapping[str, Source], what: str) -> None:
    """Raises DataError if the parts' examples are known to differ in shape."""
    shapes = {part: source.shape for part, source in found.items()}
    if None not in shapes.values() and len(set(shapes.values())) > 1:
        listed = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        nouns = next(iter(found.values())).nouns
        raise DataError(f"All {nouns} of a dataset must have the same size; {what} has {listed}.")


def check_agreement(
    found: Mapping[str, Source], what: str, wanted: Shape | int | None, transform: Transform
) -> None:
    """Raises DataError if parts differ in kind or dtype, or if rows or series do not fit the model.

    Args:
        found: the sources, by part or file.
        what: name of the dataset in errors.
        wanted: the model's input shape, or its number of image channels; None accepts any.
        transform: the transform, which is valid for images only.
    """
    if len({source.nouns for source in found.values()}) > 1:
        listed = ", ".join(f"{part} {source.nouns}" for part, source in found.items())
        raise DataError(f"All parts of a dataset must be of one kind; {what} has {listed}.")
    takes_real = isinstance(wanted, tuple) and domain_of(wanted).is_real
    for source in found.values():
        if wanted not in (None, source.shape) and (source.is_real or takes_real):
            holds = str(domain_of(source.shape)) if source.shape else source.nouns
            takes = domain_of(wanted) if isinstance(wanted, tuple) else f"{wanted}-channel images"
            raise DataError(f"{what} holds {holds}; the model takes {takes}.")
        if source.is_real and transform != Transform():
            raise DataError(f"{what} holds {source.nouns}: transforms apply to images only.")
    dtypes = {part: str(source.dtype).removeprefix("torch.") for part, source in found.items()}
    if len(set(dtypes.values())) > 1:
        listed = ", ".join(f"{part} {dtype}" for part, dtype in dtypes.items())
        raise DataError(f"All parts of a dataset must have the same dtype; {what} has {listed}.")
    if any(source.is_real for source in found.values()):
        check_one_shape(found, what)
