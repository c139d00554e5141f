"""Control RDMs and content partitions: values against loops, planted confounds that go, and explained errors."""

import itertools

import numpy as np
import pandas
import pytest
import toy_brains
from scipy.spatial.distance import pdist

from convergence.alignment.controls import choices, images_of, read_controls, stacked, without_subjects
from convergence.alignment.partitions import equal_rows, partition_images
from convergence.alignment.rdms import store_unit
from convergence.alignment.subject_subject import pair_similarity
from convergence.tasks import run_units


@pytest.fixture
def toy(tmp_path):
    return toy_brains.write(tmp_path / "toy", complete=False)


def write_control(folder, name, images, **columns):
    path = folder / "control_matrices" / f"control_{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pandas.DataFrame({"toy_id": images, **columns}).to_parquet(path, index=False)
    return path


PAIRS = pandas.DataFrame({"image": [5, 3, 5, 8, 3], "session_i": [1, 1, 2, 2, 3], "session_j": [1, 2, 2, 2, 4],
                          "subject_index_i": [0, 4, 20, 21, 90],
                          "subject_index_j": [3, 40, 41, 44, 95], "repetition_i": [0, 0, 1, 0, 2],
                          "repetition_j": [2, 2, 0, 2, 1]})


def test_built_in_controls_by_loops(toy, tmp_path):
    known = read_controls(tmp_path, toy, ["same_image", "same_session", "temporal_lag", "repetition_difference"])
    pairs = list(itertools.combinations(range(5), 2))
    assert known["same_image"].rdms(PAIRS).tolist() == [[float(PAIRS["image"][i] != PAIRS["image"][j]) for i, j in pairs]]
    same = known["same_session"].rdms(PAIRS)
    assert same.tolist() == [[float(PAIRS[f"session_{s}"][i] != PAIRS[f"session_{s}"][j]) for i, j in pairs] for s in "ij"]
    assert known["temporal_lag"].rdms(PAIRS)[1].tolist() == [PAIRS["subject_index_j"][j] - PAIRS["subject_index_j"][i] for i,
                                                             j in pairs]
    assert known["repetition_difference"].rdms(PAIRS)[0].tolist() == [abs(PAIRS["repetition_i"][j] - PAIRS["repetition_i"][i])
                                                                      for i, j in pairs]
    assert len(known["same_session"].rdms(PAIRS.assign(session_j=1))) == 1          # constant: nothing to take out


def test_tables_of_features_give_distances_by_image(toy, tmp_path):
    values = np.random.default_rng(0).random((4, 3))
    write_control(tmp_path, "three", [8, 3, 9, 5], x=values[:, 0], y=values[:, 1], z=values[:, 2])
    write_control(tmp_path, "one", [3, 5, 8], x=[1, 2, 4])
    rows = values[[3, 1, 3, 0, 1]]
    for distance, metric in (("euclidean", "euclidean"), ("pearson", "correlation")):
        known = read_controls(tmp_path, toy, ["three"], distance=distance)
        assert np.allclose(known["three"].rdms(PAIRS)[0], pdist(rows, metric), atol=1e-6)
    known = read_controls(tmp_path, toy, ["three", "one", "same_session"])
    assert images_of(known) == {3, 5, 8} and stacked(known, PAIRS)[1] == [[0], [1], [2, 3]]
    assert [name for name, _, _ in choices(known)] == ["uncontrolled", "three", "one", "same_session", "three+one+same_session"]


def test_bad_controls_are_named(toy, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"control_hub.parquet is not there; the control 'hub' is a table with the "
                                                "columns toy_id and features. There are no tables, and built in same_image"):
        read_controls(tmp_path, toy, ["hub"])
    write_control(tmp_path, "hub", [3, 3, 4], x=[1, 2, 3])
    with pytest.raises(ValueError, match="control_hub.parquet has 1 images in more than one row, such as toy_id 3"):
        read_controls(tmp_path, toy, ["hub"])
    write_control(tmp_path, "hub", [3, 6, 4], x=[1, np.nan, 3])
    with pytest.raises(ValueError, match="has NaN or infinity for 1 images, such as toy_id 6"):
        read_controls(tmp_path, toy, ["hub"])
    write_control(tmp_path, "hub", [3, 6, 4], x=["a", "b", "c"])
    with pytest.raises(ValueError, match="features are not numbers"):
        read_controls(tmp_path, toy, ["hub"])
    write_control(tmp_path, "hub", [3, 6, 4], x=[1, 2, 3])
    with pytest.raises(ValueError, match="has one column of features; 1 - Pearson r needs at least two"):
        read_controls(tmp_path, toy, ["hub"], distance="pearson")
    write_control(tmp_path, "hub", [3, 6, 4])
    with pytest.raises(ValueError, match="expected toy_id and columns of features"):
        read_controls(tmp_path, toy, ["hub"])
    with pytest.raises(ValueError, match="controls: distance='euclidian' is unknown; did you mean 'euclidean'"):
        read_controls(tmp_path, toy, [], distance="euclidian")


class Planted(toy_brains.Toy):
    """Noise, plus what `confound(trials)` gives, (n_trials, k), through one set of weights per subject; complete."""

    confound, strength = None, 2.0

    def responses(self, subject, roi, rows=None):
        trials = toy_brains.Toy.trials.fget(self).query("subject == @subject").sort_values("subject_index")
        rng = np.random.default_rng(subject)
        values = self.confound(trials)
        weights = rng.standard_normal((values.shape[1], 600)) / values.shape[1] ** 0.5
        values = rng.standard_normal((len(trials), 600)) + self.strength * values @ weights
        return values if rows is None else values[np.asarray(rows)]


def thermometer(values, n_steps=40):
    """Patterns whose correlation distance is linear in the distance of two values, as a control's RDM is: random signs that flip
    at thresholds."""
    flipped = np.asarray(values, float)[:, None] > np.linspace(min(values), max(values), n_steps)
    return np.where(flipped, -1, 1) * np.where(np.arange(n_steps) % 2, -1, 1)


def similarity(toy, confound, tmp_path, *, shift=0, strength=2.0, **options):
    """{control or None: mean similarity of parcel A over pairs of different subjects}"""
    planted = Planted(toy.root)
    planted.confound, planted.strength = confound, strength
    stores = dict(zip((2, 5),
                      run_units([store_unit(planted, s, planted.parcels()[:1], "joined", tmp_path / "d", device="cpu")
                                 for s in (2, 5)], title="x")))
    table = pandas.concat([pair_similarity(subject_i=i, subject_j=j, shift=shift, form="diagonal", hemispheres="joined",
                                           rois=None, store_i=stores[i],
                                           store_j=stores[j], device="cpu", **options) for i, j in ((2, 5), (5, 2))])
    assert table["similarity"].notna().all() and table["n_pairs"].nunique() == 1
    return table.groupby(table.get("control", pandas.Series("", table.index)), observed=True)["similarity"].mean().to_dict()


def test_controls_remove_the_planted_confound_and_nothing_else(toy, tmp_path):
    images = np.arange(100, 108)
    brightness, size = np.random.default_rng(1).random((2, 8))
    write_control(tmp_path, "brightness", images, value=brightness)
    write_control(tmp_path, "size", images, value=size)
    known = read_controls(tmp_path, toy, ["brightness", "size"])
    def level(trials):
        return thermometer([brightness[i - 100] if i in images else 0 for i in trials["image"]])
    found = similarity(toy, level, tmp_path, controls=("brightness", "size"), known=known)
    assert found["uncontrolled"] > 0.5 and abs(found["size"] - found["uncontrolled"]) < 0.1
    assert found["brightness"] < 0.4 * found["uncontrolled"] and found["brightness+size"] < 0.4 * found["uncontrolled"]


def session_pattern(trials):
    return (trials["session"].to_numpy()[:, None] == [1, 2, 3]).astype(float)


def test_a_confound_within_sessions_goes_without_pairs_of_one_session_or_with_the_control(toy, tmp_path):
    """What is left are the distances between sessions, which are random and few."""
    plain = similarity(toy, session_pattern, tmp_path)[""]
    known = read_controls(tmp_path, toy, ["same_session"])
    controlled = similarity(toy, session_pattern, tmp_path, controls=("same_session",), known=known)["same_session"]
    excluded = similarity(toy, session_pattern, tmp_path, exclude=("same-session",))[""]
    assert plain > 0.6 and abs(controlled) < 0.35 * plain and abs(excluded) < 0.5 * plain


def test_a_smooth_drift_goes_with_the_lag_or_a_shift(toy, tmp_path):
    def drift(trials):
        return thermometer(trials["subject_index"])
    known = read_controls(tmp_path, toy, ["temporal_lag"])
    found = similarity(toy, drift, tmp_path, controls=("temporal_lag",), known=known)
    shifted = similarity(toy, drift, tmp_path, shift=1)[""]
    assert [found["uncontrolled"], found["temporal_lag"], shifted] == pytest.approx([0.99, -0.19, -0.02], abs=0.01)     # README


def test_partitions_of_a_table_and_equal_numbers_of_rows(toy):
    table = pandas.DataFrame({"toy_id": range(100, 108), "n_objects": [1, 2, 0, 3, 1, 1, 0, 5],
                              "animate": [True, False, False, True, True, True, False, True],
                              "place": list("aabbbbcc")})
    table.to_csv(toy.root / "content.csv", index=False)
    found = partition_images(toy, ["animate", "inanimate", "place=b"])
    assert {name: images.tolist() for name, images in found.items()} == {"animate": [100, 103, 104, 105, 107], "inanimate": [101],
                                                                         "place=b": [102, 103, 104, 105]}
    image = np.array([100, 103, 101, 101, 104, 107, 100, 101, 105])
    rows = equal_rows(image, {name: found[name] for name in ("animate", "inanimate")}, seed=3)
    assert rows["inanimate"].tolist() == [2, 3, 7]
    assert len(rows["animate"]) == 3
    assert set(image[rows["animate"]]) <= set(found["animate"])
    assert all((np.diff(of_it) > 0).all() for of_it in rows.values())
    again, other = (equal_rows(image, {"animate": found["animate"], "inanimate": found["inanimate"]},
                               seed=seed)["animate"].tolist() for seed in (3, 4))
    assert again == rows["animate"].tolist() != other
    assert {name: len(of_it) for name,
            of_it in equal_rows(image, {"animate": found["animate"], "inanimate": found["inanimate"]}, equal=False).items()} == {
        "animate": 6, "inanimate": 3}


def test_bad_partitions_are_named(toy):
    with pytest.raises(FileNotFoundError, match="content.csv is not there; .*3_build_coco_tables.py makes NSD's"):
        partition_images(toy, ["animate"])
    pandas.DataFrame({"toy_id": [100, 101], "animate": [True, True], "place": ["sea", "hill"],
                      "never": False}).to_csv(toy.root / "content.csv", index=False)
    with pytest.raises(ValueError, match="has no column 'alive'; it has animate, place, never"):
        partition_images(toy, ["alive"])
    with pytest.raises(ValueError, match="no image of .* is place=moon; values of place are hill, sea"):
        partition_images(toy, ["place=moon"])
    with pytest.raises(ValueError, match="column 'place' .* holds values other than true and false; name one of them: "
                                         "place=hill, place=sea"):
        partition_images(toy, ["place"])
    with pytest.raises(ValueError, match="partition: animate is asked for more than once"):
        partition_images(toy, ["animate", "animate"])
    with pytest.raises(ValueError, match="no image of .* is never"):
        partition_images(toy, ["never"])


def test_coordinates_found_without_the_pair_are_those_that_are_taken_out(toy, tmp_path):
    images, pairs = [3, 5, 8, 9], [(2, 2), (2, 9), (9, 9)]
    write_control(tmp_path, "hub_leave-pair-out", images * 3, subject_i=np.repeat([i for i, _ in pairs], 4),
                  subject_j=np.repeat([j for _, j in pairs], 4),
                  cca_1=np.concatenate([np.array([0.1, 0.5, 0.2, 0.9]) * (10 * i + j) for i, j in pairs]))
    known = read_controls(tmp_path, toy, ["hub_leave-pair-out", "same_session"])
    for subjects, factor in (((9, 2), 29), ((2, 9), 29), ((2,), 22)):
        chosen = without_subjects(known, *subjects)
        assert images_of(chosen) == set(images) and chosen["same_session"] is known["same_session"]
        assert chosen["hub_leave-pair-out"].features.loc[9, "cca_1"] == pytest.approx(0.9 * factor)
    with pytest.raises(ValueError, match="no features without subjects 5 and 9; there are 2 and 2, 2 and 9, 9 and 9"):
        without_subjects(known, 5, 9)
    with pytest.raises(ValueError, match="control 'hub_leave-pair-out' has other features for every pair of subjects"):
        known["hub_leave-pair-out"].rdms(PAIRS)
