"""What a captioning model is asked, and which answers are legal.

    PROMPTS["motion"].settle(" Motion. ")           ("ok", "motion", "")
    PROMPTS["motion"].settle("perhaps")             ("illegal", "", "it answered 'perhaps', not one of motion, static")

Four questions as published (arXiv 2507.13941), in words of our own; `Prompt` makes further ones.
"""

from dataclasses import dataclass

_DECORATION = " \t\r\n.,;:!?\"'`*_()[]<>"


@dataclass(frozen=True)
class Prompt:
    """A question about a picture.

    Attributes
    ----------
    name : str
        Stands in the table's column `prompt` and in the names of files.
    text : str
        What the model is asked.
    labels : tuple of str
        The legal answers; none: free text.
    max_tokens : int
        Longer answers are not finished, and so illegal.
    """
    name: str
    text: str
    labels: tuple = ()
    max_tokens: int = 128

    def settle(self, answer, finished=True):
        """(status, caption, reason) of an answer.

        A label counts whatever its case, its surrounding punctuation, and spaces for hyphens; a sentence that contains one does
        not ("not static" contains "static"). Free text becomes one line.
        """
        line = " ".join(str(answer).split())
        if not line:
            return "failed", "", "it answered nothing"
        if self.labels:
            known = {_plain(label): label for label in self.labels}
            if _plain(line) in known:
                return "ok", known[_plain(line)], ""
            return "illegal", "", f"it answered {_short(line)!r}, not one of {', '.join(self.labels)}"
        if not finished:
            return "illegal", "", f"its answer did not end within {self.max_tokens} tokens: {_short(line)!r}"
        return "ok", line, ""

    def reminder(self):
        """What the model is told after an illegal answer."""
        if self.labels:
            return ("That is not one of the possible answers. Reply with exactly one of these and nothing else: "
                    f"{', '.join(self.labels)}.")
        return "That was too long. Reply with one short sentence."


PROMPTS = {prompt.name: prompt for prompt in (
    Prompt("caption", "Describe this photograph in one plain English sentence: who or what is in it, what happens, and where. "
                      "Reply with the sentence alone."),
    Prompt("motion", "Is someone or something in this photograph moving, or caught in the middle of a movement? Reply with one "
                     "word: motion if so, static if everything is at rest.", ("motion", "static"), 16),
    Prompt("indoor", "In what kind of place was this photograph taken? Reply with one word: indoor (inside a building or a "
                     "vehicle), natural (in the open, where nature prevails), urban (in the open, among buildings or streets), "
                     "or object (a thing fills the picture and no place can be told).",
           ("indoor", "natural", "urban", "object"), 16),
    Prompt("scene", "What is this photograph mostly of? Reply with exactly one of: Scene-dominated (the place itself is "
                    "the subject), Object-in-Scene (things or beings stand out, and the place around them is plain to see), "
                    "Object-dominated (a thing or a being fills the picture, little of the place is seen).",
           ("Scene-dominated", "Object-in-Scene", "Object-dominated"), 16))}

# Columns of the table of contents, by which pictures are divided.
CONTENT = {"motion": "motion", "indoor": "setting", "scene": "dominance"}


def _plain(text):
    return text.strip(_DECORATION).casefold().replace(" ", "-").replace("_", "-")


def _short(text):
    return text if len(text) <= 60 else text[:57] + "..."
