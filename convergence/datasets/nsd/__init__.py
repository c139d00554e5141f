"""The Natural Scenes Dataset (Allen et al. 2022): eight people, 73,000 pictures from COCO, up to 30,000 trials each.

reader.py         the Dataset "nsd"
files.py          where its files lie; Source: which betas, on which grid, cut by which ROI volume
parcels.py        which parcels the labels of a ROI volume are
index.py          tables of pictures, trials and ROI volumes
volumes.py        betas from .nii.gz or .hdf5, all the same to who reads them; labels of both hemispheres in one volume
hdf5.py           betas as .hdf5: axes told by their sizes, only the chunks with wanted voxels
pictures.py       nsd_stimuli.hdf5
selection.py      which voxels are kept: alive, with a least ratio of signal to noise
betas.py          one response matrix per parcel, gathered while a session streams by
extraction.py     the units of work that make a subject's set of matrices
check.py          what is missing or wrong in a download
download.py       commands for what is missing, time and disk
preparation.py    what the scripts of 1_dataset_preparation call
"""

from convergence.datasets.nsd.reader import NSD

__all__ = ["NSD"]
