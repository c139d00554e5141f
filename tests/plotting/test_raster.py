"""The rasteriser against one pixel at a time, and against a sphere."""

import numpy as np
import pytest
from matplotlib.path import Path
from scipy.spatial import ConvexHull

from convergence.plotting.raster import rasterise, vertex_normals


def random_mesh(rng, n_triangles=25):
    pixels = rng.uniform(1, 30, (n_triangles * 3, 2)) * (1, 0.7)
    return pixels, rng.normal(size=n_triangles * 3), np.arange(n_triangles * 3).reshape(-1, 3)


def test_every_pixel_shows_the_nearest_triangle_that_covers_it(rng=np.random.default_rng(4)):
    pixels, depth, triangles = random_mesh(rng)
    shown, weights = rasterise(pixels, depth, triangles)
    covered = 0
    for row in range(shown.shape[0]):
        for column in range(shown.shape[1]):
            inside = [k for k, t in enumerate(triangles) if Path(pixels[t]).contains_point((column, row))]
            if not inside:
                assert shown[row, column] == -1
                continue
            covered += 1
            at = {k: np.linalg.solve(np.vstack([pixels[triangles[k]].T, np.ones(3)]), [column, row, 1]) for k in inside}
            nearest = max(inside, key=lambda k: at[k] @ depth[triangles[k]])
            assert shown[row, column] == nearest
            np.testing.assert_allclose(weights[row, column], at[nearest], atol=1e-9)
    assert covered > 200


def test_the_picture_holds_every_vertex():
    pixels = np.array([[1, 1], [40.2, 3], [2, 17.9]])
    shown, _ = rasterise(pixels, np.zeros(3), np.array([[0, 1, 2]]))
    assert shown.shape == (20, 43) and shown[1, 1] == 0 and shown[2, 39] == -1 and shown[3, 39] == 0


def test_a_triangle_seen_edge_on_hides_nothing():
    pixels = np.array([[2, 2], [8, 2], [2, 8], [3, 3], [5, 5], [4, 4.0]])
    shown, _ = rasterise(pixels, np.array([0, 0, 0, 9, 9, 9.0]), np.array([[0, 1, 2], [3, 4, 5]]))
    assert set(np.unique(shown)) == {-1, 0}


def test_normals_of_a_sphere_point_outwards():
    points = np.random.default_rng(0).normal(size=(800, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    triangles = ConvexHull(points).simplices
    inwards = (np.cross(points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]])
               * points[triangles[:, 0]]).sum(1) < 0
    triangles[inwards] = triangles[inwards][:, ::-1]
    normals = vertex_normals(points, triangles)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1)
    assert (normals * points).sum(1).min() > 0.95
