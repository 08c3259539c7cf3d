"""Missing values drawn by variational models, beside simple methods on the same hidden values.

    python benchmarks/imputation.py --pixels hierarchical-vae-mnist vae-mnist-20 --limit 200
    python benchmarks/imputation.py --tables vae-breast-cancer-2 --share 0.2 0.5

`--pixels`: nats per missing pixel of MNIST's lower half, binarized, given the upper half, and without it.

`--tables`: test rows of a model's dataset whose values were hidden at random, row n by the mask of image n of `1 x 1 x D` of a
restoration protocol. NRMSE is the root mean squared error of the imputed values, nats are -log p(hidden | observed)
per hidden value, both of columns divided by their standard deviation in the training rows. The normal distribution has the
training rows' mean and covariance; scikit-learn's imputers are fitted on the training rows and the incomplete ones.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import torch
from comparison import print_setting, print_table
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

import zoo
from zoo.data import load_examples, shown_in_testing
from zoo.models import VariationalAutoencoder
from zoo.restoration.measure import missing_nats, missing_pixels, nrmse
from zoo.specs.restoration import RestorationProtocol


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", nargs="*", default=[], help="variational models of MNIST")
    parser.add_argument("--tables", nargs="*", default=[], help="variational models of rows")
    parser.add_argument(
        "--share", type=float, nargs="*", default=[0.2, 0.5], help="of hidden values"
    )
    parser.add_argument("--limit", type=int, default=200, help="examples  [default: 200]")
    parser.add_argument("--steps", type=int, default=200, help="of a chain  [default: 200]")
    parser.add_argument("--samples", type=int, default=50, help="chains  [default: 50]")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_setting()
    if arguments.pixels:
        _pixels(arguments.pixels, arguments.limit, arguments.samples, arguments.steps)
    for name in arguments.tables:
        for share in arguments.share:
            _table(name, share, arguments)


def _table(name: str, share: float, arguments: argparse.Namespace) -> None:
    model = _variational(name)
    dataset = str(zoo.info(name).data)
    train = load_examples(dataset, "train").first(10**6).double().numpy()
    x = load_examples(dataset, "test").first(arguments.limit).double().numpy()
    protocol = RestorationProtocol.model_validate({"corruption": {"kind": "mask", "share": share}})
    rows = [missing_pixels((1, 1, x.shape[1]), n, protocol)[0, 0].numpy() for n in range(len(x))]
    missing = np.stack(rows)
    assert not missing.all(1).any(), "a row without an observed value: choose a smaller share"
    scale, holes = train.std(0), np.where(missing, np.nan, x)
    how = {"steps": arguments.steps, "seed": 0}
    drawn = zoo.impute(model, holes, draws=arguments.samples, **how)
    standardized = model.standardized(torch.from_numpy(x).float())
    given, alone = missing_nats(
        model, standardized, torch.from_numpy(missing), samples=arguments.samples, **how
    )
    normal, score = _normal(train, x, missing)
    found = {
        "column means": (np.where(missing, train.mean(0), x), None),
        "10 nearest rows": (_imputed(KNNImputer(n_neighbors=10), train, holes), None),
        "IterativeImputer": (_imputed(IterativeImputer(random_state=0), train, holes), None),
        "normal distribution": (normal, score),
        f"{name}, {arguments.samples} draws": (drawn, float(given.sum()) / missing.sum()),
        f"{name}, nothing observed": (None, float(alone.sum()) / missing.sum()),
    }
    table = [
        [
            method,
            ""
            if rows is None
            else f"{nrmse(np.asarray(rows).reshape(-1, *x.shape), x, missing, scale):.3f}",
            "" if nats is None else f"{nats:.3f}",
        ]
        for method, (rows, nats) in found.items()
    ]
    print(f"\n{dataset}, test, {len(x)} rows, {missing.sum():,} values hidden: {protocol.title}")
    print_table(["method", "NRMSE", "nats per hidden value"], table)


def _imputed(
    imputer: KNNImputer | IterativeImputer, train: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Imputed rows of scikit-learn, of columns divided by their standard deviations.

    It is fitted on the rows to impute too: without missing values IterativeImputer learns nothing.
    """
    scale = train.std(0)
    found = imputer.fit_transform(np.concatenate([train, x]) / scale)
    return np.asarray(found)[len(train) :] * scale


def _normal(train: np.ndarray, x: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, float]:
    """Conditional means, and -log p(hidden | observed) per hidden value, of a normal distribution."""
    mean, scale = train.mean(0), train.std(0)
    covariance = np.cov(train / scale, rowvar=False)
    filled, nats = x.copy(), 0.0
    for row, hidden in zip(filled, missing, strict=True):
        if not hidden.any():
            continue
        errors, seen = (row - mean) / scale, ~hidden
        weights = np.linalg.solve(
            covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, hidden)]
        ).T
        expected = weights @ errors[seen]
        spread = covariance[np.ix_(hidden, hidden)] - weights @ covariance[np.ix_(seen, hidden)]
        rest = errors[hidden] - expected
        fit = rest @ np.linalg.solve(spread, rest)
        nats += (fit + np.linalg.slogdet(spread)[1] + hidden.sum() * math.log(2 * math.pi)) / 2
        row[hidden] = expected * scale[hidden] + mean[hidden]
    return filled, nats / missing.sum()


def _pixels(names: list[str], limit: int, samples: int, steps: int) -> None:
    """Nats per missing pixel of MNIST's lower half."""
    x = shown_in_testing(load_examples("mnist", "test").first(limit), "binarized")
    missing = torch.zeros(x.shape, dtype=torch.bool)
    missing[:, :, 14:] = True
    rows = []
    for name in names:
        model = _variational(name)
        for count in (max(1, samples // 5), samples):
            given, alone = missing_nats(
                model, model.standardized(x), missing, samples=count, steps=steps
            )
            pixels = int(missing[0].sum())
            gain = (alone - given) / pixels
            nats = [f"{(one / pixels).mean():.4f}" for one in (given, alone, alone - given)]
            rows.append([name, str(count), *nats, f"{gain.std() / math.sqrt(len(gain)):.4f}"])
    print(f"MNIST, test, {limit} images, binarized, lower half missing: nats per missing pixel")
    print_table(["model", "samples", "given the upper half", "without it", "gain", "s.e."], rows)


def _variational(name: str) -> VariationalAutoencoder:
    model = zoo.load(name)
    if not isinstance(model, VariationalAutoencoder):
        raise SystemExit(f"{name} is not variational: it draws no missing values.")
    return model


if __name__ == "__main__":
    main()
