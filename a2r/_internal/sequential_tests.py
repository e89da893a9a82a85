"""Sequential tests on votes: formulas for the evidence that the top answer is the most likely."""

from __future__ import annotations

import math


def beta_confidence(first: int, second: int) -> float:
    """The posterior probability that the top answer is likelier than the runner-up.

    `first` and `second` are their votes. With a uniform prior, it is the mass of
    Beta(first + 1, second + 1) above one half. Four votes to none give 0.969, three give 0.938.

    Source: Aggarwal et al., Let's Sample Step by Step: Adaptive-Consistency, arXiv 2305.11860,
    section 3 (the Beta criterion).
    """
    trials = first + second + 1
    lower = sum(math.comb(trials, successes) for successes in range(first + 1))
    return lower / (1 << trials)


def sprt_log_likelihood_ratio(first: int, second: int, p1: float) -> float:
    """The log-likelihood ratio of a share p1 of votes for the top answer to a share of one half.

    `first` and `second` are the votes of the top answer and the runner-up.

    Source: Wald, Sequential Tests of Statistical Hypotheses, 1945; applied to votes by Lee et al.,
    ConSol, arXiv 2503.17587, section 2.
    """
    return first * math.log(2 * p1) + second * math.log(2 * (1 - p1))


def sprt_boundary(alpha: float, beta: float) -> float:
    """The log-likelihood ratio at which Wald's test accepts, for error rates `alpha` and `beta`."""
    return math.log((1 - beta) / alpha)
