"""Your own data in a folder: the template is complete, and what is wrong with a folder is said in words."""

import numpy as np
import pandas as pd
import pytest

from convergence import compute_rdm, open_dataset, rsa
from convergence.datasets.folder.template import main, write_template


@pytest.fixture
def folder(tmp_path):
    return write_template(tmp_path / "my_dataset", seed=3)


def edit(path, change):
    table = pd.read_csv(path, dtype=object)
    change(table).to_csv(path, index=False)


def test_the_template_is_a_complete_dataset(folder):
    dataset = open_dataset("folder", folder)
    assert dataset.name == "my_dataset" and dataset.subjects == [1, 2, 3] and dataset.repetitions_shift
    assert len(dataset.images) == 24 and dataset.image(5).size == (64, 64) and dataset.captions[0].startswith("a disc")
    assert dataset.trials["exists"].all() and dataset.trials["shared"].all()
    assert [(p.name, p.labels) for p in dataset.parcels()] == [("shared", (1, 101)), ("also shared", (2,)), ("not shared", (3,))]
    assert dataset.responses(2, (1, 101), [5, 0, 5]).shape == (3, 40)
    assert np.array_equal(dataset.responses(2, (1, 101), [5])[:, 20:], dataset.responses(2, 101)[[5]])


def test_the_template_plants_what_it_says(folder):
    dataset = open_dataset("folder", folder)

    def rdm(subject, roi):
        trials = dataset.trials[dataset.trials["subject"] == subject].sort_values(["repetition", "image"])
        return compute_rdm(dataset.responses(subject, roi, trials["subject_index"].to_numpy()))

    agreement = {roi: np.mean([rsa(rdm(i, roi), rdm(j, roi)) for i, j in ((1, 2), (1, 3), (2, 3))]) for roi in (1, 2, 3)}
    assert agreement[1] > agreement[2] > 0.1 and abs(agreement[3]) < 0.08


def test_a_folder_is_never_written_into(folder, capsys):
    assert main([str(folder)]) == 1
    assert "my_dataset is there already; choose a folder that does not exist yet" in capsys.readouterr().err


def test_subjects_without_responses_have_no_existing_trials(folder):
    (folder / "responses" / "subject-02").rename(folder / "elsewhere")
    trials = open_dataset("folder", folder).trials
    assert sorted(trials.loc[trials["exists"], "subject"].unique()) == [1, 3]
    with pytest.raises(FileNotFoundError, match="subject-02 is not there; it holds roi-001.npy"):
        open_dataset("folder", folder).responses(2, 1)


def test_a_missing_matrix_is_a_parcel_without_voxels(folder):
    (folder / "responses" / "subject-03" / "roi-002.npy").unlink()
    assert open_dataset("folder", folder).responses(3, 2).shape == (48, 0)


@pytest.mark.parametrize("file, change, message", [
    ("trials.csv", lambda t: t.drop(columns="image"), r"trials.csv: the columns \['image'\] are missing; found"),
    ("trials.csv", lambda t: t.assign(session=["one", *t["session"][1:]]),
     "column session must hold whole numbers from 0; line 2 says 'one'"),
    ("trials.csv", lambda t: t.assign(repetition=0),
     "72 trials repeat an earlier subject, image and repetition, the first is subject 1, image"),
    ("trials.csv", lambda t: t.assign(image=[99, *t["image"][1:]]),
     "shows 1 images that images.csv beside it does not list: 99; it lists 0 to 23; add the missing rows"),
    ("trials.csv", lambda t: t.iloc[:0], "trials.csv: there are no rows"),
    ("atlas.csv", lambda t: t.assign(roi=1), r"roi \[1\] stand there twice"),
    ("images.csv", lambda t: t.iloc[1:], "images must be numbered 0 to 22 without gaps")])
def test_wrong_tables_are_explained(folder, file, change, message):
    edit(folder / file, change)
    with pytest.raises(ValueError, match=message):
        dataset = open_dataset("folder", folder)
        dataset.trials, dataset.atlas(), dataset.images


def test_wrong_matrices_are_explained(folder):
    path = folder / "responses" / "subject-01" / "roi-001.npy"
    np.save(path, np.zeros((47, 9)))
    with pytest.raises(ValueError, match=r"roi-001.npy: expected numbers of shape \(48, n_voxels\).* found shape \(47, 9\), type "
                                         "float64"):
        open_dataset("folder", folder).responses(1, 1)
    path.write_bytes(b"\x93NUMPY cut")
    with pytest.raises(ValueError, match="roi-001.npy is not a readable .npy file"):
        open_dataset("folder", folder).responses(1, 1)
    with pytest.raises(ValueError, match=r"rows: 2 of 3 are not trials of subject 1, such as \[48, -1\]; there are "
                                         "0 to 47"):
        open_dataset("folder", folder).responses(1, 2, [48, -1, 0])


def test_no_table_names_the_template(tmp_path):
    with pytest.raises(FileNotFoundError, match="trials.csv is not there; python -m convergence new-dataset writes an example"):
        open_dataset("folder", tmp_path).trials
