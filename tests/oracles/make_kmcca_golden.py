"""Make kmcca_golden.npz again: what mvlearn 0.5.0 and cca-zoo 4 find in the problems of kmcca_problems.py.

The two need environments of their own, as mvlearn imports only with older libraries; each run adds its half to the file.

    python -m venv a; a/bin/pip install "numpy<2" "scikit-learn<1.6" scipy seaborn joblib; a/bin/pip install --no-deps mvlearn==0.5.0
    a/bin/python tests/oracles/make_kmcca_golden.py mvlearn
    python -m venv b; b/bin/pip install cca-zoo==4.0.1
    b/bin/python tests/oracles/make_kmcca_golden.py cca-zoo
"""

import sys
from pathlib import Path

import numpy as np
from kmcca_problems import N_COMPONENTS, SEEDS, problem

GOLDEN = Path(__file__).with_name("kmcca_golden.npz")


def of_mvlearn(views, regularization, threshold):
    from mvlearn.embed import KMCCA
    model = KMCCA(n_components=N_COMPONENTS, kernel="linear", regs=regularization, sval_thresh=threshold, diag_mode="A")
    scores = model.fit(views).transform(views)
    return {"eigenvalues": model.evals_, "scores": np.asarray(scores).astype(np.float32)}


def of_cca_zoo(views, regularization, threshold):
    from cca_zoo.nonparametric import KCCA
    model = KCCA(n_components=N_COMPONENTS, kernel="linear", shrinkage=regularization)
    return {"scores": np.asarray(model.fit(views).transform(views)).astype(np.float32)}


if __name__ == "__main__":
    library = sys.argv[1]
    golden = dict(np.load(GOLDEN)) if GOLDEN.exists() else {}
    for seed in SEEDS:
        for name, values in {"mvlearn": of_mvlearn, "cca-zoo": of_cca_zoo}[library](*problem(seed)).items():
            golden[f"{library}_{name}_{seed}"] = values
    np.savez_compressed(GOLDEN, **golden)
