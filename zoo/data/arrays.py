"""Images from a `.npy` or `.npz` file. Nothing here unpickles."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.data.images import PARTS
from zoo.errors import DataError
from zoo.io.files import open_regular


def read_array(path: Path) -> dict[str, object]:
    """The array of a `.npy`, or the arrays of a `.npz` named train, validation and test.

    A `.npz` with one array has one part, "all". Raises DataError for pickles and damage.
    """
    if path.suffix not in (".npy", ".npz"):
        raise DataError(f"{str(path)!r} is neither a folder of images nor a .npy or .npz file.")
    with open_regular(path, DataError) as file:
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"all": loaded}
            if set(PARTS) <= set(loaded.files):
                return {name: loaded[name] for name in PARTS}
            if len(loaded.files) == 1:
                return {"all": loaded[loaded.files[0]]}
        except Exception as broken:  # NumPy and zipfile raise errors of any kind for other bytes
            why = (str(broken).splitlines() or [type(broken).__name__])[0]
            why = "it may hold pickles, which can run code" if "pickle" in why else why
            raise DataError(f"{str(path)!r} is damaged or not a NumPy file ({why}).") from None
    held = ", ".join(sorted(map(repr, loaded.files))[:5]) or "nothing"
    raise DataError(
        f"{str(path)!r} holds {held}: one array, or train, validation and test, are understood."
    )
