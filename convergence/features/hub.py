"""The Hugging Face hub: which weights came from it, and why a language network could not be had, with what to do about it.

    hub_revision("google/gemma-2-2b")                   # "google/gemma-2-2b@<commit>" of the weights in the hub's cache
    raise ValueError(cannot_load("google/gemma-2-2b", None, error)) from error
"""

import re
from pathlib import Path

# Published in their authors' own format: transformers finds no model in them, beside each lies one with the ending -hf.
_WITHOUT_MODEL = re.compile(r"meta-llama/Llama-2-\d+b(-chat)?")
_OTHERWISE = "or give a folder that holds it, as local_path in models.yml or after --models"


def hub_revision(repository):
    """<repository>@<commit> of what the hub's cache holds of <repository> or <repository>@<commit, branch or tag>."""
    from huggingface_hub import constants
    repository, _, wanted = repository.partition("@")
    reference = Path(constants.HF_HUB_CACHE, "models--" + repository.replace("/", "--"), "refs", wanted or "main")
    commit = reference.read_text().strip() if reference.exists() else wanted
    return f"{repository}@{commit}" if commit else repository


def cannot_load(name, folder, error):
    """What to tell a person whose network could not be loaded.

    Parameters
    ----------
    name : str
        As on the Hugging Face hub.
    folder : path or None
        Where it lies, if not on the hub.
    error : Exception
        What transformers or the hub said.

    Returns
    -------
    str
    """
    told = " ".join(f"{error} {error.__cause__ or ''}".split())
    reason, model = " ".join(str(error).split())[:300], f"model {name!r}"
    if re.search(r"sentencepiece|protobuf|tiktoken", told, re.IGNORECASE):
        # Without sentencepiece transformers goes on to tiktoken, and names only that.
        return (f"{model}: its tokenizer needs packages that are not installed: pip install sentencepiece protobuf tiktoken "
                f"({reason})")
    if isinstance(error, ImportError):
        return f"{model} needs a package that is not installed: {reason}"
    if folder is not None:
        return (f"{model}: {folder} cannot be loaded: {reason}; expected a folder that save_pretrained of a model and of its "
                "tokenizer wrote")
    if _WITHOUT_MODEL.fullmatch(name):
        return f"{model}: its repository holds no model of transformers; name {name}-hf instead ({reason})"
    if re.search(r"gated|\b401\b|\b403\b|restricted", told):
        return (f"{model} is gated: its authors want their terms accepted. Log in to huggingface.co, accept them on "
                f"huggingface.co/{name} (it can take a day until you are let in), make a token with read access, and run "
                f"`hf auth login` on this machine; {_OTHERWISE} ({reason})")
    if re.search(r"not a valid model identifier|404|Repository Not Found", told):
        return (f"unknown model {name!r}: the Hugging Face hub has none of that name; expected <organisation>/<model> as on "
                f"huggingface.co, minilm, {_OTHERWISE} ({reason})")
    if re.search(r"connect|offline|outgoing traffic|cached files|resolve", told, re.IGNORECASE):
        return (f"{model} is not on this machine, and the Hugging Face hub cannot be reached from it. Check the name "
                f"(<organisation>/<model>), connect to the internet and unset HF_HUB_OFFLINE; or run `hf download {name} "
                f"--local-dir DIR` where there is a connection, and give DIR as local_path in models.yml or "
                f"after --models ({reason})")
    return f"{model} cannot be loaded: {reason}; check the name, {_OTHERWISE}"
