"""Where parcels lie on the sphere: of HCP-MMP1 by anatomy, of a made-up atlas with parcels of both sides."""

import numpy as np
import pytest
import seven_parcels

from convergence.datasets.atlas import open_atlas
from convergence.datasets.atlas_surface import parcel_centroids, sphere


def test_every_parcel_of_hcp_mmp1_has_its_place():
    atlas = open_atlas()
    centres, side = parcel_centroids(atlas)
    assert centres.shape == (len(atlas.table), 3) and side.tolist() == atlas.table["hemisphere"].tolist()
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1)
    place = {key: centre for key, centre in zip(zip(atlas.table["name"], side), centres)}
    for hemisphere in ("lh", "rh"):
        # V1 lies at the back, the frontal pole in front
        assert place["V1", hemisphere][1] < -0.3 < 0.9 < place["10d", hemisphere][1]
        outward = -1 if hemisphere == "lh" else 1
        # outer side, inner side
        assert outward * place["A4", hemisphere][0] > 0.5 and outward * place["RSC", hemisphere][0] < -0.8
    left, right = centres[side == "lh"], centres[side == "rh"]
    assert (np.linalg.norm(left * [-1, 1, 1] - right, axis=1) < 0.25).all()                 # nearly mirror images
    for name in ("V1", "MST"):
        row = int(np.flatnonzero((atlas.table["name"] == name) & (side == "rh"))[0])
        mean = sphere("rh")[atlas.labels["rh"] == atlas.table["roi"].iloc[row]].mean(0)
        np.testing.assert_allclose(centres[row], mean / np.linalg.norm(mean))


def test_other_atlases_and_parcels_of_both_sides(tmp_path):
    atlas = open_atlas(seven_parcels.write(tmp_path / "one"))
    centres, side = parcel_centroids(atlas)
    assert side.tolist() == ["lh"] * 4 + ["rh"] * 3
    frame = seven_parcels.table().drop(columns="hemisphere").assign(name=lambda t: t["name"] + t["label"].astype(str))
    both, sides = parcel_centroids(open_atlas(seven_parcels.write(tmp_path / "two", frame=frame)))
    assert set(sides) == {"lh"} and len(both) == 7
    np.testing.assert_allclose(both[:4], centres[:4])                                       # no vertex of theirs is on the right
    np.testing.assert_allclose(both[4:], centres[4:] * [-1, 1, 1])
    atlas = open_atlas(seven_parcels.write(tmp_path / "three"))
    atlas.labels["rh"][atlas.labels["rh"] == 208] = 0
    with pytest.raises(ValueError, match=r"parcel_centroids: no vertex on the surface for aside \(1 of 7 parcels\)"):
        parcel_centroids(atlas)
