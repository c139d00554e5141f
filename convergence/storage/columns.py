"""What a schema is made of: Column, Table, and the columns that many tables share."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Column:
    dtype: str
    meaning: str
    optional: bool = False


@dataclass(frozen=True)
class Table:
    file: str                   # below derivatives/, with {placeholders}
    script: str
    description: str
    columns: dict

    def matches(self, path):
        """Whether `path` (absolute, or below derivatives/) is a file of this table."""
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(self.file).replace(r"\{more\}", "[^/]*"))      # `more` may be ""
        return re.search(f"(^|/){pattern}$", Path(path).as_posix()) is not None

    @property
    def n_literal(self):
        """Letters of the file's name that are no placeholders: of two tables that match a path, the one with more is meant."""
        return len(re.sub(r"\{\w+\}", "", self.file))


IMAGE = Column("int64", "image number: nsd_id, bold_position, things_id, ...")
SUBJECT = Column("uint8", "subject number of the dataset, from 1")
ROI = Column("uint16", "number of the parcel in the atlas; where hemispheres are joined, the smaller of the two (HCP-MMP1: the "
                       "left one)")
JOINED = Column("bool", "true: left and right voxels of a parcel together")
R = Column("float32", "RSA: Pearson r of two condensed RDMs; empty where the parcel cannot be computed")
REASON = Column("str", "(ours) why similarity is empty; '' where it is not", optional=True)
N_PAIRS = Column("uint32", "(ours) pairs of trials that the similarity is of", optional=True)
LAYER = Column("uint16", "layer of the model, from 0")
MODEL = Column("category", "stem of the feature file")
P_VALUES = {
    "observed": Column("float64", "the statistic"),
    "null_mean": Column("float64", "its mean under relabelling of the images"),
    "null_std": Column("float64", "its standard deviation under relabelling of the images"),
    "pvalue": Column("float64", "two-sided, uncorrected"),
    "pvalue_fdr_bh": Column("float64", "Benjamini-Hochberg, within the comparison")}
