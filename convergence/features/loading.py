"""Models that look at pictures, from the Hugging Face hub or a folder: why one could not be loaded, with what to do about it.

    processor, model = load(source, "AutoImageProcessor", "AutoModelForObjectDetection", revision=revision, dtype=torch.float32)
"""

from pathlib import Path

LOAD_ERRORS = (OSError, ValueError, KeyError, ImportError, RuntimeError)


def load(source, processor, model, *, revision=None, dtype=None):
    """The processor and the model of a hub id, or of a folder that save_pretrained of both wrote; names of transformers' classes.

    Raises
    ------
    ValueError
        They cannot be loaded (unknown, offline, gated), or weights are missing.
    """
    import transformers

    try:
        prepared = getattr(transformers, processor).from_pretrained(source, revision=revision)
        loaded, loading = getattr(transformers, model).from_pretrained(source, revision=revision, dtype=dtype,
                                                                       output_loading_info=True)
    except LOAD_ERRORS as error:
        raise ValueError(cannot_load(source, error)) from error
    _refuse_random_weights(source, loading)
    return prepared, loaded


def cannot_load(source, error):
    """What to tell a person whose model could not be loaded; `source`: hub id or folder."""
    reason = " ".join(str(error).split())[:300]
    if Path(source).is_dir():
        return (f"model {source!r} cannot be loaded: {reason}; expected a folder that save_pretrained of a model and of its "
                "processor wrote")
    if "gated" in f"{error} {error.__cause__}":
        return (f"model {source!r} is gated: accept its terms on huggingface.co/{source}, then log in with `hf auth login` "
                f"({reason})")
    return (f"unknown model {source!r}, or no connection to the Hugging Face hub: check the name (<organisation>/<model>) and "
            f"--revision, connect to the internet, or give a folder that holds it with --model ({reason})")


def _refuse_random_weights(source, loading):
    """A ValueError where weights were not in the files, and so are random; `loading`: output_loading_info of transformers."""
    lacking = sorted(name for name in loading["missing_keys"] if not name.endswith("num_batches_tracked"))      # a counter
    if lacking:
        raise ValueError(f"model {source!r}: its weights lack {len(lacking)} tensors, which would be random: "
                         f"{', '.join(lacking[:3])}; download it again")
