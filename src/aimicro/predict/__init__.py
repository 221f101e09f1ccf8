"""Apply a network to images of any size."""

from aimicro.predict.axial import AxialViews, predict_axial
from aimicro.predict.drawing import predict_draws
from aimicro.predict.prompting import PromptedImage
from aimicro.predict.tiles import Tile, Tiles, predict, tiles
from aimicro.predict.uncertainty import predict_tta, predict_with_dropout

__all__ = [
    "AxialViews",
    "PromptedImage",
    "Tile",
    "Tiles",
    "predict",
    "predict_axial",
    "predict_draws",
    "predict_tta",
    "predict_with_dropout",
    "tiles",
]
