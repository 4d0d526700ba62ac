"""What a quality means, and what counts as one."""

from itertools import pairwise

import pytest

from orfeas.domain import quality


@pytest.mark.parametrize(
    "given, number",
    [(7, 7), ("7", 7), (" 10 ", 10), (7.0, 7), ("draft", 1), ("LOW", 3), ("Medium", 5), ("high", 8), ("ultra", 10)],
)
def test_numbers_their_text_and_words_are_qualities(given, number):
    assert quality.parse_quality(given) == number


@pytest.mark.parametrize("given", [0, 11, -1, 7.5, "", "best", "7.5", "٧", True, None, [7], "99999999999999999999"])
def test_anything_else_is_refused_with_the_words(given):
    with pytest.raises(ValueError, match="draft, low, medium, high, ultra"):
        quality.parse_quality(given)


@pytest.mark.parametrize("table", quality.MAPS.values(), ids=quality.MAPS)
def test_every_map_has_ten_rows_that_grow(table):
    assert list(table) == list(range(1, 11))
    rows = list(table.values())
    assert all(a.octree_resolution < b.octree_resolution for a, b in pairwise(rows))
    assert all(a.target_faces < b.target_faces and a.steps <= b.steps for a, b in pairwise(rows))
    assert all(row.octree_resolution % 16 == 0 for row in rows), "each grid halves exactly"


def test_the_default_of_the_embedded_engine_is_the_published_row():
    assert quality.EMBEDDED[quality.DEFAULT] == quality.Quality(10, 144, 30_000)
    assert quality.label(7) == "Very High"
