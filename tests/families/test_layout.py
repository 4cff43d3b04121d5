"""Tiles are laid out as the pixels of an image that says where they are from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, resize

from resolution_eval.models.families.generic.family import shares_of, stacked
from resolution_eval.models.families.generic.foreign import reason_of
from resolution_eval.models.families.generic.tensor_grids import Reading, by_volume
from resolution_eval.models.families.generic.token_layout import TokenLayout, compass, measured
from resolution_eval.models.families.parts import TowerGrid
from resolution_eval.resolution import Size


def _pixels(size: Size) -> Tensor:
    return pil_to_tensor(compass(size)).float()


def _tiles(pixels: Tensor, columns: int, rows: int, edge: int) -> list[Tensor]:
    whole = resize(pixels, [rows * edge, columns * edge], antialias=True)
    return [
        whole[:, row * edge : (row + 1) * edge, column * edge : (column + 1) * edge]
        for row in range(rows)
        for column in range(columns)
    ]


def _normalised(pictures: list[Tensor]) -> list[Tensor]:
    mean, deviation = torch.tensor([120.0, 90.0, 60.0]), torch.tensor([60.0, 55.0, 65.0])
    return [(one - mean[:, None, None]) / deviation[:, None, None] for one in pictures]


@pytest.mark.parametrize(("columns", "rows"), [(1, 2), (3, 1), (3, 2), (2, 4)])
@pytest.mark.parametrize("thumbnails", [0, 1])
@pytest.mark.parametrize("size", [Size(900, 400), Size(61, 83)])
def test_columns_rows_and_thumbnails_are_told_apart(
    columns: int, rows: int, thumbnails: int, size: Size
) -> None:
    pixels = _pixels(size)
    pictures = _tiles(pixels, columns, rows, 96)
    pictures += [resize(pixels, [80, 80], antialias=True)] * thumbnails
    found = measured(_normalised(pictures))
    assert found == TokenLayout(columns, rows, thumbnails)
    assert found.images == len(pictures)


@pytest.mark.parametrize("colour", [0.0, 127.0, 255.0])
def test_padding_of_any_grey_is_no_part_of_the_image(colour: float) -> None:
    """A wide image on a canvas of 2 x 2 tiles, with bars above and below it."""
    canvas = torch.full((3, 192, 192), colour)
    canvas[:, 40:152] = resize(_pixels(Size(600, 350)), [112, 192], antialias=True)
    quarters = [canvas[:, y : y + 96, x : x + 96] for y in (0, 96) for x in (0, 96)]
    assert measured(_normalised(quarters)) == TokenLayout(2, 2)


def test_tiles_may_overlap() -> None:
    pixels = resize(_pixels(Size(500, 300)), [96, 96 + 2 * 72], antialias=True)
    crops = [pixels[:, :, x : x + 96] for x in (0, 72, 144)]
    assert measured(crops) == TokenLayout(3, 1)


def test_what_is_no_grid_of_tiles_has_no_layout() -> None:
    pictures = _tiles(_pixels(Size(300, 300)), 2, 2, 64)
    assert measured(pictures[:3]) is None


def test_one_picture_of_the_whole_is_one_tile() -> None:
    whole = resize(_pixels(Size(300, 200)), [96, 96], antialias=True)
    assert measured([whole]) == TokenLayout(1, 1)
    assert measured([whole, whole]) == TokenLayout(1, 1, 1)


def test_images_are_taken_out_of_their_patches() -> None:
    image = torch.rand(3, 42, 42)
    patches = image.reshape(3, 3, 14, 3, 14).permute(1, 3, 2, 4, 0).reshape(1, 9, 588)
    reading = by_volume({"pixel_values": patches}, patches.numel(), 14)
    assert reading == Reading("pixel_values", "square patches", (14, 14))
    assert [one.grid for one in reading.read({"pixel_values": patches})] == [(42, 42)]
    (picture,) = reading.pictures({"pixel_values": patches})
    assert torch.equal(picture, image)


def test_patches_that_bear_their_row_and_column_tell_the_grid() -> None:
    places = torch.tensor([[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3], [0, 0]]).float()
    table = torch.cat([places, torch.zeros(7, 3 * 16 * 16)], dim=1)[None]
    reading = by_volume({"flattened_patches": table}, table.numel(), 16)
    assert reading is not None
    assert [one.grid for one in reading.read({"flattened_patches": table})] == [(32, 48)]


def test_samples_have_their_share_of_every_call_of_a_tower() -> None:
    """A tower that sees the whole images of a batch in one call, and their tiles in another."""
    whole, tile = TowerGrid(grid=(10, 10)), TowerGrid(grid=(4, 4))
    shares = shares_of([[whole, whole], [tile] * 6], 2)
    assert shares == [[whole, tile, tile, tile]] * 2
    assert stacked(shares[0]) == TowerGrid(grid=(22, 10), images=4)
    each = shares_of([[whole], [tile], [whole], [tile]], 2)
    assert each == [[whole, tile]] * 2


def test_an_error_is_told_by_its_kind_and_its_words() -> None:
    assert reason_of(TypeError("unexpected  keyword\n'size'")) == (
        "TypeError: unexpected keyword 'size'"
    )
