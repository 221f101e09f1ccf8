import numpy as np
import pytest
from scipy import ndimage

from aimicro.inspect import Relation, check_analysis, usual_relations

ALL = usual_relations(light=0, adds_up=False)


def squares() -> np.ndarray:
    """Three squares of 16, 64 and 36 pixels, apart from each other and from the border."""
    image = np.full((40, 60), 10, np.uint8)
    for y, x, side, value in ((4, 5, 4, 60), (8, 30, 8, 90), (28, 12, 6, 110)):
        image[y : y + side, x : x + side] = value
    return image


def area(image: np.ndarray, pixel_size_um: float) -> float:
    return float((image > 30).sum()) / ndimage.label(image > 30)[1] * pixel_size_um**2


def names(measure, image=None, relations=ALL) -> list[str]:
    image = squares() if image is None else image
    found = check_analysis(measure, image, pixel_size_um=0.5, relations=relations)
    return [finding.name for finding in found]


def test_right_analyses_raise_no_alarm() -> None:
    assert area(squares(), 0.5) == (16 + 64 + 36) / 3 / 4
    assert names(area) == []
    count = usual_relations(light=0, adds_up=True)
    assert names(lambda image, _: ndimage.label(image > 30)[1], relations=count) == []
    bright = usual_relations(light=1, adds_up=False)
    above = [r for r in bright if r.name != "two fields"]
    assert names(lambda image, _: image.max() - np.median(image), relations=above) == []


def test_area_in_pixels_changes_where_they_are_cut_in_four() -> None:
    def wrong(image, pixel_size_um):
        return area(image, pixel_size_um) / pixel_size_um

    (finding,) = check_analysis(wrong, squares(), pixel_size_um=0.5, relations=ALL)
    assert finding.name == "finer pixels"
    assert finding.found == pytest.approx(2 * finding.expected)


def test_one_too_many_is_found_beside_a_second_field() -> None:
    count = usual_relations(adds_up=True)
    assert names(lambda image, _: ndimage.label(image > 30)[1] + 1, relations=count) == [
        "two fields"
    ]


def test_wrong_axis_is_found_by_turning() -> None:
    stack = np.stack([squares(), squares()])
    assert names(lambda image, _: (image.max(axis=-1) > 30).mean(), stack)[0] == "turned"
    assert names(lambda image, _: (image.max(axis=0) > 30).mean(), stack) == []


def test_numbers_that_wrap_around_are_found_in_another_type() -> None:
    def wrong(image, _):
        return (image - image.dtype.type(20)).mean()

    found = names(wrong, relations=usual_relations(light=0))
    assert found == ["other type", "twice the light"]


def test_light_goes_into_a_type_that_holds_it() -> None:
    bright = (squares() * 2).astype(np.uint8)
    assert names(lambda image, _: image.sum() / 1e6, bright, usual_relations(light=1)[-1:]) == []


def test_properties_need_no_relation() -> None:
    rng = np.random.default_rng(0)

    def in_place(image, _):
        image -= 10
        return image.mean()

    assert names(lambda image, _: rng.random(), relations=[]) == ["asked again"]
    assert names(lambda image, _: np.nan, relations=[]) == ["a number"]
    assert "image kept" in names(in_place, relations=[])


def test_an_error_is_a_finding() -> None:
    def square_only(image, _):
        if image.shape[0] > image.shape[1]:
            raise IndexError("too tall")
        return 1.0

    (finding,) = check_analysis(square_only, squares(), pixel_size_um=1, relations=ALL[:2])
    assert (finding.name, finding.error) == ("turned", "IndexError: too tall")
    with_errors = check_analysis(lambda *_: 1 / 0, squares(), pixel_size_um=1, relations=ALL)
    assert [finding.name for finding in with_errors] == ["a number"]
    assert with_errors[0].error.startswith("ZeroDivisionError")


def test_relation_of_ones_own() -> None:
    offset = Relation("other camera", lambda image, size: (image + 20.0, size))
    assert names(lambda image, _: image.mean(), relations=[offset]) == ["other camera"]
    assert names(lambda image, _: image.std(), relations=[offset]) == []


def test_no_image_is_changed_by_a_twin_or_an_analysis() -> None:
    image = squares()

    def spoil(image, _):
        image[:] = 0
        return 0.0

    check_analysis(spoil, image, pixel_size_um=1, relations=ALL)
    np.testing.assert_array_equal(image, squares())


@pytest.mark.parametrize("size", [0, -1, np.nan])
def test_pixels_need_a_size(size: float) -> None:
    with pytest.raises(ValueError, match="Expected pixel_size_um above 0"):
        check_analysis(area, squares(), pixel_size_um=size, relations=ALL)


def test_light_is_a_power() -> None:
    with pytest.raises(TypeError, match="Expected light"):
        usual_relations(light="twice")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NaN"):
        check_analysis(area, [[np.nan, 1.0]], pixel_size_um=1, relations=ALL)
