"""Feature files: which row is which image, what is refused, and the table of networks that is read off them."""

import h5py
import numpy as np
import pytest

from convergence.features.models_table import models_info, write_models_info
from convergence.features.store import list_features, open_features, write_features
from convergence.storage.outputs import Record, read_sidecar, save

IDS = [9, 2, 31, 14, 5]
WIDTHS = [3, 7, 4]
NAMES = ["stem", "blocks.0", "blocks.1"]


def attributes(**changed):
    return {"dataset": "nsd", "id_name": "nsd_id", "model": "vit_toy", "modality": "vision", "family": "vit", "revision": "toy@1",
            "transform": "{}", "pool": "cls", "dtype": "float32", "seed": -1, "untrained": False, "num_parameters": 2**33,
            **changed}


def layers(n=len(IDS), seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, width)).astype(np.float32) for width in WIDTHS]


def write(path, values=None, ids=IDS, sizes=(2, 2, 1), **changed):
    values = layers() if values is None else values
    starts = np.cumsum([0, *sizes])
    batches = ([layer[a:b] for layer in values] for a, b in zip(starts, starts[1:]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_features(path, ids, batches, layer_names=NAMES, attributes=attributes(**changed))
    return path


def test_layers_of_different_width_come_back_by_image(tmp_path):
    values = layers()
    with open_features(write(tmp_path / "a.h5", values), "nsd") as file:
        assert file.n_layers == 3 and file.layer_names == NAMES and file.ids.tolist() == IDS and file.dims() == WIDTHS
        assert file.attributes == attributes()
        assert isinstance(file.attributes["untrained"], bool) and isinstance(file.attributes["num_parameters"], int)
        for index, value in enumerate(values):
            np.testing.assert_array_equal(file.layer(index), value)
            assert file.layer(index).dtype == np.float32
            np.testing.assert_array_equal(file.layer(index, [31, 9, 5, 31, 2]), value[[2, 0, 4, 2, 1]])      # unsorted, repeated
            np.testing.assert_array_equal(file.layer(index, np.array([14, 31])), value[[3, 2]])      # neighbours, turned round
            assert file.layer(index, []).shape == (0, WIDTHS[index])


def test_only_the_rows_asked_for_are_read(tmp_path, monkeypatch):
    asked = []
    read = h5py.Dataset.__getitem__
    path = write(tmp_path / "a.h5")
    with open_features(path) as file:
        monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, key, **more: asked.append(key) or read(self, key, **more))
        file.layer(1, [5, 9, 5])
        file.layer(1, [14, 31, 31])
    assert [key.tolist() if isinstance(key, np.ndarray) else key for key in asked] == [[0, 4], slice(2, 4)]


def test_what_is_not_there_is_named(tmp_path):
    with open_features(write(tmp_path / "a.h5")) as file:
        with pytest.raises(ValueError, match=r"a\.h5: 2 of the images asked for are not in it: nsd_id 7, 1000; it holds 5 images "
                                             r"of nsd, 2 to 31"):
            file.layer(0, [9, 1000, 7, 7])
        with pytest.raises(ValueError, match=r"layer 3 does not exist; it has 3: 0 \(stem\) to 2 \(blocks\.1\)"):
            file.layer(3)
        with pytest.raises(ValueError, match="layer -1 does not exist"):
            file.layer(-1)


def test_features_of_another_dataset_are_refused(tmp_path):
    path = write(tmp_path / "a.h5", dataset="things", id_name="things_id")
    with pytest.raises(ValueError, match=r"holds features of the dataset 'things' \(5 images, numbered by things_id\), not of "
                                         r"'nsd'; extract vit_toy"):
        open_features(path, "nsd")
    open_features(path, "things").close()
    h5py.File(path, "r+").close()                               # the refused file was closed


def test_unreadable_files_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.h5 is not there; 2_model_extraction/1_extract_vision_features\.py"):
        open_features(tmp_path / "no.h5")
    path = write(tmp_path / "cut.h5")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"cut\.h5 is not a readable HDF5 file .* delete it and run"):
        open_features(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["ids"] = [1]
    with pytest.raises(ValueError, match=r"other\.h5 is not a feature file: layer_names, dataset, .*, layers missing"):
        open_features(tmp_path / "other.h5")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_activations_that_are_not_finite_leave_no_file(tmp_path, bad):
    values = layers()
    values[1][3, 6] = bad
    with pytest.raises(ValueError, match=r"layer 1 \(blocks\.0\): the activations of row 3, nsd_id 14, are NaN or infinite; "
                                         r"vit_toy was stopped"):
        save(lambda path: write(path, values), tmp_path / "a.h5", Record("test"))
    assert list(tmp_path.iterdir()) == []


def test_rows_and_images_must_agree(tmp_path):
    with pytest.raises(ValueError, match="the batches held 4 rows for 5 images"):
        write(tmp_path / "a.h5", sizes=(2, 2))
    with pytest.raises(ValueError, match=r"layer 0 \(stem\): more rows than the 4 images"):
        write(tmp_path / "a.h5", ids=IDS[:4])
    with pytest.raises(ValueError, match="1 images occur twice"):
        write(tmp_path / "a.h5", ids=[9, 2, 31, 2, 5])
    with pytest.raises(ValueError, match=r"attributes: expected .* found .*'colour'"):
        write(tmp_path / "a.h5", colour="red")


def test_the_same_activations_make_the_same_bytes(tmp_path):
    first, second = write(tmp_path / "a.h5"), write(tmp_path / "b.h5", sizes=(1, 3, 1))
    assert first.read_bytes() == second.read_bytes()


def test_list_features_finds_finished_files_only(tmp_path):
    trained = [write(tmp_path / "nsd" / "all" / name) for name in ("a.h5", "b.h5")]
    untrained = write(tmp_path / "nsd" / "all-untrained" / "a-untrained-seed0.h5", untrained=True, seed=0)
    write(tmp_path / "nsd" / "all" / ".a.h5.host-1.partial.h5")
    write(tmp_path / "things" / "all" / "a.h5", dataset="things")
    assert list_features(tmp_path, "nsd") == [*trained, untrained]
    assert list_features(tmp_path, "nsd", untrained=False) == trained
    assert list_features(tmp_path, "nsd", untrained=True) == [untrained]
    assert list_features(tmp_path, "bold5000") == []


def test_a_part_of_a_dataset_has_the_features_of_the_whole(tmp_path):
    """bold5000-coco numbers images as bold5000 does; what it has itself comes first, and the whole never takes a part's."""
    whole = [write(tmp_path / f"bold5000/all/{name}.h5", dataset="bold5000", id_name="bold_position") for name in ("a", "c")]
    own = [write(tmp_path / f"bold5000-coco/all/{name}.h5", ids=IDS[:3], values=layers(3), sizes=(3,), dataset="bold5000-coco",
                 id_name="bold_position") for name in ("b", "c")]
    assert list_features(tmp_path, "bold5000-coco") == [whole[0], *own]
    assert list_features(tmp_path, "bold5000-scenes") == list_features(tmp_path, "bold5000") == whole
    with open_features(whole[0], "bold5000-coco") as file:
        assert file.layer(1, [31, 5]).tolist() == layers()[1][[2, 4]].tolist()
    with pytest.raises(ValueError, match="c.h5 holds features of the dataset 'bold5000-coco' .*, not of 'bold5000'"):
        open_features(own[1], "bold5000")


def test_models_info_is_read_from_the_files_and_never_from_their_names(tmp_path):
    write(tmp_path / "nsd" / "all" / "vit_like_name.h5", modality="language", family="bert", model="org/bert")
    write(tmp_path / "nsd" / "all-untrained" / "b-untrained-seed4.h5", untrained=True, seed=4)
    write(tmp_path / "things" / "all" / "vit_like_name.h5", dataset="things", modality="language", family="bert",
          model="org/bert")
    table = models_info(list_features(tmp_path))
    assert table["model_name"].tolist() == ["vit_like_name", "b-untrained-seed4"]             # one network, two datasets: one row
    assert table["modality"].tolist() == ["language", "vision"] and table["model"].tolist() == ["org/bert", "vit_toy"]
    assert table["num_layers"].tolist() == [3, 3] and table["inner_dim"].tolist() == [7, 7]
    assert table["num_parameters"].tolist() == [2**33, 2**33] and table["layer_names"][0] == "stem;blocks.0;blocks.1"
    assert table["untrained"].tolist() == [False, True] and table["seed"].tolist() == [-1, 4]


def test_another_datasets_features_do_not_change_the_order_of_models_info(tmp_path):
    """p-values read the table: it must stay the same file when the same networks meet another dataset."""
    write(tmp_path / "nsd" / "all" / "b.h5", model="b")
    write(tmp_path / "nsd" / "all" / "c.h5", model="c")
    before = models_info(list_features(tmp_path))
    write(tmp_path / "bold5000" / "all" / "c.h5", dataset="bold5000", model="c")
    assert models_info(list_features(tmp_path)).equals(before)


def test_models_info_is_written_once_and_again_when_a_file_is_added(tmp_path):
    features, derivatives = tmp_path / "features", tmp_path / "derivatives"
    assert write_models_info(features, derivatives) is None
    write(features / "nsd" / "all" / "a.h5")
    path = write_models_info(features, derivatives)
    assert path == derivatives / "metadata" / "models-info.csv"
    before = path.stat().st_mtime_ns
    write_models_info(features, derivatives)
    assert path.stat().st_mtime_ns == before
    write(features / "nsd" / "all" / "b.h5")
    write_models_info(features, derivatives)
    assert len(path.read_text().splitlines()) == 3 and sorted(read_sidecar(path)["inputs"]) == ["nsd/all/a.h5", "nsd/all/b.h5"]


def test_one_name_for_two_networks_is_refused(tmp_path):
    write(tmp_path / "nsd" / "all" / "a.h5")
    write(tmp_path / "things" / "all" / "a.h5", dataset="things", num_parameters=5)
    with pytest.raises(ValueError, match=r"nsd/all/a\.h5 and .*things/all/a\.h5 have one name and hold different networks; "
                                         r"extract the older again"):
        models_info(list_features(tmp_path))
