"""BOLD5000, release 2 (Chang et al. 2019): four people, 4,916 pictures from COCO, ImageNet and scenes.

reader.py         the Dataset "bold5000", and one for each source: "bold5000-coco", "bold5000-imagenet", "bold5000-scenes"
files.py          where its files lie, and under which spellings
index.py          tables of trials and pictures, from lists that must agree with each other and with the betas
volumes.py        NIfTI files, read to their checksum
atlas_check.py    the parcels in a subject's space: an input, refused unless grid, labels and left/right are right
betas.py          one response matrix per parcel, read as a stream
check.py          what is missing or wrong in a download
preparation.py    what the scripts of 1_dataset_preparation call
"""

from convergence.datasets.bold5000.reader import Bold5000, Bold5000Coco, Bold5000ImageNet, Bold5000Scenes

__all__ = ["Bold5000", "Bold5000Coco", "Bold5000ImageNet", "Bold5000Scenes"]
