"""Apply a network to images of any size."""

from aimicro.predict.tiles import predict

__all__ = ["predict"]
