"""Compare brains with networks: responses and activations become RDMs, RDMs become tables, tables become figures.

The public names below are imported from their modules when they are first used, so that `import convergence` stays instant:

    responses -> RDMs            compute_rdm
    RDMs -> similarity           rsa, partial_rsa, noise_ceiling
    any other measure            measure, list_metrics, register_metric, calibrate
    is it there?                 mantel_moments, permutation_null, p_values
    which model is better?       compare_models
    how deep in the network?     peak_depth, layer_curves
    what do people share?        KMCCA
    which parcels are alike?     connectivity_matrix, spanning_tree_backbone, orient_edges, spectral_order
    how do measures relate?      fit_power_law, fit_joint_power_law
    the data themselves          open_dataset

The stage scripts (1_dataset_preparation ... 4_other_alignments) call the same functions on whole datasets; `python -m convergence --help`
lists the commands.
"""

import importlib

__version__ = "0.1.0"

_MODULE_OF = {
    "compute_rdm": "analysis.rdm",
    "rsa": "analysis.similarity",
    "partial_rsa": "analysis.partial",
    "mantel_moments": "analysis.null",
    "permutation_null": "analysis.null",
    "p_values": "analysis.inference",
    "noise_ceiling": "analysis.reliability",
    "compare_models": "analysis.model_comparison",
    "peak_depth": "analysis.hierarchy",
    "layer_curves": "analysis.hierarchy",
    "KMCCA": "analysis.multiview",
    "connectivity_matrix": "analysis.connectivity",
    "spanning_tree_backbone": "analysis.connectivity",
    "orient_edges": "analysis.connectivity",
    "spectral_order": "analysis.connectivity",
    "fit_power_law": "analysis.power_law",
    "fit_joint_power_law": "analysis.power_law",
    "measure": "analysis.metrics",
    "list_metrics": "analysis.metrics",
    "register_metric": "analysis.metrics",
    "calibrate": "analysis.metrics",
    "open_dataset": "datasets",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'convergence' has no attribute {name!r}; public names: {', '.join(__all__)}")
    try:
        module = importlib.import_module(f"convergence.{_MODULE_OF[name]}")
    except ModuleNotFoundError as error:
        from convergence.dependencies import explain
        raise ModuleNotFoundError(explain(error), name=error.name) from error
    globals()[name] = getattr(module, name)
    return globals()[name]


def __dir__():
    return sorted([*globals(), *__all__])
