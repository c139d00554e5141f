"""Measures of how alike two representations of the same stimuli are: larger is more alike for every one of them.

    measure("unbiased_cka", x, y)                       # (n, p), (n, q) -> a number
    list_metrics()                                      # their names; help(METRICS["mutual_knn"]) tells its range and options
    calibrate("mutual_knn", layers, y)                  # the best layer against the best layer of relabelled stimuli

    @register_metric                                    # one's own: a function of two matrices, known by its name from now on
    def mean_response(x, y):
        return numpy.corrcoef(x.mean(1), y.mean(1))[0, 1]

registry.py holds the names, representations.py compares many matrices with many (each is prepared once), calibration.py has the
null. Each family of metrics has a file: gram_similarity.py (rsa, cka, unbiased_cka), neighbours.py, subspaces.py, prediction.py;
kernels.py has the Gram kernels.
"""

from convergence.analysis.metrics import gram_similarity, neighbours, prediction, subspaces         # noqa: F401  they register
from convergence.analysis.metrics.calibration import Calibration, calibrate                     # noqa: F401
from convergence.analysis.metrics.registry import METRICS, list_metrics, measure, register_metric   # noqa: F401
from convergence.analysis.metrics.representations import Representations                        # noqa: F401
