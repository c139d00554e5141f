"""The Natural Scenes Dataset (Allen et al. 2022): eight people, 73,000 pictures from COCO, up to 30,000 trials each.

reader.py         the Dataset "nsd"
files.py          where its files lie
index.py          tables of pictures, trials and ROI volumes
volumes.py        NIfTI volumes, read one at a time from the gzip stream; labels of both hemispheres in one volume
betas.py          one response matrix per parcel, gathered while a session streams by
check.py          what is missing or wrong in a download
"""

from convergence.datasets.nsd.reader import NSD

__all__ = ["NSD"]
