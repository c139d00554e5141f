"""Read the table of another atlas than the packaged one, and refuse what is none, naming the rows. atlas.py states the columns.

    read_atlas(Path("mine.csv"))        DataFrame with all columns of metadata/hcp.csv; what the file lacks is filled in
"""

import colorsys

ALIASES = {"label": "roi", "region": "area", "color": "area_color", "order": "roi_order"}
HEMISPHERES = {"lh": ("lh", "l", "left"), "rh": ("rh", "r", "right"), "both": ("both", "")}
_SIDES = {"lh": ("L_", "_ROI-lh", "Left "), "rh": ("R_", "_ROI-rh", "Right "), "both": ("", "", "")}
_LARGEST_ROI, _MOST_REGIONS = 2**16 - 1, 2**8               # what the tables' number types hold
_GOLDEN = 0.618                                             # of a turn between the hues of regions without a colour


def read_atlas(file):
    """A table of parcels, in the order of its rows.

    Parameters
    ----------
    file : Path
        .csv (commas) or .tsv, .txt (tabs).

    Returns
    -------
    DataFrame
        See `atlas.load_atlas`.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not a table, columns missing, given twice or of another kind, parcels given twice, an unknown hemisphere.
    """
    table = _read(file)
    table["roi"] = _numbers(table, "roi", file, low=1, high=_LARGEST_ROI)
    table["hemisphere"] = _hemispheres(table, file)
    if (table["name"] == "").any():
        raise ValueError(f"{file}: parcels {_listed(table.loc[table['name'] == '', 'roi'])} have no name")
    _refuse_repeated(table, file)
    return _fill_in(table, file)


def _read(file):
    import pandas

    separators = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
    if file.suffix not in separators:
        raise ValueError(f"atlas: {file} is no table; give a .csv (commas) or a .tsv (tabs) with the columns roi and name; "
                         "surface labels lie beside it, as <stem>.L.label.gii and <stem>.R.label.gii")
    if not file.exists():
        raise FileNotFoundError(f"atlas: {file} is not there")
    try:
        table = pandas.read_csv(file, sep=separators[file.suffix], dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"atlas: {file} cannot be read as a table ({error})") from error
    table.columns = [str(column).strip() for column in table.columns]
    table = table.apply(lambda column: column.str.strip())
    twice = [f"{alias} and {name}" for alias, name in ALIASES.items() if alias in table and name in table]
    if twice:
        raise ValueError(f"{file}: the columns {_listed(twice)} mean the same; leave one of them out")
    found, table = list(table.columns), table.rename(columns=ALIASES)
    missing = [column for column in ("roi", "name") if column not in table]
    if missing or table.empty:
        wrong = f"columns missing: {_listed(missing)}" if missing else "there are no parcels"
        raise ValueError(f"{file}: {wrong}; found {found}, expected roi (or label) and name, and if you like "
                         "hemisphere, region, hub, color, order")
    return table


def _numbers(table, column, file, low, high):
    import pandas

    numbers = pandas.to_numeric(table[column], errors="coerce")
    wrong = table.loc[~(numbers.between(low, high) & (numbers % 1 == 0)), column]
    if len(wrong):
        raise ValueError(f"{file}: column {column} must hold whole numbers from {low} to {high}; "
                         f"found {_listed(map(repr, wrong))}")
    return numbers.astype(int)


def _hemispheres(table, file):
    if "hemisphere" not in table:
        return "both"
    known = {spelling: side for side, spellings in HEMISPHERES.items() for spelling in spellings}
    sides = table["hemisphere"].str.lower().map(known)
    unknown = sorted(set(table.loc[sides.isna(), "hemisphere"]))
    if unknown:
        raise ValueError(f"{file}: unknown hemisphere {_listed(map(repr, unknown))} of parcels "
                         f"{_listed(table.loc[sides.isna(), 'roi'])}; write lh, rh, or leave it empty for a parcel in both")
    return sides


def _refuse_repeated(table, file):
    again = sorted(set(table.loc[table["roi"].duplicated(), "roi"]))
    if again:
        raise ValueError(f"{file}: parcel numbers that stand there twice: {_listed(again)}; every row needs a number of its own, "
                         "also left and right")
    again = table[table.duplicated(["name", "hemisphere"])]
    if len(again):
        named = [f"{name} ({side})" for name, side in zip(again["name"], again["hemisphere"])]
        raise ValueError(f"{file}: names that stand there twice in a hemisphere: {_listed(named)}; parcels of one name are left "
                         "and right of each other, so that a name may occur once in lh and once in rh (column hemisphere)")


def _fill_in(table, file):
    """All columns of metadata/hcp.csv, from those that are there."""
    first = table.drop_duplicates("name")["name"].tolist()
    prefix, suffix, side = (table["hemisphere"].map({key: texts[k] for key, texts in _SIDES.items()}) for k in range(3))
    defaults = {"description": table["name"], "full_name": side + table["name"], "atlas": table["hemisphere"] + "." + file.stem,
                "mne_name": prefix + table["name"] + suffix, "area": "all parcels", "hub": ""}
    table = table.assign(**{column: value for column, value in defaults.items() if column not in table})
    regions = list(dict.fromkeys(table["area"]))
    if len(regions) > _MOST_REGIONS:
        raise ValueError(f"{file}: {len(regions)} regions, at most {_MOST_REGIONS} can be told apart; put more parcels into one")
    number = {region: k for k, region in enumerate(regions)}
    table["area_id"] = _numbers(table, "area_id", file, 0, _MOST_REGIONS - 1) if "area_id" in table else table["area"].map(number)
    table["area_color"] = _colors(table, file) if "area_color" in table else table["area"].map(lambda region: hue(number[region]))
    table["roi_order"] = (_numbers(table, "roi_order", file, 0, _LARGEST_ROI) if "roi_order" in table
                          else table["name"].map({name: k for k, name in enumerate(first, start=1)}))
    return table[["roi", "name", "hemisphere", *(c for c in defaults), "area_id", "area_color", "roi_order"]]


def _colors(table, file):
    wrong = table.loc[~table["area_color"].str.fullmatch("#[0-9a-fA-F]{6}"), "area_color"]
    if len(wrong):
        raise ValueError(f"{file}: colours must be written #rrggbb; found {_listed(map(repr, wrong))}")
    several = table.groupby("area", sort=False)["area_color"].nunique()
    if (several > 1).any():
        region = several.index[several > 1][0]
        raise ValueError(f"{file}: region {region!r} has {several[region]} colours; figures show a colour per region: give its "
                         "parcels one colour, or regions of their own (column region)")
    return table["area_color"].str.lower()


def hue(number):
    """Colours of regions that were given none, far apart for neighbours."""
    red, green, blue = colorsys.hsv_to_rgb(0.6 + _GOLDEN * number % 1, 0.75, (0.85, 0.6)[number % 2])
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _listed(values, at_most=8):
    values = [str(value) for value in values]
    return ", ".join(values[:at_most]) + (f", ... ({len(values)} in all)" if len(values) > at_most else "")
