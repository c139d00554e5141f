"""The mathematics: arrays in, arrays out. No file is opened here, and nothing here knows a dataset."""
