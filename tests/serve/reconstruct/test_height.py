from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from skimage.morphology import skeletonize

from serve.reconstruct.inflation.height import half_thickness
from serve.reconstruct.inflation.outline import drop_hairs, outlines
from serve.reconstruct.inflation.triangulate import triangulate

Mask = NDArray[np.bool_]


def medial_line(mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (x, y) of the skeleton and the radii of their inscribed discs.

    Left out: spurs towards corners and bumps of the outline, whose discs are less than 0.9 of a disc that covers them;
    places within their own width of a part twice as thick, where one thickness passes smoothly into the other; and
    discs of under two pixels, which the grid cannot measure.
    """
    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.nonzero(skeletonize(mask) & (distance > 2.5))
    points, radii = np.column_stack([column, row]) + 0.5, distance[row, column] - 0.5
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    spur = ((apart <= radii) & (radii > radii[:, None] / 0.9)).any(axis=1)
    passage = ((apart <= radii + 2 * radii[:, None]) & (radii > 2 * radii[:, None])).any(axis=1)
    main = ~spur & ~passage
    return points[main], radii[main]


def test_half_thickness_follows_the_inscribed_radius(mask: Mask) -> None:
    mask = drop_hairs(mask)
    mesh = triangulate(outlines(mask), mask, 10_000)
    points, radii = medial_line(mask)
    if not len(radii):  # the wires
        assert cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max() < 4
        return
    ratio = LinearNDInterpolator(mesh.points, half_thickness(mesh))(points) / radii
    assert ratio.min() > 0.4
    assert ratio.max() < 1.0


def test_a_disc_becomes_an_ellipsoid(shape: Callable[[str], Mask]) -> None:
    mesh = triangulate(outlines(shape("disc")), shape("disc"), 10_000)
    exact = 0.5 * np.sqrt(np.maximum(100**2 - np.sum((mesh.points - 120) ** 2, axis=1), 0))
    assert np.abs(half_thickness(mesh) - exact).max() < 1.5  # of 50 pixels


def test_it_is_zero_on_the_rim_and_positive_elsewhere(mask: Mask) -> None:
    mesh = triangulate(outlines(mask), mask, 3_000)
    height = half_thickness(mesh)
    assert (height[mesh.on_rim] == 0).all()
    assert (height[~mesh.on_rim] > 0).all()
