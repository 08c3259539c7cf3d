"""Likelihoods: one class each, its settings and its distribution. No torch until a method is called.

base.py      `Likelihood`, what a new one implements
registry.py  the known ones, by kind: built in, registered in this process, or an installed package's
field.py     `AnyLikelihood`, the type of a Spec's field, and its default
fitting.py   which protocols fit a Spec's likelihood
"""

from zoo.likelihoods.bernoulli import BernoulliLikelihood
from zoo.likelihoods.continuous_bernoulli import ContinuousBernoulliLikelihood
from zoo.likelihoods.discretized_logistic import DiscretizedLogisticLikelihood
from zoo.likelihoods.gaussian import GaussianLikelihood
from zoo.likelihoods.registry import add_built_in

add_built_in(BernoulliLikelihood)
add_built_in(ContinuousBernoulliLikelihood)
add_built_in(GaussianLikelihood)
add_built_in(DiscretizedLogisticLikelihood)
