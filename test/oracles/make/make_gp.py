"""Makes gp.json: Gaussian-process posteriors and expected improvement from scikit-learn.

Inputs are binary vectors, as skip sets are; length scale, variance and noise are fixed, not fitted.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern

LENGTH_SCALE = 1.7
VARIANCE = 0.8
NOISE = 1e-2
QUERIES = 6
CASES = ((5, 3, "rbf"), (12, 24, "matern52"), (40, 24, "matern52"), (30, 60, "rbf"))  # points, variables, kernel


def expected_improvement(mean, deviation, best):
    """Of a maximisation, over the best value seen."""
    z = (mean - best) / deviation
    return (mean - best) * norm.cdf(z) + deviation * norm.pdf(z)


def make_case(generator: np.random.Generator, points: int, variables: int, kernel: str) -> dict:
    """A noisy linear function of random binary points, and the posterior at random queries."""
    x = generator.integers(0, 2, (points, variables)).astype(float)
    y = x @ generator.normal(size=variables) * 0.2 + generator.normal(size=points) * 0.05
    query = generator.integers(0, 2, (QUERIES, variables)).astype(float)
    shape = RBF(LENGTH_SCALE) if kernel == "rbf" else Matern(LENGTH_SCALE, nu=2.5)
    process = GaussianProcessRegressor(kernel=ConstantKernel(VARIANCE) * shape, alpha=NOISE, optimizer=None).fit(x, y)
    mean, deviation = process.predict(query, return_std=True)
    return {
        "kernel": kernel,
        "lengthScale": LENGTH_SCALE,
        "variance": VARIANCE,
        "noise": NOISE,
        "X": x.tolist(),
        "y": y.tolist(),
        "query": query.tolist(),
        "mean": mean.tolist(),
        "standardDeviation": deviation.tolist(),
        "expectedImprovement": expected_improvement(mean, deviation, y.max()).tolist(),
        "logMarginalLikelihood": float(process.log_marginal_likelihood_value_),
    }


def main():
    """Reads the command line and writes the cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument("--seed", type=int, default=4, help="default %(default)s, that of gp.json")
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.seed)
    cases = [make_case(generator, *case) for case in CASES]
    arguments.output.write_text(json.dumps(cases), encoding="utf-8")


if __name__ == "__main__":
    main()
