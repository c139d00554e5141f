"""The 92 real images: known answers, with the packaged numbers and with the published files."""

import numpy as np
import pytest

from convergence import open_dataset
from convergence.datasets.images92 import BRAINS, SUPPLEMENT, Images92


@pytest.fixture(params=["packaged", "published"])
def images92(request):
    if request.param == "packaged":
        return Images92()
    return Images92.open(request.getfixturevalue("images92_root"))


def test_sizes_come_from_the_files(images92):
    assert images92.subjects == [1, 2, 3, 4] and images92.people == ["BE", "KO", "SN", "TI"]
    assert len(images92.images) == 92 and len(images92.trials) == 4 * 2 * 92
    assert images92.images[["human", "face", "animal", "natural"]].sum().tolist() == [24, 24, 48, 71]
    assert images92.images.loc[20, "category"] == "human face"


def test_human_and_monkey_agree_as_published(images92):
    human = images92.human_rdms.mean((0, 1))
    assert np.corrcoef(human, images92.monkey_rdm)[0, 1] == pytest.approx(0.491, abs=0.001)


def test_sessions_of_a_person_agree_as_known(images92):
    between = [np.corrcoef(images92.rdm(s, session=1), images92.rdm(s, session=2))[0, 1] for s in images92.subjects]
    assert between == pytest.approx([0.29, 0.10, 0.40, 0.12], abs=0.005)
    assert images92.rdm(3) == pytest.approx((images92.rdm(3, session=1) + images92.rdm(3, session=2)) / 2)


def test_packaged_and_published_numbers_are_the_same(images92_root):
    packaged, published = Images92(), Images92(images92_root)
    assert np.array_equal(packaged.human_rdms, published.human_rdms) and np.array_equal(packaged.monkey_rdm, published.monkey_rdm)
    assert packaged.images.equals(published.images)


def test_pictures_need_the_folder(images92_root):
    assert Images92(images92_root).image(91).size == (175, 175)
    with pytest.raises(FileNotFoundError, match="the pictures do not come with the package; .* --root or IMAGES92_DATASET"):
        Images92().image(0)
    with pytest.raises(ValueError, match="image: 92 is not in dataset 'images92', which has images 0 to 91"):
        Images92(images92_root).image(92)


def test_wrong_subjects_and_sessions_are_named(images92):
    with pytest.raises(ValueError, match="subject: 5 is not in dataset 'images92', which has subjects 1 to 4"):
        images92.rdm(5)
    with pytest.raises(ValueError, match="session: 0 .* sessions 1 to 2"):
        images92.rdm(1, session=0)
    with pytest.raises(ValueError, match="publishes RDMs, not responses; use rdm"):
        images92.responses(1, 1)


def test_the_packaged_file_is_small(checkout):
    folder = checkout / "convergence" / "datasets" / "assets" / "images92"
    assert sum(p.stat().st_size for p in folder.iterdir()) < 600_000


def test_damaged_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{BRAINS} is missing; expected {BRAINS} and {SUPPLEMENT} in one folder"):
        open_dataset("images92", tmp_path).rdm(1)
    (tmp_path / BRAINS).write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(ValueError, match=f"{BRAINS} is not a readable MATLAB file"):
        open_dataset("images92", tmp_path).rdm(1)


def test_unknown_datasets_are_named():
    with pytest.raises(ValueError, match="dataset: 'image92' is unknown, did you mean 'images92'?"):
        open_dataset("image92")
