import pytest
import torch

from aimicro.models import ARCHITECTURES, ImageText


def test_images_and_captions_lie_on_one_sphere():
    network = ImageText(words=6, features=5, channels=4)
    image, table, scale = network(torch.randn(3, 1, 32, 40))
    text = network.read(torch.tensor([[1.0, 0, 0, 0, 1, 0], [0, 2.0, 0, 0, 0, 0]]))
    assert image.shape == (3, 5)
    assert table.shape == (6, 5)
    assert text.shape == (2, 5)
    torch.testing.assert_close(torch.cat([image, text]).norm(dim=1), torch.ones(5))
    assert scale.item() == pytest.approx(10)


def test_a_caption_is_the_mean_of_its_words_in_any_number():
    network = ImageText(words=4)
    once, twice, none = network.read(torch.tensor([[1.0, 1, 0, 0], [2.0, 2, 0, 0], [0.0, 0, 0, 0]]))
    torch.testing.assert_close(once, twice)
    assert not none.any()


def test_it_can_be_built_again():
    assert ARCHITECTURES["ImageText"] is ImageText
    assert ImageText(7, channels=4).config["words"] == 7


@pytest.mark.parametrize("wrong", [{"words": 0}, {"words": 3, "features": 0}])
def test_bad_input(wrong):
    with pytest.raises(ValueError, match="of 1 or more"):
        ImageText(**wrong)
