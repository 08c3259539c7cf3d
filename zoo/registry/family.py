"""`Family`: a named architecture, the package that provides it, and building its models from Specs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, NotInstalledError, PluginError, SpecError
from zoo.families.rows import Row
from zoo.plugins.guards import plugin_errors
from zoo.specs.base import MAX_PARAMETERS, Spec, check_latent_shape, plain_fields
from zoo.specs.info import Provider
from zoo.specs.validation import checked

if TYPE_CHECKING:
    from zoo.models.interface import Autoencoder

# torch is imported when a class is needed: the Specs of built-in families do not need it.


@dataclass(frozen=True)
class Family:
    """An available family, or one that an installed package declares."""

    name: str
    title: str
    """Its name in errors: `Family 'vae'`, or `Plugin 'vq' of acme-vq 0.3`."""
    provider: Provider | None
    """The package that it comes from; None if this program registered it."""
    load: Callable[[], type[Autoencoder]] = field(repr=False)
    """Returns its class. Raises PluginError if its package fails."""
    summary: str = ""
    row: Row | None = None
    """Its description if it is built in, available without torch."""

    @property
    def cls(self) -> type[Autoencoder]:
        """Its class, imported on first use. Raises PluginError."""
        return self.load()

    @property
    def spec_class(self) -> type[Spec]:
        """The type of its Specs. Raises PluginError."""
        return self.row.spec if self.row else self.cls.Spec

    @property
    def parts(self) -> frozenset[str]:
        """What its models provide to objectives: see `zoo.models.primitives.parts_of`. Raises PluginError."""
        if self.row is not None:
            return frozenset(self.row.spec.parts)
        from zoo.models.primitives import parts_of

        return parts_of(self.cls)

    @property
    def is_variational(self) -> bool:
        """Whether its models have a prior, and so samples and a bound. Raises PluginError."""
        return {"posterior", "prior", "likelihood"} <= self.parts

    @property
    def own_pictures(self) -> Mapping[str, str]:
        """Captions of the pictures that it adds to the built-in ones, by name."""
        return self.cls.own_pictures

    def guarded(self, doing: str) -> AbstractContextManager[None]:
        """Turns any error of a plugin's code into a PluginError that names the package."""
        return nullcontext() if self.row else plugin_errors(self.title, doing)

    def parse(self, fields: Mapping[str, Any], section: str = "") -> tuple[Spec | None, list[str]]:
        """Its Spec from plain fields, or None and a line for every problem.

        Raises PluginError if its package or its Spec class fails.
        """
        cls = self.spec_class
        with self.guarded(f"failed in its {cls.__name__}"):
            spec, problems = checked(cls, fields, section)
            if spec is not None and not self.row:
                check_latent_shape(spec)
        return spec, problems

    def plain_fields(self, spec: Spec) -> dict[str, Any]:
        """A Spec's fields as stored in config.json and recipe.toml.

        Raises PluginError for a Spec that cannot be written to both and read back unchanged.
        """
        with self.guarded(f"has a {type(spec).__name__} that cannot be saved"):
            return plain_fields(spec)

    def parameters(self, spec: Spec) -> int:
        """Number of parameters of a model, counted on the meta device: nothing is allocated.

        Raises SpecError for more than the zoo builds, PluginError for a class that cannot be built on meta.
        """
        import torch

        cls = self.cls
        try:
            with self.guarded("failed to build a model from its Spec"), torch.device("meta"):
                count = sum(parameter.numel() for parameter in cls(spec).parameters())
        except NotInstalledError:
            raise
        except PluginError as failure:
            raise PluginError(
                f"{failure} (It was built on the meta device, where parameters are counted before "
                f"anything is allocated: {cls.__name__}.__init__ may not read values of its weights.)"
            ) from failure
        if count > MAX_PARAMETERS:
            raise SpecError(
                f"{self.title}: the model would have {count:,} parameters; the zoo builds at most "
                f"{MAX_PARAMETERS:,}."
            )
        return count

    def build(self, spec: Spec, seed: int | None = None) -> Autoencoder:
        """An untrained model, in train mode, its weights drawn from the seed.

        Raises SpecError for more parameters than the zoo builds, PluginError if its class fails or
        breaks the contract.
        """
        import torch

        self.parameters(spec)
        if seed is None:
            return self._made(spec)
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise InputError(f"seed must be an integer from 0 to 2**63 - 1; got {str(seed)[:60]}.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._made(spec)

    def skeleton(self, spec: Spec) -> Autoencoder:
        """A model to load weights into: its parameters are on the meta device, its buffers are allocated.

        If a plugin's class reads its weights while being built, they are allocated too.
        Raises SpecError for more parameters than the zoo builds.
        """
        self.parameters(spec)
        try:
            with _parameters_on_meta():
                return self._made(spec)
        except PluginError:
            return self._made(spec)

    def _made(self, spec: Spec) -> Autoencoder:
        from zoo.models.contract import check_model

        cls = self.cls
        with self.guarded("failed to build a model from its Spec"):
            model = cls(spec)
            if not self.row:
                check_model(model, spec, self.title)
        return model


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Puts parameters created by this thread on the meta device, so that initialization costs nothing."""
    import threading

    from torch import nn
    from torch.nn.modules.module import register_module_parameter_registration_hook

    thread = threading.get_ident()

    def to_meta(module: nn.Module, name: str, parameter: nn.Parameter | None):
        if parameter is None or parameter.is_meta or threading.get_ident() != thread:
            return None
        return nn.Parameter(parameter.to("meta"), requires_grad=parameter.requires_grad)

    hook = register_module_parameter_registration_hook(to_meta)  # pyright: ignore[reportArgumentType]  # its stub omits the return value
    try:
        yield
    finally:
        hook.remove()
