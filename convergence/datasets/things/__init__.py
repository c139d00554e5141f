"""THINGS-fMRI (Hebart et al. 2023): three people, 8,740 pictures of the THINGS database, single-trial responses in tables.

reader.py           the Dataset
files.py            where everything lies
index.py            categories, pictures, trials: the index tables, made
prepared.py         the same tables, read again and held against themselves
voxels.py           which voxel belongs to which parcel, left or right
responses_h5.py     the responses' HDF5 file, a block of voxels at a time
matrices.py         one matrix per parcel, trials x voxels
strict.py           CSV files, read so that damage is an error
checks.py           is the download complete and sound?
preparation.py      what the scripts of stage 1 call
"""

from convergence.datasets.things.reader import Things

__all__ = ["Things"]
