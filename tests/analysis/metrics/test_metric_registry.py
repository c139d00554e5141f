"""Metrics by name: registering one's own, and what `measure` refuses."""

import doctest
import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest
import torch

import convergence
from convergence.analysis import metrics
from convergence.analysis.metrics import METRICS, Representations, list_metrics, measure, register_metric

EXPECTED = {
    "rsa",
    "cka",
    "unbiased_cka",
    "cknna",
    "mutual_knn",
    "cycle_knn",
    "lcs_knn",
    "edit_distance_knn",
    "cca",
    "svcca",
    "procrustes",
    "linear_predictivity",
}
OURS = sorted(EXPECTED)
RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((30, 6)), RNG.standard_normal((30, 9))


@pytest.fixture
def registered():
    """Forget what a test registers."""
    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(metrics.__path__)])
def test_examples(module):
    assert doctest.testmod(importlib.import_module(f"convergence.analysis.metrics.{module}")).failed == 0


def test_all_are_there_and_tell_their_range():
    assert EXPECTED <= set(list_metrics()) and list_metrics() == sorted(list_metrics())
    for name in OURS:
        assert re.match(r"From (0|-1) to 1, larger is more alike: ", METRICS[name].__doc__), name
    assert {"measure", "list_metrics", "register_metric", "calibrate"} <= set(
        convergence.__all__
    ) and convergence.measure is measure


@pytest.mark.parametrize("name", OURS)
def test_every_metric_gives_the_same_number_for_numpy_and_torch_every_time(name):
    x, y = X.astype(np.float32), Y.astype(np.float32)
    first = measure(name, x, y)
    assert isinstance(first, float) and measure(name, x, y) == first
    assert measure(name, torch.tensor(x), torch.tensor(y)) == pytest.approx(first, abs=1e-6)
    assert measure(name, x.astype(np.float64), y.astype(np.float64)) == pytest.approx(first, abs=1e-5)
    whole = np.round(100 * x).astype(np.int16)
    assert measure(name, whole, y) == pytest.approx(measure(name, whole.astype(np.float64), y.astype(np.float64)), abs=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", OURS)
def test_every_metric_gives_the_same_number_on_a_gpu(name):
    x, y = X.astype(np.float32), Y.astype(np.float32)
    on_cpu = measure(name, torch.tensor(x), torch.tensor(y))
    assert measure(name, torch.tensor(x, device="cuda"), torch.tensor(y, device="cuda")) == pytest.approx(on_cpu, abs=1e-5)


@pytest.mark.parametrize("name", OURS)
def test_a_matrix_with_itself_is_1_and_the_range_holds(name):
    assert measure(name, X, X) == pytest.approx(1, abs=1e-6)
    low = int(METRICS[name].__doc__.split()[1])
    values = [
        measure(
            name, np.random.default_rng(seed).standard_normal((80, 3)), np.random.default_rng(seed + 99).standard_normal((80, 4))
        )
        for seed in range(10)
    ]
    assert all(low <= value < 0.9 for value in values)


@pytest.mark.parametrize("name", OURS)
def test_relabelling_both_changes_nothing_and_one_is_as_if_rows_were_moved(name):
    order = np.random.default_rng(1).permutation(len(X))
    options = {"groups": np.arange(len(X))} if name == "linear_predictivity" else {}
    x, y = Representations(name, [X, X[:, :4]], **options), Representations(name, [Y], **options)
    moved = Representations(name, [Y[order]], **options)
    np.testing.assert_allclose(x.compare(y, order=order), x.compare(moved), atol=1e-9)
    if name != "linear_predictivity":                                               # whose parts go by the number of the row
        assert measure(name, X[order], Y[order]) == pytest.approx(measure(name, X, Y), abs=1e-9)


@pytest.mark.parametrize("name", OURS)
def test_many_with_many_is_every_pair(name):
    xs, ys = [X, X[:, 1:4], X ** 2], [Y, Y[:, :5], Y[:, 3:] ** 3]
    x, y = Representations(name, xs), Representations(name, iter(ys))
    found = x.compare(y)
    assert found.shape == (3, 3) and found.dtype == np.float64
    np.testing.assert_allclose(found, [[measure(name, a, b) for b in ys] for a in xs], atol=1e-9)
    np.testing.assert_allclose(x.compare(y, paired=True), found.diagonal(), atol=1e-9)


def test_ones_own_metric_is_three_lines(registered):
    @register_metric
    def mine(x, y, *, power=1):
        return float((x.mean(1) ** power @ y.mean(1)) * 0 + power)
    assert measure("mine", X, Y) == 1 and measure("mine", X, Y, power=3) == 3 and "mine" in list_metrics()
    assert Representations("mine", [X, X], power=2).compare(Representations("mine", [Y], power=2)).tolist() == [[2], [2]]
    assert list(inspect.signature(mine).parameters) == ["x", "y", "power"]           # the function itself is unchanged


def test_a_name_that_is_taken(registered):
    def rsa(x, y):
        return 1.0
    with pytest.raises(
        ValueError,
        match="'rsa' of .*test_metric_registry is the name of a metric of convergence.analysis.metrics.gram_similarity "
        "already; give the function another name",
    ):
        register_metric(rsa)

    def again(x, y):
        return 0.5
    register_metric(again), register_metric(again)
    assert measure("again", X, Y) == 0.5


def test_a_metric_that_is_not_a_number(registered):
    @register_metric
    def broken(x, y):
        return float("nan")
    with pytest.raises(ValueError, match="measure: metric 'broken' gave nan; leave out"):
        measure("broken", X, Y)
    with pytest.raises(ValueError, match="Representations: metric 'broken' gave nan"):
        Representations("broken", [X]).compare(Representations("broken", [Y]))


@pytest.mark.parametrize(
    "message, name, x, y, options",
    [
        ("measure: name='mutual_nn' is unknown; did you mean 'mutual_knn'\\? Choose from: .*'cca'", "mutual_nn", X, Y, {}),
        ("measure: metric 'mutual_knn' has no option k; it has topk, kernel", "mutual_knn", X, Y, {"k": 3}),
        ("measure: metric 'procrustes' has no option topk; it has none", "procrustes", X, Y, {"topk": 3}),
        ("kernel: 'linear' has no parameter 'gamma'; it has none", "cka", X, Y, {"gamma": 3}),
        ("kernel: kernel='cosin' is unknown; did you mean 'cosine'", "unbiased_cka", X, Y, {"kernel": "cosin"}),
        ("measure: y has 29 rows \\(stimuli\\), x has 30; select the same stimuli", "rsa", X, Y[:-1], {}),
        ("measure: x has shape \\(30,\\); expected \\(n_stimuli, n_features\\)", "cka", X[:, 0], Y, {}),
        ("measure: y has shape \\(2, 30, 9\\).*use convergence.analysis.metrics.Representations", "cka", X, np.stack([Y, Y]), {}),
        ("measure: x has 3 rows \\(stimuli\\); at least 4", "cka", X[:3], Y[:3], {}),
        ("measure: y has NaN in 1 of 30 rows: 0", "svcca", X, np.where(np.arange(30)[:, None] == 0, np.nan, Y), {}),
        ("cka: every two rows are equally alike to the linear kernel", "cka", X, np.full((30, 2), 7.1), {}),
        ("cka: every two rows are equally alike to the linear kernel", "unbiased_cka", np.full((30, 2), 7.1), Y, {}),
        ("cca: 30 stimuli and 29 columns: .*use svcca, .* or more stimuli", "cca", X, np.tile(Y, 4)[:, :29], {}),
        ("svcca: 29 components of 30 stimuli: .*give fewer n_components, or more stimuli", "svcca", X, Y, {"n_components": 29}),
        ("svcca: n_components=0; expected a whole number, at least 1", "svcca", X, Y, {"n_components": 0}),
        ("svcca: n_components=1.5; expected a number from", "svcca", X, Y, {"n_components": 1.5}),
        ("columns: every column has one value in all rows", "procrustes", X, np.ones((30, 2)), {}),
        ("neighbours: topk=30, but each of 30 stimuli has 29 others; give a smaller topk", "mutual_knn", X, Y, {"topk": 30}),
        ("neighbours: topk=0; expected a whole number, at least 1", "lcs_knn", X, Y, {"topk": 0}),
        ("cknna: every two rows are equally alike to the rbf kernel", "cknna", X, np.eye(30), {"kernel": "rbf"}),
        (
            "linear_predictivity: 30 stimuli in n_folds=16 parts; .*n_folds of at most 15",
            "linear_predictivity",
            X,
            Y,
            {"n_folds": 16},
        ),
        ("linear_predictivity: alphas=\\[0\\]; expected numbers above 0", "linear_predictivity", X, Y, {"alphas": [0]}),
        ("linear_predictivity: groups has 3 entries, x has 30 rows", "linear_predictivity", X, Y, {"groups": [1, 2, 3]}),
        ("linear_predictivity: every column of y has one value", "linear_predictivity", X, np.ones((30, 2)), {}),
    ],
)
def test_what_is_refused(message, name, x, y, options):
    with pytest.raises(ValueError, match=message):
        measure(name, x, y, **options)


def test_what_many_with_many_refuses():
    with pytest.raises(ValueError, match=r"cka: matrices\[1\] has 29 rows \(stimuli\), matrices\[0\] has 30"):
        Representations("cka", [X, Y[1:]])
    with pytest.raises(ValueError, match="Representations: there are no matrices"):
        Representations("cka", [])
    x, y = Representations("cka", [X]), Representations("cka", [Y, Y])
    with pytest.raises(ValueError, match="paired=True compares the k-th with the k-th, but there are 1 and 2"):
        x.compare(y, paired=True)
    with pytest.raises(ValueError, match="the other has 20 rows"):
        x.compare(Representations("cka", [Y[:20]]))
