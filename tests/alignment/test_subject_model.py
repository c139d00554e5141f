"""Sessions against all layers of networks: values against scipy, what is done again and what is not, and explained errors."""

import numpy as np
import pandas
import pytest
import toy_brains
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr

from convergence.alignment.subject_model import check_images, choose_features, session_unit, table_path
from convergence.features.store import open_features
from convergence.tasks import UnitsFailed, run_units


@pytest.fixture
def toy(tmp_path):
    """Subject 9 lacks its session 2."""
    return toy_brains.write(tmp_path / "toy", complete=False)


def run(toy, subject, session, files, folder, **options):
    table = table_path(folder, "toy", hemispheres=options.get("hemispheres", "joined"))
    path, = run_units([session_unit(toy, subject, session, files, table, device="cpu", **options)], title="subject-model")
    return pandas.read_parquet(path)


def all_files(toy, **options):
    return choose_features(toy.root / "features", "toy", **options)


def clipped_rdm(matrix):
    low, high = np.quantile(matrix.astype(np.float64), [0.003, 0.997])
    return pdist(np.clip(matrix.astype(np.float64), low, high), "correlation")


@pytest.mark.parametrize("hemispheres, labels", [("joined", {3: (3, 203), 8: (8, 208), 41: (41, 241)}), ("separated", {3: (3,), 8: (8,), 203: (203,)})])
def test_every_parcel_and_layer_against_scipy(toy, tmp_path, hemispheres, labels):
    files = all_files(toy)
    table = run(toy, 2, 3, files, tmp_path, hemispheres=hemispheres)
    r = table.set_index(["model", "layer", "roi"])["similarity"]
    trials = toy.trials
    trials = trials[(trials["subject"] == 2) & (trials["session"] == 3)].sort_values("subject_index")
    assert len(table) == (5 if hemispheres == "joined" else 10) * (3 + 2) and table["layer"].max() == 2 and table["layer"].min() == 0
    for model, path in files.items():
        with open_features(path) as file:
            place = {image: row for row, image in enumerate(file.ids)}
            for layer in range(file.n_layers):
                activations = file.layer(layer)[[place[image] for image in trials["image"]]]
                for roi, parts in labels.items():
                    brain = clipped_rdm(toy.responses(2, parts)[trials["subject_index"]])
                    assert abs(r[model, layer, roi] - pearsonr(brain, clipped_rdm(activations)).statistic) < 1e-5
    assert set(table["session"]) == {3} and set(table["subject"]) == {2} and set(table["join_hemispheres"]) == {hemispheres == "joined"}


def test_what_cannot_be_computed_is_a_row_with_a_reason(toy, tmp_path):
    table = run(toy, 2, 1, all_files(toy), tmp_path).set_index("roi")
    assert table.loc[11, "reason"].unique().tolist() == ["parcel: no voxels"]
    assert table.loc[20, "reason"].unique().tolist() == ["parcel: one voxel: a pattern needs at least two"]
    assert table.loc[41, "reason"].unique().tolist() == ["parcel: 1 of 13 trials have one value in all voxels"]
    assert (table["similarity"].isna() == (table["reason"] != "")).all() and table.loc[[3, 8], "similarity"].notna().all()


def test_only_a_network_that_is_new_or_changed_is_computed(toy, tmp_path, monkeypatch):
    files = all_files(toy)
    small = {"small_pool-avg": files["small_pool-avg"]}
    first = run(toy, 5, 2, small, tmp_path)
    both = run(toy, 5, 2, files, tmp_path)
    folder = tmp_path / "toy" / "parts" / "rsa_subject_model_alignment_joined" / "subject-05_session-02"
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    assert set(before) == {"small_pool-avg.parquet", "wide_pool-cls.parquet"}
    pandas.testing.assert_frame_equal(first.astype({"model": str}), both[both["model"] == "small_pool-avg"].astype({"model": str}))
    calls = []
    monkeypatch.setattr(type(toy), "responses", _counted(type(toy).responses, calls))
    pandas.testing.assert_frame_equal(run(toy, 5, 2, small, tmp_path), first)          # asked for fewer: no responses are read
    assert calls == []
    latents = np.random.default_rng(0).standard_normal((200, 5))
    toy_brains.write_networks(toy.root / "features", range(200), latents)               # both networks change
    changed = run(toy, 5, 2, files, tmp_path)
    assert len(calls) == 5 and not np.allclose(changed["similarity"], both["similarity"], equal_nan=True)      # five parcels read once, for two networks


def test_overwrite_redoes_networks_too(toy, tmp_path, monkeypatch):
    table, files = table_path(tmp_path, "toy"), all_files(toy)
    run(toy, 5, 2, files, tmp_path)
    calls = []
    monkeypatch.setattr(type(toy), "responses", _counted(type(toy).responses, calls))
    run_units([session_unit(toy, 5, 2, files, table, device="cpu", overwrite=True)], title="subject-model", overwrite=True)
    assert len(calls) == 5


def _counted(function, calls):
    def counted(*arguments, **options):
        calls.append(arguments[1:])
        return function(*arguments, **options)
    return counted


def test_changed_responses_make_a_part_stale(toy, tmp_path):
    files = all_files(toy)
    before = run(toy, 2, 3, files, tmp_path)
    toy_brains.write(toy.root, seed=9)
    assert not np.allclose(run(toy, 2, 3, all_files(toy), tmp_path)["similarity"], before["similarity"], equal_nan=True)


def test_choosing_networks(toy):
    assert list(all_files(toy)) == ["small_pool-avg", "wide_pool-cls"]
    assert list(all_files(toy, models=["wide"])) == ["wide_pool-cls"] and list(all_files(toy, models=["small_pool-avg"])) == ["small_pool-avg"]
    with pytest.raises(ValueError, match="models: no feature file of 'toy' is of resnet; there are small, small_pool-avg, wide, wide_pool-cls"):
        all_files(toy, models=["wide", "resnet"])
    with pytest.raises(FileNotFoundError, match=r"no feature files in .*/toy/all-untrained; make them with .*1_extract_vision_features.py .*--untrained"):
        all_files(toy, untrained=True)
    for seed in (0, 3):
        toy_brains.write_networks(toy.root / "features", range(130), np.random.default_rng(seed).random((130, 5)), untrained=True, seed=seed)
    assert list(all_files(toy, models=["small"], untrained=True)) == ["small_pool-avg-untrained-seed0", "small_pool-avg-untrained-seed3"]
    assert list(all_files(toy)) == ["small_pool-avg", "wide_pool-cls"]


def test_features_of_another_dataset_are_refused(toy):
    path = all_files(toy)["wide_pool-cls"]
    latents = np.random.default_rng(0).random((130, 5))
    toy_brains.write_networks(toy.root / "elsewhere", range(130), latents, dataset="things")
    path.write_bytes((toy.root / "elsewhere" / "things" / "all" / path.name).read_bytes())
    with pytest.raises(ValueError, match="wide_pool-cls.h5 holds features of the dataset 'things'.*not of 'toy'"):
        all_files(toy)
    with pytest.raises(ValueError, match="holds features of the dataset 'things'"):
        check_images({"wide_pool-cls": path}, "toy", [100])


def test_networks_without_some_images_are_all_named(toy):
    shown = toy.trials["image"]
    check_images(all_files(toy), "toy", shown)
    latents = np.random.default_rng(0).random((130, 5))
    toy_brains.write_networks(toy.root / "features", [image for image in range(120) if image != 103], latents)
    with pytest.raises(ValueError, match=r"small_pool-avg.h5 lacks 4 of the 23 images that the subjects saw \(toy_id 103, 120, 121, 122\); .*wide_pool-cls.h5 "
                                         r"lacks 4 of the 23.*extract its features again"):
        check_images(all_files(toy), "toy", shown)


def test_a_session_that_is_too_short_is_named(toy, tmp_path):
    with pytest.raises(UnitsFailed, match="subject 9, session 2 has 0 existing trials, at least 4 are needed"):
        run(toy, 9, 2, all_files(toy), tmp_path)
