"""Networks in whose features images are compared: LPIPS's, FID's Inception, and any model of the zoo's.

    lpips-vgg                          with torchvision's weights, which are fetched
    lpips-vgg=FILE@SHA256              with weights from a safetensors file of that sha256
    vae-mnist-20, ./folder, org/repo   distances between codes

A number is called LPIPS or rFID of those networks alone, and the sha256 of the weights stands with it.
Weights that were fetched are known to be the authors'; those of a file are whoever's declared them, and
the names of the extractor and of its distances say that they were.
LPIPS's linear layers are those that torchmetrics carries; what is fetched or given are a backbone's.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import (
    InputError,
    IntegrityError,
    MismatchError,
    OfflineError,
    SourceError,
    UnknownNameError,
    did_you_mean,
)
from zoo.folder import store
from zoo.folder.tensor_file import TensorFile, read_tensors
from zoo.hub.find import ONLINE, Access, find
from zoo.io.files import read_regular, with_home
from zoo.models import Autoencoder
from zoo.runtime import processes
from zoo.runtime.torchvision import torchvision_part
from zoo.specs.reconstruction import DECLARED, ExtractorKind

MOST_BYTES = 2**30
"""Of a file of an extractor's weights: VGG-16's, with the layers that LPIPS leaves out, has half of it."""
LEAST_SIDE = 32
"""Pixels that the backbones' poolings need."""


@dataclass(frozen=True)
class Published:
    """A network that has a name, and where its authors have its weights."""

    kind: ExtractorKind
    address: str
    sha256: str
    """Of the whole file: its name has the first 8 digits, which are too few to trust."""
    backbone: str = ""


_TORCHVISION = "https://download.pytorch.org/models"
_FIDELITY = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0"
PUBLISHED = {
    "lpips-alex": Published(
        "lpips",
        f"{_TORCHVISION}/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        "alex",
    ),
    "lpips-squeeze": Published(
        "lpips",
        f"{_TORCHVISION}/squeezenet1_1-b8a52dc0.pth",
        "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        "squeeze",
    ),
    "lpips-vgg": Published(
        "lpips",
        f"{_TORCHVISION}/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "vgg",
    ),
    "inception": Published(
        "inception",
        f"{_FIDELITY}/weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
}


class Extractor(nn.Module):
    """What gives features of images, or distances between them. Images are `(N, 3, H, W)` in [0, 1]."""

    kind: ExtractorKind

    def __init__(self, name: str, sha256: str, network: nn.Module) -> None:
        super().__init__()
        self.name, self.sha256 = name, sha256
        self.network: Any = network.eval().requires_grad_(False)

    def features(self, images: Tensor) -> Tensor | None:
        """`(N, d)`, or None for one that gives distances alone. Raises InputError as `distance`."""
        raise NotImplementedError

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Between images and others, one by one: `(N,)`. Raises InputError for images it does not take."""
        ours, theirs = self.features(x), self.features(y)
        assert ours is not None
        assert theirs is not None
        return squared(ours, theirs)


def squared(ours: Tensor, theirs: Tensor) -> Tensor:
    """Squared distances between features `(N, d)`, one by one: `(N,)`."""
    return (ours - theirs).square().sum(1)


class Codes(Extractor):
    """The codes of a model of the zoo's, of whatever channels that has."""

    kind = "model"

    def __init__(self, model: Autoencoder) -> None:
        known = model.info
        name = known.origin if known else type(model).__name__
        super().__init__(name, known.sha256 if known else "", model)

    def features(self, images: Tensor) -> Tensor:
        spec, shape = self.network.spec, tuple(images.shape[1:])
        if not spec.takes(shape):
            wanted = " x ".join(map(str, spec.input_shape))
            raise InputError(
                f"The extractor takes images of {wanted}, not {' x '.join(map(str, shape))}: choose a "
                f"protocol that makes them so, such as center-{spec.input_shape[1]}."
            )
        return self.network._encode(images.to(self.network.device, self.network.dtype)).flatten(1)


class LPIPS(Extractor):
    """Learned perceptual image patch similarity (Zhang et al. 2018), version 0.1."""

    kind = "lpips"

    def features(self, images: Tensor) -> None:
        return None

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        _check_color(x, self.name, LEAST_SIDE)
        where = next(self.network.parameters()).device
        return self.network(x.to(where), y.to(where), normalize=True).flatten()


class Inception(Extractor):
    """FID's network (Heusel et al. 2017) as torch-fidelity has it, and its resizing, TensorFlow 1's."""

    kind = "inception"

    def features(self, images: Tensor) -> Tensor:
        _check_color(images, self.name, 1)
        levels = (images * 255).round().to(torch.uint8)
        return self.network(levels.to(next(self.network.parameters()).device))[0]


def find_extractor(source: str, access: Access = ONLINE) -> Extractor:
    """The extractor that a source means, on the processor; fetched with this access where it is not here.

    Raises:
        InputError: for a file without a network's name or its sha256.
        IntegrityError: for weights of another sha256. MismatchError: for those of another network.
        OfflineError: for weights that cannot be fetched. The errors of `zoo.load`, for a model.
    """
    name, has_file, given = source.partition("=")
    if name not in PUBLISHED:
        if has_file or source.partition("@")[0].endswith(".safetensors"):
            raise InputError(
                f"Of a file the network is said, and its sha256: {' or '.join(PUBLISHED)}, such as "
                f"lpips-vgg=FILE@SHA256; got {source[:200]!r}.{did_you_mean(name, PUBLISHED)}"
            )
        try:
            how = {"token": access.token, "offline": access.offline}
            model = store.load_source(find(source, **how))
        except UnknownNameError as unknown:
            near = did_you_mean(name, PUBLISHED)
            raise UnknownNameError(
                f"There is no extractor {name[:60]!r}.{near} Networks: {', '.join(PUBLISHED)}; or a model. {unknown}",
                name=name,
                known=PUBLISHED,
            ) from None
        if not model.spec.domain.is_image:
            raise InputError(
                f"An extractor takes images; {source} takes {model.spec.domain}. The error of {model.spec.domain.nouns} "
                "is measured by `zoo eval`."
            )
        return Codes(model)
    weights = _given(name, given) if has_file else _fetched(name, access)
    known, called = PUBLISHED[name], name + DECLARED if has_file else name
    if known.kind == "inception":
        return Inception(called, weights.sha256, _inception(weights.tensors))
    return LPIPS(called, weights.sha256, _lpips(known.backbone, weights.tensors, name))


def _given(name: str, given: str) -> TensorFile:
    """Weights from a file whose sha256 is declared."""
    file, _, declared = given.rpartition("@")
    if not file or not re.fullmatch("[0-9a-f]{64}", declared):
        raise InputError(
            f"{name}={given[:200]}: declare the file's sha256, as `sha256sum` prints it: {name}=FILE@SHA256."
        )
    path = with_home(file)
    if path.suffix != ".safetensors":
        raise InputError(f"{file[:200]!r} is not a .safetensors file, and no other is opened.")

    def check(actual: str) -> None:
        if actual != declared:
            raise IntegrityError(
                f"sha256 of {file!r} is {actual[:12]}..., not {declared[:12]}..., as was declared."
            )

    return read_tensors(path, MOST_BYTES, check)


def _fetched(name: str, access: Access) -> TensorFile:
    """Weights as a network's authors have them, fetched once.

    The file is theirs by its whole sha256 before any of it is read, and then tensors alone are.
    """
    address, expected = PUBLISHED[name].address, PUBLISHED[name].sha256
    path = Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2])
    elsewhere = (
        f"put {address} into {str(path.parent)!r}, or give them as safetensors, {name}=FILE@SHA256."
    )
    if access.offline and not path.exists():
        raise OfflineError(
            f"The weights of {name} are not on this machine, and with offline=True nothing is "
            f"fetched: {elsewhere}"
        )
    try:
        processes.from_first(lambda: _fetch(address, path, expected))
    except (OSError, RuntimeError) as failure:
        raise OfflineError(
            f"The weights of {name} cannot be fetched ({failure}): {elsewhere}"
        ) from None
    data = read_regular(path, MOST_BYTES)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != expected:
        raise IntegrityError(
            f"sha256 of {str(path)!r} is {sha256[:12]}..., not {expected[:12]}...: delete it."
        )
    return TensorFile(sha256, torch.load(io.BytesIO(data), weights_only=True))


def _fetch(address: str, path: Path, sha256: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(path), sha256, progress=False)


def _lpips(backbone: str, tensors: Mapping[str, Tensor], name: str) -> nn.Module:
    """torchmetrics' network with a backbone's weights, by torchvision's names `features.*`."""
    torchvision_part("models")  # says so where it cannot be imported
    from torchmetrics.functional.image.lpips import _NoTrainLpips  # its public class downloads

    network = _NoTrainLpips(net=backbone, pnet_rand=True)  # pyright: ignore[reportArgumentType]  # one of the three
    wanted = network.net.state_dict()
    names = {one: re.sub(r"^slices?\.?\d\.", "features.", one) for one in wanted}
    there = {one for one in tensors if one.startswith("features.")}
    wrong = there ^ set(names.values()) or {
        theirs for ours, theirs in names.items() if tensors[theirs].shape != wanted[ours].shape
    }
    if wrong:
        some = sorted(wrong)[:3]
        raise MismatchError(
            f"These are not the weights of {name}'s backbone: {len(wrong)} tensors are missing, too many "
            f"or of another shape, such as {', '.join(some)}."
        )
    network.net.load_state_dict({ours: tensors[theirs].float() for ours, theirs in names.items()})
    return network


def _inception(tensors: Mapping[str, Tensor]) -> nn.Module:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import (  # pyright: ignore[reportMissingImports]  # optional
            FeatureExtractorInceptionV3,
        )
    except ModuleNotFoundError:
        raise SourceError(
            "FID's network is torch-fidelity's, which is not installed: pip install 'autoencoder-zoo[metrics]'"
        ) from None
    ours = (
        io.BytesIO()
    )  # it unpickles whatever it is given, so it is given these tensors, and no file
    torch.save(dict(tensors), ours)
    ours.seek(0)
    try:
        return FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], ours)
    except RuntimeError as failure:
        raise MismatchError(
            f"These are not the weights of FID's Inception: {failure}"[:500]
        ) from None


def _check_color(images: Tensor, name: str, side: int) -> None:
    channels, height, width = images.shape[1:]
    if channels != 3 or min(height, width) < side:
        raise InputError(
            f"{name} takes images in color, {side} pixels or more high and wide; got "
            f"{channels} x {height} x {width}."
        )
