"""Batches of pictures that a model may fail at: the picture that is at fault is found, the others go on.

    results = attempt(call, items, BatchSize("auto"))       # per item what call(items) gives for it, or the Exception
    check_patience(errors, checkpoint)                      # a model that only fails is stopped
"""

from convergence.features.forward import out_of_memory

_PATIENCE = 25              # so many errors of the model, and nothing but errors, end the run


def attempt(call, items, size):
    """A list with the result of every item, or the Exception that it raises alone.

    Parameters
    ----------
    call : callable
        list of items -> list of results.
    items : list
    size : BatchSize
        Is told when memory runs out.

    Raises
    ------
    ValueError
        Memory does not suffice, and `size` is not "auto" or one item is too many.
    """
    if not items:
        return []
    try:
        return list(call(items))
    except Exception as error:                                  # reported by name at the end; the other pictures go on
        if out_of_memory(error):
            size.halve(len(items), error)
        elif len(items) == 1:
            return [error]
    half = (len(items) + 1) // 2                                # after the except block, which holds the failed batch
    return [*attempt(call, items[:half], size), *attempt(call, items[half:], size)]


def sentence(error):
    """What to say of an error: our own sentences as they are, others with their type."""
    said = " ".join(str(error).split())[:200]
    return said if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {said}"


def check_patience(errors, checkpoint):
    """A ValueError when the model has failed 25 times (records `errors`) and the checkpoint holds nothing but failures."""
    if len(errors) >= _PATIENCE and all(record["status"] == "failed" for record in checkpoint.records.values()):
        raise ValueError(f"the model failed with each of the first {len(errors)} pictures, the last time: "
                         f"{errors[-1]['reason']}; nothing more was asked")
