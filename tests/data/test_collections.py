"""Collections are real where the files are, simulated where they are not, and say which."""

import math
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from skimage.measure import label

from aimicro import data
from aimicro.data import twins

ALL = (
    data.nuclei,
    data.denoising_pairs,
    data.bead,
    data.epidermis,
    data.bars,
    data.confocal_and_widefield,
)


@pytest.fixture
def real(shared_data, monkeypatch):
    monkeypatch.setenv("AIMICRO_DATA_DIR", str(shared_data))


@pytest.fixture
def without(monkeypatch):
    """Let no file be had."""

    def refused(name, **options):
        raise data.DataUnavailableError(name)

    monkeypatch.setattr("aimicro.data.collections.fetch", refused)


@pytest.mark.parametrize("load", ALL)
def test_real_images_tell_their_terms(load, real):
    found = load()
    assert not found.simulated
    text = str(found)
    for part in (found.about.title, found.about.licence, found.about.citation, found.about.caution):
        assert part in text
    assert found.about.citation in found.credit
    assert "twin" not in text
    assert "real" in repr(found)


@pytest.mark.parametrize("load", ALL)
def test_a_twin_says_that_it_is_one_and_looks_like_the_real_thing(load, without):
    found = load()
    assert found.simulated
    assert "simulated twin stands in" in str(found)
    assert found.about.title in str(found)
    assert found.credit == "Simulated twin."
    assert "simulated" in repr(found)


def test_the_twin_of_the_pairs_names_its_fields_and_has_means_of_50_frames(without):
    pairs = data.denoising_pairs()
    assert pairs.names == ("filaments 1", "filaments 2", "filaments 3")
    for frame, mean in zip(pairs.images, pairs.truth, strict=True):
        assert set(np.unique(frame - 3) % 5) == {0}  # photons of 5 counts
        photons = np.unique((mean - 3) * 50 / 5)  # of all 50 frames together
        assert np.allclose(photons, photons.round())


def test_twins_have_the_shapes_of_the_real_images(real, monkeypatch):
    for load in (data.nuclei, data.denoising_pairs):
        for image, truth in zip(load().images, load().truth, strict=True):
            assert image.shape == truth.shape
    shapes = data.nuclei(1).images[0].shape, data.denoising_pairs().images[0].shape
    assert shapes == (twins.nuclei(90)[0].shape, twins.denoising_pair(0)[0].shape)
    assert data.bead().images[0].shape[0] == len(twins.bead())
    cells, labels = twins.epidermis()
    assert (cells.shape[1], labels.shape) == (5, data.epidermis().labels.shape)
    assert data.epidermis().cells.shape == (4728, 5)
    real = data.bars()
    shapes = [part.shape for part in (real.image, real.truth, real.psf)]
    assert shapes == [part.shape for part in twins.bars()]
    nucleus = data.confocal_and_widefield()
    shapes = [nucleus.images[0].shape, nucleus.truth[0].shape]
    assert shapes == [part.shape for part in twins.confocal_and_widefield()]


def test_the_psf_of_the_bars_has_the_same_flaws_in_twin_and_file(real):
    for psf in (data.bars().psf, twins.bars()[2]):
        assert not math.isclose(psf.sum(), 1, rel_tol=0.1)
        z = psf.sum(axis=(1, 2)) @ np.arange(32) / psf.sum()
        assert 15.4 < z < 15.7
        assert np.unravel_index(psf.argmax(), psf.shape)[1:] == (32, 32)


def test_a_twin_can_be_crowded(without):
    sparse, crowded = data.nuclei(1), data.nuclei(1, crowded_twin=True)
    assert sparse.truth[0].max() < 100 < crowded.truth[0].max()


def test_crumbs_are_left_out_unless_they_are_asked_for(real):
    clean, all_pieces = data.nuclei(2), data.nuclei(2, min_pixels=0)
    for labels, pieces in zip(clean.truth, all_pieces.truth, strict=True):
        sizes, all_sizes = np.bincount(labels.ravel()), np.bincount(pieces.ravel())
        assert sizes.min() >= 25 > all_sizes.min()
        assert len(sizes) - 1 == (all_sizes[1:] >= 25).sum() == len(np.unique(labels)) - 1
        assert np.array_equal(pieces, label(pieces > 0)) or pieces.max() > label(pieces > 0).max()


def test_a_split_shares_out_every_image_once(without):
    cells = data.nuclei()
    train, choose, judge = cells.split(4, 2, 2)
    assert (len(train), len(choose), len(judge)) == (4, 2, 2)
    assert train.names + choose.names + judge.names == cells.names
    assert judge.truth[1] is cells.truth[7]
    assert judge.about is cells.about
    with pytest.raises(ValueError, match="Expected parts of 8 images together at most"):
        cells.split(4, 3, 2)
    with pytest.raises(ValueError, match="each size of 1 or more"):
        cells.split(4, 0)


def test_a_part_keeps_image_truth_and_name_together(without):
    cells = data.nuclei(4)
    part = cells[3, 1]
    assert part.names == (cells.names[3], cells.names[1])
    assert part.images[0] is cells.images[3]
    assert part.truth[1] is cells.truth[1]
    assert cells[:2].names == cells[[0, 1]].names
    assert data.bead()[:1].truth == ()
    with pytest.raises(TypeError, match="Take one image"):
        cells[0]
    with pytest.raises(FrozenInstanceError):
        cells.simulated = False


@pytest.mark.parametrize("n", [0, 9])
def test_there_are_eight_fields(n):
    with pytest.raises(ValueError, match="Expected n from 1 to 8"):
        data.nuclei(n)


def test_no_torch_is_imported():
    code = "import sys, aimicro.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
