"""EfficientNet-lite0 is really trained: its last layer tells animate from inanimate objects better than its first."""

import pytest

from convergence.datasets import open_dataset
from convergence.features import vision
from convergence.features.store import open_features


def test_the_last_layer_separates_animate_from_inanimate_better_than_the_first(images92_root, tmp_path):
    linear_model, selection = pytest.importorskip("sklearn.linear_model"), pytest.importorskip("sklearn.model_selection")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    dataset = open_dataset("images92", images92_root)
    animate = (dataset.images["human"] | dataset.images["animal"]).to_numpy()
    assert len(animate) == 92 and animate.sum() == 48
    accuracy = {}
    for name, seed in (("trained", None), ("untrained", 0)):
        vision.write(tmp_path / f"{name}.h5", dataset, vision.load_network("efficientnet_lite0", seed=seed), device="cpu")
        folds = selection.RepeatedStratifiedKFold(n_splits=8, n_repeats=5, random_state=0)
        probe = make_pipeline(StandardScaler(), linear_model.LogisticRegression(C=0.01, max_iter=2000))
        with open_features(tmp_path / f"{name}.h5", "images92") as file:
            accuracy[name] = [selection.cross_val_score(probe, file.layer(index), animate, cv=folds).mean()
                              for index in (0, file.n_layers - 1)]
    print("\nanimate or not, 92 images, cross-validated accuracy, first and last layer: " +
          "; ".join(f"{name} {first:.3f} {last:.3f}" for name, (first, last) in accuracy.items()))
    first, last = accuracy["trained"]
    assert last > 0.85 and last > first + 0.1
    assert last > accuracy["untrained"][1] + 0.1
