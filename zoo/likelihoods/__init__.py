"""Likelihoods: one class each, with its settings and its distribution. torch is imported in methods only.

base.py      `Likelihood`, the base class
registry.py  likelihoods by kind: built in, registered in this process, or from an installed package
field.py     `AnyLikelihood`, the type of a Spec's field, and its default
fitting.py   a Spec's likelihood, and the protocols that fit it
"""

from zoo.likelihoods.bernoulli import BernoulliLikelihood
from zoo.likelihoods.columns import ColumnsLikelihood
from zoo.likelihoods.continuous_bernoulli import ContinuousBernoulliLikelihood
from zoo.likelihoods.discretized_logistic import DiscretizedLogisticLikelihood
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.likelihoods.registry import LIKELIHOODS

for _cls in (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    GaussianLikelihood,
    DiscretizedLogisticLikelihood,
    ColumnsLikelihood,
):
    LIKELIHOODS.add_built_in(_cls)
