"""Session 2 of one subject was never downloaded: its rows are marked, all others mean what they meant, through stages 1 and 3."""

import shutil

import numpy as np
import pytest
from tiny_nsd import beta_path, run

from convergence import compute_rdm, open_dataset, rsa
from convergence.alignment.rdms import CLIP
from convergence.alignment.trials import common_trials
from convergence.python_files import load_python
from convergence.storage.rdm_store import RDMStore
from convergence.storage.tables import read_table

PARCELS, LACKING = ("V1", "MST"), 2


@pytest.fixture(scope="module")
def datasets(miniature, checkout, tmp_path_factory):
    """(complete, lacking): folders with nsd/ and derivatives/ after stages 1 and 3."""
    folder = tmp_path_factory.mktemp("sessions")
    made = [folder / "complete", folder / "lacking"]
    for place in made:
        root, derivatives = place / "nsd", place / "derivatives"
        shutil.copytree(miniature / "nsd", root)
        if place.name == "lacking":
            beta_path(root, LACKING, 2).unlink()
        assert run("2", "--root", root, "--derivatives", derivatives) == 0
        assert run("4", "--root", root, "--rois", *PARCELS) == 0
        for script in ("1_compute_rdms", "2_subject_subject"):
            module = load_python(checkout / "3_alignment" / f"{script}.py")
            options = ["--root", str(root), "--derivatives", str(derivatives), "--rois", *PARCELS, "--device", "cpu"]
            assert module.main(options) == 0
    return made


def test_the_other_sessions_have_the_same_rows_and_values(datasets):
    whole, lacking = (open_dataset("nsd", place / "nsd") for place in datasets)
    assert whole.trials.drop(columns="exists").equals(lacking.trials.drop(columns="exists"))
    gone = (lacking.trials["subject"] == LACKING) & (lacking.trials["session"] == 2)
    assert (lacking.trials["exists"] == (whole.trials["exists"] & ~gone)).all() and gone.sum() == 60
    for subject in whole.subjects:
        rows = lacking.rows(subject)
        assert rows.tolist() == lacking.trials.query("subject == @subject and exists")["subject_index"].tolist()
        for labels in [parcel.labels for parcel in whole.parcels() if parcel.name in PARCELS]:
            assert np.array_equal(lacking.responses(subject, labels), whole.responses(subject, labels, rows))
    first_gone = int(lacking.trials.loc[gone, "subject_index"].iloc[0])
    with pytest.raises(ValueError, match=rf"rows: 1 of 2 rows of subject 2 have no data, such as \[{first_gone}\]"):
        lacking.responses(LACKING, 1, [0, first_gone])


def test_rdms_and_similarities_are_those_of_the_rows_that_exist(datasets):
    whole, lacking = (open_dataset("nsd", place / "nsd") for place in datasets)
    tables = [read_table(place / "derivatives/nsd/rsa_subject_subject_alignment_shift_1_joined.parquet") for place in datasets]
    others = [table[(table["subject_i"] != LACKING) & (table["subject_j"] != LACKING)].reset_index(drop=True) for table in tables]
    assert len(others[0]) == 9 * len(PARCELS)**2 and others[0].equals(others[1])

    condensed = {}
    for subject in (1, LACKING):
        with RDMStore(datasets[1] / f"derivatives/nsd/rdms/subject-0{subject}_joined_shared.h5") as store:
            trials = store.trials
        assert subject != LACKING or 2 not in set(trials["session"])
        for parcel in (parcel for parcel in whole.parcels() if parcel.name in PARCELS):
            condensed[subject, parcel.roi] = trials["row"].to_numpy(), compute_rdm(
                whole.responses(subject, parcel.labels, trials["row"].to_numpy()).astype(np.float32), clip=CLIP)
    pairs = common_trials(lacking.trials, 1, LACKING, 1)
    assert 0 < len(pairs) < len(common_trials(whole.trials, 1, LACKING, 1))
    for roi in sorted({roi for _, roi in condensed}):
        mine, theirs = (among(*condensed[subject, roi], pairs[f"subject_index_{side}"])
                        for subject, side in ((1, "i"), (LACKING, "j")))
        found = tables[1].query("subject_i == 1 and subject_j == @LACKING and roi_x == roi_y == @roi")["similarity"].item()
        assert found == pytest.approx(rsa(mine, theirs), abs=1e-5)


def among(rows, condensed, chosen):
    """The condensed RDM of some of its rows."""
    square = np.zeros((len(rows), len(rows)))
    square[np.triu_indices(len(rows), 1)] = condensed
    square += square.T
    places = [rows.tolist().index(row) for row in chosen]
    return square[np.ix_(places, places)][np.triu_indices(len(places), 1)]
