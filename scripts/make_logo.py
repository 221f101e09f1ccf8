"""Draw the logo: simulated filaments, as the camera counts them and as a network restores them.

Writes _static/logo.svg and _static/favicon.png (which needs Chromium).
"""

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright
from skimage.measure import approximate_polygon, find_contours

from aimicro.simulate import airy_psf, blur, filaments

STATIC = Path(__file__).resolve().parent.parent / "_static"
FIELD = "#04262c"  # the dark field of view
LIGHT = ["#0f766e", "#2dd4bf", "#ccfbf1"]  # dim, bright, brightest


def clean_image(pixels: int, *, n: int, thickness_um: float, rng: int) -> NDArray[np.float32]:
    """Return filaments as a perfect camera would see them, between 0 and 1."""
    specimen = filaments((pixels, pixels), n=n, thickness_um=thickness_um, rng=rng)
    psf = airy_psf(na=1.2, wavelength_um=0.52, pixel_size_um=0.1, shape=(pixels, pixels))
    image = blur(specimen, psf)
    return image / image.max()


def structure(image: NDArray[np.float32], levels: list[float]) -> str:
    """Return the image as filled outlines, one brightness above the other."""
    paths = []
    for level, colour in zip(levels, LIGHT, strict=True):
        outlines = []
        for contour in find_contours(np.pad(image, 1), level):
            points = approximate_polygon(contour - 1, tolerance=0.12)
            outlines.append("M" + "L".join(f"{x:.1f} {y:.1f}" for y, x in points) + "z")
        paths.append(f'<path fill="{colour}" fill-rule="evenodd" d="{"".join(outlines)}"/>')
    return "".join(paths)


def photons(image: NDArray[np.float32], *, at_most: float, rng: int) -> str:
    """Return the image as counted photons, one dot for each pixel that caught any."""
    counts = np.random.default_rng(rng).poisson(at_most * image + 0.03)
    paths = []
    for light, colour in enumerate(LIGHT):
        dots = "".join(
            f"M{x} {y}h0" for y, x in np.argwhere(counts.clip(0, len(LIGHT)) == light + 1)
        )
        paths.append(
            f'<path stroke="{colour}" stroke-width="{0.65 + 0.2 * light:.2f}" d="{dots}"/>'
        )
    return f'<g stroke-linecap="round">{"".join(paths)}</g>'


def svg(image: NDArray[np.float32], levels: list[float], *, at_most: float) -> str:
    """Return the logo: photons on the left, structure on the right, one fading into the other."""
    size = len(image) - 1
    half = size / 2
    square = f"M0 0h{size}v{size}H0z"
    left, right = image.copy(), image.copy()  # without what the fading hides anyway
    left[:, round(0.6 * size) :] = 0
    right[:, : round(0.3 * size)] = 0
    fades = "".join(
        f'<linearGradient id="{name}-fade" y2="0.25"><stop offset="0.4" stop-color="{start}"/>'
        f'<stop offset="0.6" stop-color="{stop}"/></linearGradient>'
        f'<mask id="{name}"><path fill="url(#{name}-fade)" d="{square}"/></mask>'
        for name, start, stop in [("left", "#fff", "#000"), ("right", "#000", "#fff")]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}">'
        f'<defs><clipPath id="field"><circle cx="{half}" cy="{half}" r="{half}"/></clipPath>'
        f'{fades}</defs><g clip-path="url(#field)"><path fill="{FIELD}" d="{square}"/>'
        f'<g mask="url(#left)">{photons(left, at_most=at_most, rng=0)}</g>'
        f'<g mask="url(#right)">{structure(right, levels)}</g></g>'
        f'<circle cx="{half}" cy="{half}" r="{half - size / 96}" fill="none" '
        f'stroke="{LIGHT[0]}" stroke-width="{size / 48:.2f}"/></svg>\n'
    )


def main() -> None:
    """Write the two files."""
    logo = clean_image(97, n=5, thickness_um=0.3, rng=16)
    icon = clean_image(41, n=3, thickness_um=0.3, rng=7)
    (STATIC / "logo.svg").write_text(svg(logo, [0.12, 0.26, 0.62], at_most=8))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 96, "height": 96})
        page.set_content(
            f"<style>body{{margin:0}}</style>{svg(icon, [0.15, 0.35, 0.65], at_most=6)}"
        )
        page.screenshot(path=STATIC / "favicon.png", omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()
