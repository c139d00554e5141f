"""Tables of the derivatives: one schema per table, held at writing and at reading; derivatives/README.md is made from them.

    conform(frame, "rsa_subject_model_alignment")       # columns in order, with their types; ValueError: missing or unknown ones
    read_table(path, columns=[...])                     # clear error: which script writes it
    concatenate(parts, path, record)                    # many tables into one file, a row group each, without holding all of them
"""

from pathlib import Path

from convergence.storage.outputs import save
from convergence.storage.schemas import TABLES


def conform(frame, table):
    """A copy of `frame` with exactly the columns of a table's schema, in their order and types."""
    columns = TABLES[table].columns
    required = [name for name, column in columns.items() if not column.optional]
    missing, unknown = [c for c in required if c not in frame], [c for c in frame if c not in columns]
    if missing or unknown:
        raise ValueError(f"table {table}: missing columns {missing}, unknown columns {unknown}; expected {list(columns)}")
    present = [name for name in columns if name in frame]
    return frame[present].astype({name: columns[name].dtype for name in present}).reset_index(drop=True)


def file_of(table, **options):
    """Path of a table below the derivatives: file_of("rsa_subject_model_alignment", dataset="nsd", hemispheres="joined")."""
    return Path(TABLES[table].file.format(**options))


def read_table(path, columns=None):
    """Read a .parquet or .csv table; a FileNotFoundError says which script writes it."""
    import pandas

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; {written_by(path)} writes it")
    if path.suffix == ".csv":
        return pandas.read_csv(path, usecols=columns)
    import pyarrow                                  # noqa: F401  missing: its own name in the error, not pandas' list of engines
    try:
        return pandas.read_parquet(path, columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}); delete it and run {written_by(path)} again") from error


def written_by(path):
    """The script that writes a table, found by the table's file name."""
    matching = [table for table in TABLES.values() if table.matches(path)]
    return max(matching, key=lambda table: table.n_literal).script if matching else "no script of this project"


def concatenate(parts, path, record):
    """Write the rows of many parquet files, in the given order, as one: a row group per part, one part in memory at a time."""
    def write(temporary):
        import pyarrow.parquet as pq

        schema = pq.read_schema(parts[0])
        with pq.ParquetWriter(temporary, schema) as writer:
            for part in parts:
                table = pq.read_table(part)
                if table.schema.names != schema.names:
                    raise ValueError(f"{part} has columns {table.schema.names}, {parts[0]} has {schema.names}; delete the older "
                                     "of them")
                writer.write_table(table.cast(schema))
    return save(write, path, record)


def readme():
    """The text of derivatives/README.md."""
    lines = ["# Derivatives", "", "Every table that the stages write, its columns, and the script that writes it. Made from",
             "`convergence/storage/schemas.py` by `python -m convergence describe-derivatives`; the files themselves are not",
             "committed. Beside every file stands `<file>.json`: inputs, hashes, options, seed, versions, device, times.",
             "Names and columns are those of the published derivatives, so that the authors' own files can be put here; columns",
             "marked (ours) are additional.", ""]
    for table in TABLES.values():
        lines += [f"## `{table.file}`", "", f"{table.description} Written by `{table.script}`.", "",
                  "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| {name} | {column.dtype} | {column.meaning} |" for name, column in table.columns.items()] + [""]
    return "\n".join(lines)
