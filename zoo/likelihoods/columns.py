"""`columns`: for rows whose columns are of different kinds."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from zoo.likelihoods.base import Likelihood
from zoo.likelihoods.gaussian import MIN_SCALE_OF_REALS
from zoo.specs.columns import BINARY, EXAMPLE, REAL, Layout, layout_of, width

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.distributions.columns import Columns


class ColumnsLikelihood(Likelihood):
    """Independent columns: Gaussian with a learned scale each, Bernoulli, or categorical.

    A binary column holds 0 or 1 and a categorical one a code, a whole number from 0; neither is
    standardized. The encoder sees a real column standardized, a binary one as it is, and a
    categorical one one-hot. With `missing = "marginal"` NaN is a missing value: the encoder sees
    zeros in its place, and its column is left out of log p(x | z), which is then that of the observed
    columns (cf. Mattei & Frellsen, MIWAE, 2019).
    """

    kind: Literal["columns"] = "columns"
    columns: str = Field(
        max_length=100_000,
        description="the kind of each column, in runs: a count, then r (real), b (binary) or cK (categorical "
        f"with K categories); {EXAMPLE}",
    )
    missing: Literal["refused", "marginal"] = Field(
        default="refused",
        description="NaN in an input: refused; or marginal, a missing value, which is left out of log p(x | z)",
    )
    domains = ("vector",)

    @field_validator("columns")
    @classmethod
    def _check_notation(cls, text: str) -> str:
        layout_of(text)
        return text

    @property
    def layout(self) -> Layout:
        """The kind of each column."""
        return layout_of(self.columns)

    @property
    def accepts_missing(self) -> bool:
        return self.missing == "marginal"

    def check(self, shape: tuple[int, ...]) -> None:
        if (count := len(self.layout)) != shape[0]:
            some = f"{self.columns[:60]}{'...' * (len(self.columns) > 60)}"
            raise ValueError(
                f"columns = {some!r} has {count:,} column{'s' * (count != 1)}; input_shape has {shape[0]:,}"
            )

    def inputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(F,)`: one feature for each real or binary column, K for one of K categories."""
        return (self.layout.features,)

    def outputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """`(F,)`: the mean of a real column, the logit of a binary one, K logits of a categorical one."""
        return (self.layout.features,)

    def standardized(self, shape: tuple[int, ...]) -> tuple[bool, ...]:
        return tuple(kind == REAL for kind in self.layout.kinds)

    def parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        import torch

        reals = self.layout.kinds.count(REAL)
        return {"log_scale": torch.zeros(reals)} if reals else {}

    def constants(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        import torch

        layout, starts = self.layout, self.layout.starts()
        kinds = (REAL, BINARY, *layout.sizes)
        columns = {kind: layout.of(kind) for kind in kinds}
        joined = [column for kind in kinds for column in columns[kind]]
        order = torch.empty(len(joined), dtype=torch.long)
        order[torch.tensor(joined)] = torch.arange(len(joined))
        found = {"order": order}
        for kind, own in columns.items():
            found[f"columns_{kind}"] = torch.tensor(own, dtype=torch.long)  # (n,)
            first = torch.tensor([starts[column] for column in own], dtype=torch.long)
            found[f"outputs_{kind}"] = (
                first[:, None] + torch.arange(kind) if kind > BINARY else first
            )  # (n, K) or (n,)
        features = [(column, kind) for column, kind in enumerate(layout.kinds)]
        found["source"] = torch.tensor([c for c, kind in features for _ in range(width(kind))])
        found["code"] = torch.tensor(
            [code for _, kind in features for code in (range(kind) if kind > BINARY else (-1,))]
        )
        return found

    def features(self, x: Tensor, shape: tuple[int, ...], **constants: Tensor) -> Tensor:
        from zoo.distributions.columns import features_of

        return features_of(x, constants["source"], constants["code"])

    def distribution(
        self, outputs: Tensor, shape: tuple[int, ...], **parameters: Tensor
    ) -> Columns:
        from zoo.distributions.columns import Columns, Places

        def place(kind: str) -> tuple[Tensor, Tensor]:
            return parameters[f"columns_{kind}"], parameters[f"outputs_{kind}"]

        groups = (name.removeprefix("outputs_") for name in parameters if name[:8] == "outputs_")
        real, binary, *sizes = map(place, groups)
        places = Places(real, binary, tuple(sizes), parameters["order"])
        log_scale = parameters.get("log_scale")
        scale = outputs.new_ones(0) if log_scale is None else MIN_SCALE_OF_REALS + log_scale.exp()
        return Columns(outputs, scale, places)

    def outputs_for(self, mean: Tensor) -> Tensor:
        """Outputs with this mean; a categorical column whose mean is no code, as an average of codes
        is not, gets equal probabilities."""
        constants = {name: one.to(mean.device) for name, one in self.constants(mean.shape).items()}
        outputs = self.features(mean, tuple(mean.shape), **constants)  # (F,)
        binary = constants[f"outputs_{BINARY}"]
        outputs[binary] = outputs[binary].logit(eps=1e-3)
        return outputs

    def invalid(self, x: Tensor, shape: tuple[int, ...]) -> tuple[tuple[int, ...], str] | None:
        import torch

        most = _largest_codes(self.columns)  # (D,)
        x = x.double()
        wrong = (x < 0) | (x > most) | (x != x.floor())
        wrong &= torch.isfinite(most) & ~torch.isnan(x)
        if not wrong.any():
            return None
        row, column = wrong.nonzero()[0].tolist()
        if self.layout.kinds[column] == BINARY:
            return (row, column), f"column {column} is binary, 0 or 1"
        takes = f"whole numbers from 0 to {int(most[column])}"
        return (row, column), f"column {column} is categorical, {takes}"


@lru_cache
def _largest_codes(columns: str) -> Tensor:
    """The largest code of each column, `(D,)` float64; infinity for a real one."""
    import torch

    kinds = layout_of(columns).kinds
    most = [float("inf") if kind == REAL else max(1, kind - 1) for kind in kinds]
    return torch.tensor(most, dtype=torch.float64, device="cpu")
