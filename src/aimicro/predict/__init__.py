"""Apply a network to images of any size."""

from aimicro.predict.tiles import predict
from aimicro.predict.uncertainty import predict_turned, predict_with_dropout

__all__ = ["predict", "predict_turned", "predict_with_dropout"]
