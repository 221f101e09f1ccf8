"""Draw the pictures of the welcome page: two filaments in very little light, one of them broken.

Usage: make_welcome.py    (writes book/figures/welcome_*.png)
"""

from pathlib import Path

import numpy as np
from skimage.io import imsave
from skimage.transform import rescale

from aimicro.simulate import Camera, airy_psf, blur

PIXEL_UM = 0.065
FIGURES = Path(__file__).resolve().parents[1] / "book" / "figures"


def main() -> None:
    sharp = np.zeros((192, 384))
    along = np.arange(32, 352)
    for start, height, gap in ((70, 10, range(0)), (118, -9, range(236, 243))):
        across = start + height * np.sin(along / 60)
        above = across.astype(int)
        whole = ~np.isin(along, gap)
        # Light between two rows falls on both, in proportion to their nearness.
        np.add.at(sharp, (above[whole], along[whole]), (1 - across + above)[whole])
        np.add.at(sharp, (above[whole] + 1, along[whole]), (across - above)[whole])
    image = blur(sharp, airy_psf(na=1.3, wavelength_um=0.52, pixel_size_um=PIXEL_UM))
    window = np.s_[46:142, 48:336]
    truth = 3.5 * image[window] / image[window].max() + 1
    measured = Camera().photons(Camera().expose(truth, rng=3))
    for name, picture, black, white in (("measured", measured, -1, 8), ("truth", truth, 1, 4.5)):
        grey = np.clip((picture - black) / (white - black), 0, 1)
        grey = rescale(grey, 3, order=0)  # three screen pixels each, so that pixels can be seen
        imsave(FIGURES / f"welcome_{name}.png", np.round(255 * grey).astype(np.uint8))


if __name__ == "__main__":
    main()
