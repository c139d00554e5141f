"""What all readers share."""

import pickle

import toy_brains


class Counted(toy_brains.Toy):
    """Reads its table once."""
    from functools import cached_property

    @cached_property
    def table(self):
        return super().trials


def test_a_dataset_travels_without_its_tables(tmp_path):
    toy_brains.write(tmp_path)
    toy = Counted(tmp_path)
    assert len(toy.table) > 100 and "table" in vars(toy)
    copy = pickle.loads(pickle.dumps(toy))
    assert len(pickle.dumps(toy)) < 1000 and "table" not in vars(copy)
    assert copy.root == toy.root and copy.table.equals(toy.table)
