import numpy as np
import pytest
from trimesh import creation

from serve.mesh.measure import component_count, is_closed, vertex_normals, weld

CUBE = np.asarray(creation.box().faces, dtype=np.int64)


def test_closedness() -> None:
    assert is_closed(CUBE)
    assert not is_closed(CUBE[1:]), "a hole"
    assert not is_closed(np.concatenate([CUBE[:1, ::-1], CUBE[1:]])), "one face turned round"
    assert not is_closed(np.concatenate([CUBE, CUBE[:1], CUBE[:1, ::-1]])), "an edge with four faces"


def test_seams_are_welded_before_anything_is_measured() -> None:
    positions = np.asarray(creation.box().vertices, dtype=np.float32)
    apart = positions[CUBE].reshape(-1, 3)
    faces = np.arange(len(apart), dtype=np.uint32).reshape(-1, 3)
    assert not is_closed(faces.astype(np.int64))
    assert is_closed(weld(apart, faces))
    assert component_count(weld(apart, faces)) == 1


def test_pieces_are_counted() -> None:
    assert component_count(CUBE) == 1
    assert component_count(np.concatenate([CUBE, CUBE + 8, CUBE + 20])) == 3


def test_normals_of_a_sphere_point_away_from_its_middle() -> None:
    sphere = creation.icosphere(subdivisions=3)
    normals = vertex_normals(np.asarray(sphere.vertices), np.asarray(sphere.faces))
    assert normals == pytest.approx(np.asarray(sphere.vertices), abs=0.02)
