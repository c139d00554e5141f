"""The published feature files: loaded without running what is in them, with a warning that says what is assumed."""

import numpy as np
import pytest
import torch

from convergence.features.models_table import models_info
from convergence.features.store import list_features, open_features

NAME = "vit_base_patch16_224.mae_pool-cls"


def published(path, n=6, dtype=torch.float32, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    features = torch.arange(n * 3 * 4, dtype=torch.float32).reshape(n, 3, 4).to(dtype)
    torch.save({"feats": features, "num_params": 85_798_656, **more}, path)
    return path, features.float().numpy()


def test_rows_are_images_and_a_warning_says_so(tmp_path):
    path, features = published(tmp_path / "nsd" / "all" / f"{NAME}.pt")
    with pytest.warns(UserWarning, match=r"mae_pool-cls\.pt does not say which image a row is: "
                                         r"row k is taken for image k of the dataset 'nsd' \(6 rows\)"):
        file = open_features(path, "nsd")
    with file:
        assert file.n_layers == 3 and file.ids.tolist() == list(range(6)) and file.dims() == [4, 4, 4]
        np.testing.assert_array_equal(file.layer(1, [5, 0, 5, 2]), features[[5, 0, 5, 2], 1])
        assert file.layer(2).dtype == np.float32 and file.layer(2, []).shape == (0, 4)
        known = file.attributes
        with pytest.raises(ValueError, match="1 of the images asked for are not in it: row 6; it holds 6 images of nsd, 0 to 5"):
            file.layer(0, [6])
    assert (known["model"], known["modality"], known["pool"]) == ("vit_base_patch16_224.mae", "vision", "cls")
    assert (known["untrained"], known["seed"]) == (False, -1)
    assert known["num_parameters"] == 85_798_656 and known["family"] == "vit"


def test_language_files_in_half_precision(tmp_path):
    path, features = published(tmp_path / "nsd" / "all-untrained" / "bigscience_bloomz-560m_pool-avg_prompt-coco-untrained.pt",
                               dtype=torch.bfloat16,
                               loss=torch.tensor(3.2), mask=torch.ones(6, 9))
    with pytest.warns(UserWarning), open_features(path) as file:
        assert file.stored == ["bfloat16"] * 3 and file.attributes["dataset"] == "nsd"
        assert (file.attributes["modality"], file.attributes["untrained"], file.attributes["seed"]) == ("language", True, 0)
        np.testing.assert_array_equal(file.layer(2, [4, 3]), features[[4, 3], 2])


def test_an_h5_file_of_the_same_name_wins_and_the_table_names_both_kinds(tmp_path):
    path, _ = published(tmp_path / "nsd" / "all" / f"{NAME}.pt")
    assert list_features(tmp_path, "nsd") == [path]
    with pytest.warns(UserWarning):
        row = models_info([path]).iloc[0]
    assert (row["model_name"], row["num_layers"], row["inner_dim"], row["modality"]) == (NAME, 3, 4, "vision")
    ours = path.with_suffix(".h5")
    ours.touch()
    assert list_features(tmp_path, "nsd") == [ours]


class Harmful:
    def __reduce__(self):
        return print, ("code in a feature file was run",)


def test_what_is_no_feature_file_is_refused_and_no_code_is_run(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"no\.pt is not there"):
        open_features(tmp_path / "no.pt")
    torch.save({"feats": torch.zeros(2, 3, 4), "num_params": Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(ValueError, match=r"harmful\.pt cannot be read as a published feature file: "):
        open_features(tmp_path / "harmful.pt")
    assert "was run" not in capsys.readouterr().out
    (tmp_path / "cut.pt").write_bytes((tmp_path / "harmful.pt").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cut\.pt cannot be read as a published feature file: .*expected a dictionary of "
                                         r"tensors"):
        open_features(tmp_path / "cut.pt")
    torch.save({"features": torch.zeros(2, 3)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt is not a published feature file: expected the keys feats .* and "
                                         r"num_params, found features"):
        open_features(tmp_path / "other.pt")
