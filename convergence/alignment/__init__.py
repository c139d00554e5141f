"""Stages 3 and 4: the units of work that turn RDMs into tables, importable by a worker on another machine."""
