"""From responses with planted dimensions to KMCCA's tables and control matrices, through the script."""

import sys
import types

import numpy as np
import pandas
import pytest

from convergence.alignment.controls import read_controls, without_subjects
from convergence.alignment.image_content import content_source
from convergence.alignment.shared_dimensions import gram_unit, region_dimensions, regions_of, subject_grams
from convergence.datasets.base import Dataset
from convergence.python_files import load_python
from convergence.storage.tables import read_table

SUBJECTS, N_IMAGES, N_LATE = (2, 5, 7, 11), 48, 12              # subject 11 has not seen the images of the last session
PARCELS = {"A": (3, 203, "EVC", 24), "B": (8, 208, "EVC", 9), "C": (11, 211, "Odd hub", 14), "D": (20, 220, "", 6)}
RNG = np.random.default_rng(8)
IMAGES = 100 + RNG.permutation(N_IMAGES)
# persons; and another
LATENTS = np.stack([np.where(np.arange(N_IMAGES) % 3 == 0, 1.5, -0.75), RNG.standard_normal(N_IMAGES)], axis=1)
OPTIONS = ["--dataset", "planted", "--dimensions", "3", "--permutations", "99", "--folds", "4", "--device", "cpu"]


class Planted(Dataset):
    """Parcels A and B follow the latents, C and D are noise; each image is shown three times, in one session."""

    name, image_key = "planted", "planted_id"
    open = classmethod(lambda cls, root=None: cls(root))

    @property
    def trials(self):
        place = np.repeat(np.arange(N_IMAGES), 3)
        one = pandas.DataFrame({"subject_index": np.arange(len(place)), "session": 1 + place // (N_IMAGES // 4),
                                "image": IMAGES[place],
                                "repetition": np.tile(range(3), N_IMAGES), "shared": True})
        late = one["session"] == 4
        return pandas.concat([one.assign(subject=subject, exists=~late if subject == 11 else True) for subject in SUBJECTS],
                             ignore_index=True)

    @property
    def images(self):
        return pandas.DataFrame(index=pandas.Index(sorted(IMAGES), name="planted_id"))

    @property
    def captions(self):
        words = ["a man with dogs" if person else "trees and a bus" for person in LATENTS[:, 0] > 0]
        return pandas.Series(words, index=IMAGES, name="caption").sort_index()

    def image(self, image):
        raise NotImplementedError

    def atlas(self):
        return pandas.DataFrame([(labels[side], name, ("lh", "rh")[side], labels[2])
                                 for side in (0, 1) for name, labels in PARCELS.items()],
                                columns=["roi", "name", "hemisphere", "hub"])

    def responses(self, subject, roi, rows=None):
        name, (_, _, _, n_voxels) = next(item for item in PARCELS.items() if set(roi) <= set(item[1][:2]))
        rng = np.random.default_rng([subject, min(roi)])
        signal = LATENTS @ rng.standard_normal((2, n_voxels)) * (1.5 if name in "AB" else 0)
        # gone after z-scoring within sessions
        session_offset = np.repeat(np.arange(4) * 50.0, 3 * N_IMAGES // 4)[:, None]
        matrix = np.repeat(signal, 3, axis=0) + rng.standard_normal((3 * N_IMAGES, n_voxels)) + session_offset
        return matrix if rows is None else matrix[np.asarray(rows)]


@pytest.fixture(scope="module")
def call(checkout, tmp_path_factory):
    from convergence import datasets
    module = types.ModuleType("convergence.datasets.planted")
    module.Planted = Planted
    sys.modules[module.__name__], datasets._READERS["planted"] = module, "planted.Planted"
    folder = tmp_path_factory.mktemp("planted")
    persons = pandas.DataFrame({"planted_id": IMAGES, "is_person": LATENTS[:, 0] > 0, "animate": LATENTS[:, 0] > 0,
                                "inanimate": LATENTS[:, 0] < 0})
    persons.sort_values("planted_id").to_csv(folder / "content.csv", index=False)
    script = load_python(checkout / "2_model_extraction" / "4_fit_kmcca.py")
    yield lambda *options: script.main([*OPTIONS, "--root", str(folder), "--derivatives", str(folder / "derivatives"),
                                        *options]), folder
    del datasets._READERS["planted"], sys.modules[module.__name__]


@pytest.fixture(scope="module")
def written(call):
    run, folder = call
    assert run() == 0
    return folder / "derivatives"


def test_planted_dimensions_are_significant_and_noise_is_not(written):
    table = read_table(written / "planted" / "kmcca_dimensions.parquet").set_index(["roi", "dimension"])
    assert table.index.get_level_values(0).unique().tolist() == ["visual_cortex", "odd_hub", "A", "B", "C"]
    for region in ("visual_cortex", "A", "B"):
        assert (table.loc[region].loc[[1, 2], "p_max"] <= 0.05).all()
        assert (table.loc[region].loc[[1, 2], "held_out_r"] > 0.5).all()
        assert table.loc[(region, 1), "shared_variance"] > 0.15
    for region in ("odd_hub", "C"):
        assert (table.loc[region, "p_max"] > 0.05).all()
    assert (table["n_subjects"] == 4).all() and (table["n_images"] == N_IMAGES).all()


def test_projections_say_where_images_lie_and_what_they_show(written):
    table = read_table(written / "planted" / "kmcca_projections.parquet")
    assert list(table) == ["planted_id", "cca_1", "cca_2", "cca_3", "roi", "animate", "inanimate", "is_person"]
    assert len(table) == 5 * N_IMAGES
    hub = table[table["roi"] == "visual_cortex"].set_index("planted_id").loc[IMAGES]
    assert (hub["is_person"] == (LATENTS[:, 0] > 0)).all() and hub["is_person"].dtype == bool
    scores = hub[["cca_1", "cca_2", "cca_3"]].to_numpy()
    assert (scores[hub["is_person"]].mean(0) >= scores[~hub["is_person"]].mean(0)).all()
    plane = np.linalg.qr(LATENTS - LATENTS.mean(0))[0]
    assert np.linalg.svd(plane.T @ (scores - scores.mean(0))[:, :2] / np.linalg.norm(scores[:, :2], axis=0))[1].min() > 0.9


def test_words_lie_at_the_ends_of_the_dimensions(written):
    table = read_table(written / "planted" / "kmcca_top_words_dimension.parquet")
    assert set(table["word"]) == {"man", "dog", "tree", "bus"} and set(table["hub"]) == {"visual_cortex", "odd_hub"}
    strongest = table[(table["hub"] == "visual_cortex") & (table["p_fdr"] < 0.001)]
    assert len(strongest) and set(strongest.loc[strongest["sign"] == 1, "word"]) == {"man", "dog"}
    assert (table.groupby(["hub", "dimension"]).size() == 4).all()


def test_controls_hold_the_coordinates_and_those_without_a_pair(written, call):
    dataset = Planted(call[1])
    known = read_controls(written, dataset, ["visual_cortex_cca_1", "visual_cortex_cca_1_leave-pair-out"])
    projections = read_table(written / "planted" / "kmcca_projections.parquet").query("roi == 'visual_cortex'")
    features = known["visual_cortex_cca_1"].features["cca_1"]
    np.testing.assert_allclose(features.loc[projections["planted_id"]], projections["cca_1"])
    pairs = [without_subjects(known, *subjects)["visual_cortex_cca_1_leave-pair-out"].features["cca_1"]
             for subjects in ((2, 5), (7, 11), (5,))]
    for own in pairs:
        images = features.index.intersection(own.index)
        # equal dimensions may turn within their plane
        assert 0.5 < np.corrcoef(own.loc[images], features.loc[images])[0, 1] < 1 - 1e-6
    assert not (written / "control_matrices" / "control_A_cca_1.parquet").exists()


def test_done_work_is_not_done_again(written, call, capsys):
    capsys.readouterr()
    assert call[0]() == 0
    told = capsys.readouterr().out
    assert "images: 4 of 4 done before" in told and "KMCCA: 5 of 5 done before" in told and "tables: 15 of 15 done before" in told
    assert "note: supercategory flags left out" in told and "coco_objects_annotations.csv is not there" in told


def test_a_hub_is_its_parcels_side_by_side(tmp_path):
    dataset, files = Planted(tmp_path), []
    for subject in (5, 11):
        files.append(tmp_path / f"{subject}.npz")
        subject_grams(subject=subject, rois=[3, 8], clip=0.003, dataset=dataset)(files[-1])
    with np.load(files[1]) as found:
        assert found["images"].tolist() == sorted(IMAGES[:-N_LATE]) and found["grams"].shape == (2, 36, 36)
        own, trials = [], dataset.trials.query("subject == 11 and exists")
        for roi in ((3, 203), (8, 208)):
            x = pandas.DataFrame(dataset.responses(11, roi, trials["subject_index"]))
            z = x.groupby(trials["session"].to_numpy()).transform(lambda v: (v - v.mean()) / v.std(ddof=0))
            mean = z.groupby(trials["image"].to_numpy()).mean().to_numpy()
            mean = mean.clip(*np.quantile(mean, [0.003, 0.997]))
            own.append(mean - mean.mean(0))
        np.testing.assert_allclose(found["grams"].sum(0), np.concatenate(own, axis=1) @ np.concatenate(own, axis=1).T, atol=1e-3)
    region_dimensions(rois=[3, 8], grams=files, n_components=2, n_folds=4, n_permutations=9, seed=0, without_pairs=True,
                      device="cpu")(tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz") as found:
        # seen by both; nobody is left
        assert found["images"].tolist() == sorted(IMAGES[:-N_LATE]) and found["without"].shape == (0, 36, 2)


def test_what_is_missing_is_said(call, tmp_path, capsys):
    run, folder = call
    assert run("--subjects", "7") == 1 and "subjects: 7 is alone; shared dimensions need at least two" in capsys.readouterr().err
    class Hubless(Planted):
        def atlas(self):
            return super().atlas().assign(hub="")
    with pytest.raises(ValueError, match="the atlas of 'planted' names no hubs"):
        regions_of(Hubless(tmp_path))
    unit = gram_unit(Planted(tmp_path), 5, regions_of(Planted(tmp_path))[:1], tmp_path)
    assert unit.options["rois"] == [3, 8]
    subject_grams(subject=5, rois=[3], clip=0.003, dataset=Planted(tmp_path))(tmp_path / "5.npz")
    with pytest.raises(ValueError, match="1 of 1 subjects have voxels in parcels 3; at least 2 are needed"):
        region_dimensions(rois=[3], grams=[tmp_path / "5.npz"], n_components=2, n_folds=4, n_permutations=9, seed=0,
                          without_pairs=False)


def test_labels_of_pictures_and_objects(tmp_path):
    dataset = Planted(tmp_path)
    pandas.DataFrame({"planted_id": [100, 100, 104],
                      "supercategory": ["person", "sports", "animal"]}).to_csv(tmp_path / "coco_objects_annotations.csv")
    answers = pandas.DataFrame({"planted_id": [100, 101], "motion": ["motion", ""], "setting": ["urban", "indoor"],
                                "dominance": ["Object-dominated", "Scene-dominated"]})
    (tmp_path / "captions").mkdir()
    for model in ("zzz", "pixtral", "aaa"):
        answers.to_csv(tmp_path / "captions" / f"planted-content-{model}.csv", index=False)
    content, notes = content_source(dataset, tmp_path)
    assert [path.name for path in content.files] == ["coco_objects_annotations.csv", "planted-content-pixtral.csv"]
    assert len(notes) == 1 and notes[0].startswith("animate, inanimate, is_person left out: ")
    labels = content.read()
    assert labels.loc[[100, 101, 104], "person"].tolist() == [True, False, False] and labels["sports"].dtype == bool
    assert labels.loc[[100, 101, 104], "motion"].tolist() == [True, False, False] and not labels["static"].any()
    assert labels.loc[[100, 101, 104], "scene_dominated2"].tolist() == ["Element-dominated", "Scene-dominated", ""]


def test_a_region_of_few_voxels_has_fewer_dimensions(tmp_path):
    files = []
    for subject, n_voxels in ((5, 40), (7, 3), (11, 21)):
        x = np.random.default_rng(subject).standard_normal((30, n_voxels))
        files.append(tmp_path / f"{subject}.npz")
        np.savez(files[-1], images=np.arange(30), rois=[4], grams=(x @ x.T).astype(np.float32)[None], subject=subject)
    options = {"n_components": 10, "n_folds": 3, "n_permutations": 9, "seed": 0, "without_pairs": True, "device": "cpu"}
    region_dimensions(rois=[4], grams=files, **options)(tmp_path / "few.npz")
    with np.load(tmp_path / "few.npz") as found:
        assert len(found["p"]) == 3 and found["without"].shape == (3, 30, 3)
        assert found["pairs"].tolist() == [[5, 5], [7, 7], [11, 11]]
