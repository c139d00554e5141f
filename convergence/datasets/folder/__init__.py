"""Your own data: a folder of plain files that every stage accepts.

reader.py         reads it, and states the layout
template.py       writes one to start from
preparation.py    checks it
"""

from convergence.datasets.folder.reader import Folder

__all__ = ["Folder"]
