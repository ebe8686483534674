import io

import numpy as np
from PIL import Image

from serve.segment import PixelBox
from serve.segment.draw import Drawn, mask_png, overlay, png, thumbnail


def test_a_mask_is_an_8_bit_grey_picture_of_the_photos_size() -> None:
    mask = np.array([[True, False], [True, True]])
    picture = Image.open(io.BytesIO(mask_png(mask, PixelBox(3, 1, 5, 3), (7, 4))))
    assert (picture.mode, picture.size) == ("L", (7, 4))
    expected = np.zeros((4, 7), dtype=np.uint8)
    expected[1:3, 3:5] = [[255, 0], [255, 255]]
    assert np.array_equal(np.asarray(picture), expected)


def test_a_picture_keeps_its_colours() -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(picture)))), picture)


def test_the_overlay_shows_masks_and_boxes_and_leaves_the_photo_alone() -> None:
    photo = np.full((200, 300, 3), 90, dtype=np.uint8)
    box = PixelBox(100, 50, 200, 150)
    mask = np.zeros((100, 100), dtype=bool)
    mask[30:70, 30:70] = True
    drawn = overlay(photo, [Drawn(box, "object 0", mask), Drawn(PixelBox(-0, 160, 60, 199), "object 1", None)])
    assert drawn.shape == photo.shape
    assert (photo == 90).all()
    assert (drawn[100, 150] != 90).any(), "inside the mask"
    assert (drawn[140, 110] == 90).all(), "inside the box, outside the mask"
    assert (drawn[100, 100] != 90).any(), "on the box"


def test_a_large_photo_is_drawn_small() -> None:
    assert max(overlay(np.zeros((100, 4000, 3), dtype=np.uint8), []).shape) == 1600


def test_a_thumbnail_is_a_small_jpeg_of_the_same_shape() -> None:
    picture = np.full((600, 1200, 3), (200, 40, 90), dtype=np.uint8)
    with Image.open(io.BytesIO(thumbnail(picture))) as read:
        assert (read.format, read.size) == ("JPEG", (320, 160))
        assert np.allclose(np.asarray(read), (200, 40, 90), atol=3)
