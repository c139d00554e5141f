"""Which networks to extract: names, or entries of models.yml that say more than a name.

    vision:
      - efficientnet_lite0
      - name: vit_base_patch16_224.mae
        revision: 0123456789abcdef              # of its repository on the hub
        local_path: weights/vit.safetensors     # weights here instead of the hub's; relative to models.yml
        pretrained: true                        # false: random weights, as with --untrained
        kwargs: {img_size: 448}                 # handed to timm.create_model, torchvision, or the adapter
    language:
      - name: google/gemma-2-2b
        local_path: /data/gemma-2-2b            # the folder with config, tokenizer and weights
        kwargs: {num_hidden_layers: 4}          # in the place of what the network's configuration says
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A network to extract."""
    name: str
    revision: str | None = None
    local_path: str | None = None
    pretrained: bool = True
    kwargs: dict = field(default_factory=dict)


_KINDS = {"name": str, "revision": str, "local_path": str, "pretrained": bool, "kwargs": dict}


def entry_of(model, where="models"):
    """An Entry from a name, a mapping with the keys of an Entry, or an Entry.

    Raises
    ------
    ValueError
        Something else; unknown keys; a key of another type.
    """
    if isinstance(model, Entry):
        return model
    if isinstance(model, str):
        return Entry(model)
    known = [f.name for f in fields(Entry)]
    if not isinstance(model, dict) or "name" not in model or set(model) - set(known):
        raise ValueError(f"{where}: expected the name of a network, or a mapping with name and perhaps {', '.join(known[1:])}; "
                         f"found {model!r}")
    wrong = [f"{key}: {value!r} is no {_KINDS[key].__name__}" for key, value in model.items()
             if not isinstance(value, _KINDS[key])]
    if wrong:
        raise ValueError(f"{where}: {model['name']}: {'; '.join(wrong)}")
    return Entry(**model)


def read_models(path, modality, only=None):
    """The entries under "vision" or "language" in a YAML file.

    Parameters
    ----------
    path : path
    modality : {"vision", "language"}
    only : list of str, optional
        Names: their entries where the file has such, else just the names.

    Returns
    -------
    list of Entry

    Raises
    ------
    ValueError
        The file has another structure.
    """
    import yaml

    path = Path(path)
    listed = yaml.safe_load(path.read_text())
    models = listed.get(modality) if isinstance(listed, dict) else None
    if not isinstance(models, list) or not models:
        raise ValueError(f"{path}: expected a list of model names under {modality!r}, found {models!r}")
    entries = [_beside(entry_of(model, path), path.parent) for model in models]
    if only is None:
        return entries
    known = {entry.name: entry for entry in entries}
    return [known.get(name, Entry(name)) for name in only]


def _beside(entry, folder):
    if entry.local_path is None:
        return entry
    return replace(entry, local_path=str(folder / Path(entry.local_path).expanduser()))
