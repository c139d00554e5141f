"""Draw a triangle mesh into pixels, with hidden surfaces removed, in vectorised numpy.

    triangle, weights = rasterise(pixels, depth, triangles)         # which triangle each pixel shows, and where in it

Made for meshes of small triangles (a few pixels each): every triangle's bounding box is expanded to candidate pixels, those
inside are kept, and the nearest one of each pixel is shown. Time and memory grow with the number of candidates, about three per
pixel.
"""

import numpy as np


def rasterise(pixels, depth, triangles):
    """Orthographic z-buffer.

    Parameters
    ----------
    pixels : (n_vertices, 2) array
        Column and row of every vertex, not below 0; the picture is as large as the largest of them asks for.
    depth : (n_vertices,) array
        Larger is nearer.
    triangles : (n_triangles, 3) array of int

    Returns
    -------
    triangle : (height, width) array of int
        Number of the triangle that is seen, -1 where there is none.
    weights : (height, width, 3) array
        Barycentric weights of its three corners; 0 where there is none.
    """
    width, height = np.ceil(pixels.max(0)).astype(int) + 2
    number, column, row = _candidates(pixels[triangles])
    weights = _barycentric(pixels[triangles[number]], column, row)
    inside = (weights >= -1e-9).all(1)
    number, weights, place = number[inside], weights[inside], (row * width + column)[inside]
    nearness = (depth[triangles[number]] * weights).sum(1)
    order = np.lexsort((nearness, place))
    seen = order[np.append(place[order][1:] != place[order][:-1], True)]        # the last of each pixel is the nearest
    shown, where = np.full(height * width, -1), np.zeros((height * width, 3))
    shown[place[seen]], where[place[seen]] = number[seen], weights[seen]
    return shown.reshape(height, width), where.reshape(height, width, 3)


def triangle_normals(vertices, triangles):
    """(n_triangles, 3) normals, as long as twice the triangle's area, outward where corners are numbered counterclockwise."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(vertices, triangles):
    """(n_vertices, 3) unit normals: the mean of the triangles around a vertex, weighted by their areas."""
    of_triangles = triangle_normals(vertices, triangles)
    corners, weights = triangles.ravel(), np.repeat(of_triangles, 3, axis=0)
    normals = np.stack([np.bincount(corners, weights[:, axis], len(vertices)) for axis in range(3)], 1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _candidates(corners):
    """Triangle number, column and row of every pixel in the triangles' bounding boxes; corners (n_triangles, 3, 2)."""
    low, high = np.ceil(corners.min(1)).astype(int), np.floor(corners.max(1)).astype(int)
    columns, rows = np.maximum(high - low + 1, 0).T
    n_pixels = columns * rows
    number = np.repeat(np.arange(len(corners)), n_pixels)
    within = np.arange(len(number)) - np.repeat(np.cumsum(n_pixels) - n_pixels, n_pixels)
    return number, low[number, 0] + within % columns[number], low[number, 1] + within // columns[number]


def _barycentric(corners, column, row):
    """(n, 3) weights of the points (column, row) in their triangles (n, 3, 2); -1 in a triangle without area."""
    (ax, ay), (bx, by), (cx, cy) = corners.transpose(1, 2, 0)
    area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = ((by - cy) * (column - cx) + (cx - bx) * (row - cy)) / area
        b = ((cy - ay) * (column - cx) + (ax - cx) * (row - cy)) / area
    weights = np.stack([a, b, 1 - a - b], 1)
    weights[area == 0] = -1
    return weights
