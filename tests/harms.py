"""Damage to the bytes of a file, for tests of readers."""

HARMS = ("cut", "flip", "insert")


def harmed(content, harm, rng):
    """The bytes ended ("cut"), with a bit turned ("flip"), with bytes put in ("insert") or taken out ("remove"), at a random place."""
    at = int(rng.integers(len(content)))
    if harm == "cut":
        return content[:at]
    if harm == "remove":
        return content[:at] + content[at + int(rng.integers(1, 40)):]
    if harm == "flip":
        return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1:]
    return content[:at] + rng.bytes(int(rng.integers(1, 9))) + content[at:]
