"""Parts become a table, and a table says what it lacks."""

import pandas
import pytest

from convergence.alignment.parts import merge, parts_folder, what_is_empty
from convergence.storage.outputs import read_sidecar


def write(folder, **columns):
    path = folder / f"{len(list(folder.iterdir()))}.parquet"
    pandas.DataFrame(columns).to_parquet(path, index=False)
    return path


def test_merging_keeps_the_order_and_is_done_once(tmp_path, capsys):
    (tmp_path / "parts").mkdir()
    parts = [write(tmp_path / "parts", roi=[3, 8], reason=["", ""]), write(tmp_path / "parts", roi=[5], reason=["parcel: x"])]
    options = {"subjects": [2, 9]}
    table = merge(parts[::-1], tmp_path / "table.parquet", made_by="script", options=options)
    assert pandas.read_parquet(table)["roi"].tolist() == [5, 3, 8] and read_sidecar(table)["options"] == options
    when = table.stat().st_mtime_ns
    merge(parts[::-1], table, made_by="script", options=options)
    assert table.stat().st_mtime_ns == when
    merge(parts[:1], table, made_by="script", options={"subjects": [2]})
    assert "table.parquet: merged again, inputs changed: parts/1.parquet" in capsys.readouterr().out.replace(str(tmp_path.name) + "/", "")
    assert pandas.read_parquet(table)["roi"].tolist() == [3, 8]


def test_a_choice_of_parcels_has_a_folder_of_its_own(tmp_path):
    table = tmp_path / "nsd" / "table_joined.parquet"
    assert parts_folder(table) == tmp_path / "nsd" / "parts" / "table_joined"
    some = [parts_folder(table, rois) for rois in ([3, 8], [8, 3], [3, 9], [38])]
    assert some[0] == some[1] and len({*some, parts_folder(table)}) == 4


@pytest.mark.parametrize("columns, expected", [
    ({"roi_x": [3, 8, 8, 9], "roi_y": [4, 4, 8, 1], "reason": ["", "subject_i: no voxels", "subject_i: no voxels; subject_j: one voxel: no pattern",
                                                            "subject_j: compute: a row; leave it out"]},
     ["compute: a row; leave it out: parcel 1", "no voxels: parcel 8", "one voxel: no pattern: parcel 8"]),
    ({"roi": [3, 8], "reason": ["subject_i: flat; subject_j: flat", "subject_j: no voxels"]}, ["flat: parcel 3", "no voxels: parcel 8"]),
    ({"roi": [3, 3, 8], "layer": [0, 2, 2], "model": ["vit"] * 3, "reason": ["parcel: flat", "parcel: flat; layer: one unit", "layer: one unit"]},
     ["flat: parcel 3", "one unit: layer 2 of vit"]),
    ({"roi": range(20), "reason": ["parcel: no voxels"] * 20}, ["no voxels: parcel 0, parcel 1, parcel 2, parcel 3, parcel 4, parcel 5, parcel 6, parcel 7, "
                                                               "... (20 in all)"]),
    ({"roi": [1], "reason": [""]}, [])])
def test_what_is_empty(tmp_path, columns, expected):
    assert what_is_empty(write(tmp_path, **columns)) == expected
