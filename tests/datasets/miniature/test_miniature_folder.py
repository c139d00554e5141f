"""A miniature is written whole, or is not taken for whole; what is there is left alone."""

import pytest

from convergence.datasets.miniature import read_truth, write_miniature
from convergence.datasets.miniature.command import main
from convergence.datasets.miniature.folder import write_folder

OPTIONS = {"seed": 4, "without": []}


class Describe:
    """Counts how often it is asked; its second file can fail."""

    def __init__(self, fail=False):
        self.calls, self.fail = 0, fail

    def __call__(self, seed, without):
        self.calls += 1
        return {"rois": {}}, {"a/first.txt": lambda path: path.write_text(f"first {seed}"), "second.txt": self.second}

    def second(self, path):
        path.write_text("half")
        if self.fail:
            raise KeyboardInterrupt
        path.write_text("second")


def contents(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_written_once(tmp_path):
    describe = Describe()
    write_folder(tmp_path / "x", describe, OPTIONS)
    before = contents(tmp_path / "x")
    assert set(before) == {"truth.json", "truth.json.json", "a/first.txt", "second.txt"}
    assert read_truth(tmp_path / "x")["seed"] == 4
    write_folder(tmp_path / "x", describe, OPTIONS)
    assert describe.calls == 1 and contents(tmp_path / "x") == before


def test_an_interrupted_one_is_not_taken_for_whole(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path, Describe(fail=True), OPTIONS)
    assert set(contents(tmp_path)) == {"truth.json", "a/first.txt"}
    with pytest.raises(FileNotFoundError, match="half of a miniature"):
        read_truth(tmp_path)
    write_folder(tmp_path, Describe(), OPTIONS)
    assert (tmp_path / "second.txt").read_text() == "second" and read_truth(tmp_path)["seed"] == 4


@pytest.mark.parametrize("harm", ["delete", "edit"])
def test_a_harmed_file_is_written_again(tmp_path, harm):
    write_folder(tmp_path, Describe(), OPTIONS)
    harmed = tmp_path / "a" / "first.txt"
    harmed.unlink() if harm == "delete" else harmed.write_text("fIrst 4")
    describe = Describe()
    write_folder(tmp_path, describe, OPTIONS)
    assert describe.calls == 1 and harmed.read_text() == "first 4"


def test_redoing_interrupted_does_not_leave_the_old_claim(tmp_path):
    write_folder(tmp_path, Describe(), OPTIONS)
    (tmp_path / "second.txt").unlink()
    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path, Describe(fail=True), OPTIONS)
    with pytest.raises(FileNotFoundError, match="half of a miniature"):
        read_truth(tmp_path)


def test_another_seed_is_refused(tmp_path):
    write_folder(tmp_path / "x", Describe(), OPTIONS)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="x holds a miniature dataset made with seed 4, asked for is seed 5; give --out another"):
        write_folder(tmp_path / "x", Describe(), {**OPTIONS, "seed": 5})
    with pytest.raises(ValueError, match=r"made with without \[\], asked for is without \[\[2, 2\]\]"):
        write_folder(tmp_path / "x", Describe(), {**OPTIONS, "without": [[2, 2]]})
    assert contents(tmp_path) == before


def test_somebody_elses_folder_is_refused(tmp_path):
    (tmp_path / "nsd").mkdir()
    (tmp_path / "nsd" / "nsd_stimuli.hdf5").write_text("precious")
    with pytest.raises(ValueError, match="nsd is not empty and is no miniature dataset; give --out another folder"):
        write_miniature(tmp_path)
    assert set(contents(tmp_path)) == {"nsd/nsd_stimuli.hdf5"}


def test_arguments_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="datasets: bold cannot be made; choose from nsd, bold5000"):
        write_miniature(tmp_path, datasets=["nsd", "bold"])
    with pytest.raises(ValueError, match="seed: -1 is negative; use 0 or"):
        write_miniature(tmp_path, seed=-1)
    assert not contents(tmp_path)


def test_the_command_leaves_the_miniature_alone_and_refuses_another_seed(miniature, capsys):
    before = {path: path.stat().st_mtime_ns for path in (miniature / "nsd").rglob("*")}
    assert main(["--out", str(miniature)]) == 0
    assert {path: path.stat().st_mtime_ns for path in (miniature / "nsd").rglob("*")} == before
    assert main(["--out", str(miniature), "--seed", "1"]) == 1
    output = capsys.readouterr()
    assert f"miniature nsd: {miniature / 'nsd'}, seed 0" in output.out and "made with seed 0, asked for is seed 1" in output.err
