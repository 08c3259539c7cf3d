"""Packages that are broken in every way that the zoo promises a sentence for."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

from packages import MARK, Package

GOOD = """
import torch, zoo

class GoodSpec(zoo.Spec):
    width: int = 3
    @property
    def latent_shape(self): return (self.width,)

class Good(zoo.Autoencoder):
    Spec = GoodSpec
    def __init__(self, spec):
        super().__init__(spec)
        self.weight = torch.nn.Parameter(0.1 * torch.randn(spec.input_size, spec.width))
    def _encode(self, x): return x.flatten(1) @ self.weight
    def _decode(self, z): return torch.sigmoid(z @ self.weight.T).unflatten(-1, self.spec.input_shape)
    def _loss(self, batch, noise):
        error = self._decode(self._encode(batch.input)) - batch.target
        return zoo.Loss({"reconstruction": error.square().flatten(1).sum(1)})
"""

RECIPE = """
[model]
family = "{name}"
input_shape = [1, 8, 8]
[data]
dataset = "digits"
protocol = "gray"
[training]
epochs = 1
"""

AT_IMPORT = {
    "no-module": (
        "import einopz_that_is_not_there\n",
        "ModuleNotFoundError: No module named 'einopz",
    ),
    "syntax": ("def broken(:\n", "SyntaxError: invalid syntax"),
    "exits": ("import sys\nsys.exit('bye')\n", "SystemExit: bye"),
    "raises": ("raise RuntimeError('first line\\nsecond')\n", "RuntimeError: first line."),
    "base": ("class Stop(BaseException): pass\nraise Stop('no')\n", "Stop: no"),
    "no-target": ("", "has no attribute 'Model'"),
    "not-a-class": ("Model = 3\n", "not a subclass of zoo.Autoencoder"),
    "a-module": ("import torch as Model\n", "is torch, which is not a subclass of zoo.Autoencoder"),
    "no-spec": ("import zoo\nclass Model(zoo.Autoencoder): pass\n", "has no Spec"),
    "own-spec": (
        "import zoo, pydantic\nclass S(pydantic.BaseModel): pass\n"
        "class Model(zoo.Autoencoder): Spec = S\n",
        "has no Spec",
    ),
    "lax": (
        f"{GOOD}from pydantic import ConfigDict\n"
        "class S(GoodSpec): model_config = ConfigDict(extra='allow')\n"
        "class Model(Good): Spec = S\n",
        "S allows unknown fields. Give it model_config = ConfigDict(",
    ),
    "lax-inside": (
        f"{GOOD}import pydantic\nclass Inner(pydantic.BaseModel): n: int = 1\n"
        "class S(GoodSpec): inner: Inner = Inner()\nclass Model(Good): Spec = S\n",
        "Inner allows unknown fields",
    ),
    "lax-dataclass": (
        f"{GOOD}import pydantic.dataclasses\n@pydantic.dataclasses.dataclass\nclass D: n: int = 1\n"
        "class S(GoodSpec): d: D = D()\nclass Model(Good): Spec = S\n",
        "D allows unknown fields",
    ),
    "forward": (
        f"{GOOD}class S(GoodSpec): x: 'Nowhere' = 1\nclass Model(Good): Spec = S\n",
        "cannot be used: PydanticUserError",
    ),
    "no-json": (
        f"{GOOD}from typing import Callable\nclass S(GoodSpec): f: Callable = print\n"
        "class Model(Good): Spec = S\n",
        "cannot be used: PydanticInvalidForJsonSchema",
    ),
    "half": (
        f"{GOOD}class Model(zoo.Autoencoder): Spec = GoodSpec\n",
        "Model does not implement _encode and _decode",
    ),
}
"""By the family's name: the module, and what is said of it wherever it is met."""

AT_BUILD = {
    "ignores-spec": (
        f"{GOOD}class Model(Good):\n    def __init__(self, spec):\n"
        "        super().__init__(GoodSpec(input_shape=spec.input_shape, width=7))\n",
        "Model.spec is not the Spec that it was built from",
    ),
    "no-argument": (
        f"{GOOD}class Model(Good):\n    def __init__(self): pass\n",
        "failed to build a model from its Spec: TypeError",
    ),
    "shares": (
        f"{GOOD}class Model(Good):\n    def __init__(self, spec):\n"
        "        super().__init__(spec)\n        self.other = self.weight\n",
        "other and weight share memory",
    ),
    "overlaps": (
        f"{GOOD}class Model(Good):\n    def __init__(self, spec):\n        super().__init__(spec)\n"
        "        self.register_buffer('part', self.weight.data[:1])\n",
        "part and weight share memory",
    ),
    "transposed": (
        f"{GOOD}class Model(Good):\n    def __init__(self, spec):\n        super().__init__(spec)\n"
        "        self.weight = torch.nn.Parameter(torch.randn(spec.width, spec.input_size).T)\n",
        "weight is not contiguous",
    ),
    "doubles": (
        f"{GOOD}class Model(Good):\n    def __init__(self, spec):\n        super().__init__(spec)\n"
        "        self.double()\n",
        "weight is float64; weights are float32",
    ),
    "exits-in-init": (
        f"{GOOD}class Model(Good):\n    def __init__(self, spec): raise SystemExit(0)\n",
        "failed to build a model from its Spec: SystemExit: 0",
    ),
    "raises-ours": (
        f"{GOOD}class Model(Good):\n    def __init__(self, spec): raise zoo.SpecError('haha')\n",
        "failed to build a model from its Spec: SpecError: haha",
    ),
    "own-type-error": (
        f"{GOOD}class S(GoodSpec):\n    @property\n    def latent_shape(self): return 'many' + 1\n"
        "class Model(Good): Spec = S\n",
        "failed in its S: TypeError",
    ),
    "raising-spec": (
        f"{GOOD}class S(GoodSpec):\n    @property\n    def latent_shape(self): return (1 // 0,)\n"
        "class Model(Good): Spec = S\n",
        "failed in its S: ZeroDivisionError",
    ),
    "odd-shape": (
        f"{GOOD}class S(GoodSpec):\n    @property\n    def latent_shape(self): return [3]\n"
        "class Model(Good): Spec = S\n",
        "latent_shape must be a tuple of positive integers, not [3]",
    ),
}
"""The same, of what can be known only once a model is built."""

AT_SAVE = {
    "nulls": (
        f"{GOOD}class S(GoodSpec): extra: int | None = None\nclass Model(Good): Spec = S\n",
        "is not TOML serializable",
    ),
    "bytes": (
        f"{GOOD}class S(GoodSpec): extra: bytes = b'\\xff'\nclass Model(Good): Spec = S\n",
        "has a S that cannot be saved",
    ),
}
"""The same, of what can be known only once a Spec is written."""


def package(name: str, code: str) -> Package:
    """A package `broken-NAME` whose family NAME is `Model` of a module of this code."""
    module = f"broken_{name.replace('-', '_')}"
    return Package(
        f"broken-{name}", "0.3", {f"{module}.py": MARK + code}, {name: f"{module}:Model"}
    )


IN_TRAINING = {
    "late": ("raise KeyError('here')", "failed: KeyError: 'here'. --debug shows where."),
    "late-exit": ("raise SystemExit(0)", "failed: SystemExit: 0. --debug shows where."),
    "late-empty": ("return zoo.Loss({})", "its loss is not a zoo.Loss with terms"),
    "late-vector": (
        "return zoo.Loss(batch={'a': batch.input})",
        "the term 'a' of its loss is not a scalar tensor.",
    ),
    "late-scalar": (
        "return zoo.Loss({'a': batch.input.sum()})",
        "(N,). Put scalars in Loss(batch={...}).",
    ),
    "late-constant": (
        "return zoo.Loss({'a': batch.input.flatten(1).sum(1)})",
        "its loss has no gradient.",
    ),
}
"""By the family's name: what its loss does, and what `zoo train NAME` says of it."""


def fails_late(name: str, loss: str) -> Package:
    """A package whose family fails when it is trained, and a recipe NAME."""
    module = name.replace("-", "_")
    code = f"{MARK}{GOOD}class Late(Good):\n    def _loss(self, batch, noise): {loss}\n"
    files = {
        f"{module}/__init__.py": code,
        f"{module}/models/recipes/{name}.toml": RECIPE.format(name=name),
    }
    return Package(
        f"fails-{name}", "1.0", files, {name: f"{module}:Late"}, {}, {name: f"{module}.models"}
    )


def without_measure(project: Path) -> Package:
    """The example package, its `_measure` renamed an argument that the zoo passes by its name."""
    points = tomllib.loads((project / "pyproject.toml").read_text())["project"]["entry-points"]
    files = {
        str(path.relative_to(project)): path.read_bytes()
        for path in (project / "acme_vq").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    model = files["acme_vq/model.py"]
    files["acme_vq/model.py"] = model.replace(
        b"def _measure(self, batches", b"def _measure(self, b"
    )
    groups = (points[f"autoencoder_zoo.{kind}"] for kind in ("families", "datasets", "registries"))
    return Package("acme-vq", "0.3", files, *groups)


def unpack(folder: Path, *packages: Package) -> None:
    """Lays packages into a folder of modules, as an installer would: a wheel is a zip."""
    for one in packages:
        with zipfile.ZipFile(one.wheel(folder.parent / f"{folder.name}-wheels")) as wheel:
            wheel.extractall(folder)


def all_packages() -> list[Package]:
    """Every one of them, and some that break names instead of code."""
    from_code = {
        name: code for table in (AT_IMPORT, AT_BUILD, AT_SAVE) for name, (code, _) in table.items()
    }
    good = MARK + GOOD
    return [
        *(package(name, code) for name, code in from_code.items()),
        package("dies", "os._exit(0)\n"),
        Package("bad-name", "1.0", {"bad_name.py": good}, {"Bad Name!": "bad_name:Good"}),
        Package("bad-target", "1.0", {"bad_target.py": good}, {"bad-target": "bad target"}),
        Package("takes-vae", "1.0", {"takes_vae.py": good}, {"vae": "takes_vae:Good"}),
        Package("one-twin", "1.0", {"one_twin.py": good}, {"twin": "one_twin:Good"}),
        Package("other-twin", "2.0", {"other_twin.py": good}, {"twin": "other_twin:Good"}),
        Package(
            "bad-registry",
            "1.0",
            {"bad_registry/__init__.py": good, "bad_registry/models/index.toml": '["../x"]\n'},
            registries={"bad": "bad_registry.models", "none": "bad_registry.nothing"},
        ),
        Package(
            "bad-data",
            "1.0",
            {"bad_data.py": MARK + "raise OSError('no data')"},
            datasets={"bad-data": "bad_data:images", "mnist": "bad_data:mnist"},
        ),
        *(fails_late(name, loss) for name, (loss, _) in IN_TRAINING.items()),
        Package("works", "1.0", {"works.py": good}, {"works": "works:Good"}),
    ]
