"""What an imported table must respect: codes, zoning, ranges, duplicates, and what is published already."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from qpv_sante.catalogue import Catalogue, Indicator
from qpv_sante.errors import ComparabilityError, SchemaError, did_you_mean
from qpv_sante.geography import QPV_ZONINGS, check_codes, department_of_commune
from qpv_sante.imports.metadata import Metadata
from qpv_sante.territories import Gazetteer

# Paris, Lyon and Marseille publish by arrondissement; the gazetteer counts them as one commune each
_ARRONDISSEMENT = r"751(?:0[1-9]|1\d|20)|6938[1-9]|132(?:0[1-9]|1[0-6])"
_QPV_PREFIX = {2015: "QP", 2024: "QN"}


def zoning_of(codes: pd.Series, lines: pd.Series, *, where: str) -> int:
    """Zoning of QPV codes, where the file does not say it.

    Parameters
    ----------
    codes, lines : Series
        Codes, and where they stand.
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        Codes of both zonings, or of neither.

    Examples
    --------
    >>> zoning_of(pd.Series(["QN03112M"]), pd.Series([4]), where="example")
    2024
    """
    prefixes = codes.str[:2]
    found = [zoning for zoning in QPV_ZONINGS if (prefixes == _QPV_PREFIX[zoning]).any()]
    if len(found) == 1:
        return found[0]
    if not found:
        raise SchemaError(
            f"{where}: line {lines.iloc[0]}: {codes.iloc[0]!r} is not a QPV code (QP... 2015, QN... 2024)."
        )
    first = {zoning: (prefixes == _QPV_PREFIX[zoning]).idxmax() for zoning in found}
    listed = ", ".join(f"{codes[row]} of {zoning} (line {lines[row]})" for zoning, row in first.items())
    raise SchemaError(f"{where}: QPV of both zonings: {listed}. Import one file for each zoning.")


def check_territories(
    codes: pd.Series, lines: pd.Series, level: str, vintage: int, places: Gazetteer, *, where: str
) -> None:
    """Refuse codes of another zoning or form, then those that no territory bears.

    Parameters
    ----------
    codes, lines : Series
        Codes, and where they stand.
    level : str
    vintage : int
    places : Gazetteer
        Of the store in use.
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        The message names file, line and code, and proposes the nearest ones.
    """
    if level == "qpv":
        for zoning in QPV_ZONINGS:
            foreign = codes.str.startswith(_QPV_PREFIX[zoning]) & (zoning != vintage)
            if foreign.any():
                row = foreign.idxmax()
                raise SchemaError(
                    f"{where}: line {lines[row]}, {codes[row]!r} is a QPV code of the {zoning} zoning; the file is "
                    f"declared of {vintage} ({foreign.sum()} such codes). Correct geo_vintage, or the codes: values "
                    "never pass from one zoning to the other without a crosswalk."
                )
    try:
        check_codes(codes, level, vintage, where=where)
    except SchemaError:
        for code, line in zip(codes, lines, strict=True):  # the one that is wrong, by its line
            check_codes(pd.Series([code]), level, vintage, where=f"{where}: line {line}")
        raise
    unknown = codes[~_is_known(codes, level, vintage, places)]
    if len(unknown):
        row, valid = unknown.index[0], _codes(level, vintage, places)
        near = did_you_mean(unknown[row], valid, limit=0)
        raise SchemaError(
            f"{where}: line {lines[row]}, no {level} of {vintage} has the code {unknown[row]!r}; {len(unknown)} such "
            f"codes. {near} Nothing was stored."
        )


def _codes(level: str, vintage: int, places: Gazetteer) -> pd.Series:
    if level == "qpv":
        return places.qpv.loc[places.qpv["geo_vintage"] == vintage, "geo_code"]
    if level in ("commune", "iris", "living_area"):
        # a file may be older or younger than the official code of the store
        return pd.concat([places.communes["code"], places.former_communes["old_code"]])
    return places.territories.loc[places.territories["level"] == level, "code"]


def _is_known(codes: pd.Series, level: str, vintage: int, places: Gazetteer) -> pd.Series:
    if level == "canton_town":  # no list of town cantons: their department is what can be checked
        departments = places.territories.loc[places.territories["level"] == "department", "code"]
        return department_of_commune(codes).isin([*departments, "975", "977"])
    parts = codes.str[:5] if level == "iris" else codes
    # a set: `isin` takes a fifth of a second to look among the 43,000 codes of a text column
    known = parts.map(set(_codes(level, vintage, places).to_numpy()).__contains__).astype(bool)
    if level in ("commune", "iris", "living_area"):
        known |= parts.str.fullmatch(_ARRONDISSEMENT).astype(bool)
    if level == "living_area":  # St-Barthélemy and St-Martin
        known |= codes.str.endswith("ZZ")
    return known


def check_values(frame: pd.DataFrame, indicators: Mapping[str, Indicator], declared: Metadata, *, where: str) -> None:
    """Refuse duplicates, values out of range, negative counts, crossed bounds, figures that contradict their counts.

    Parameters
    ----------
    frame : DataFrame
        `line, column, indicator, geo_code, sex, age, year, value, lower, upper, count, denominator`.
    indicators : mapping of str to Indicator
    declared : Metadata
        May give the rounding of an indicator; else it is that of the file's own digits.
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        The message names file, line, column, code and value.

    Notes
    -----
    A rate in percent must be 100 times its numerator over its denominator, within its rounding; a count given
    twice must be the same.
    """
    key = ["indicator", "geo_code", "year", "sex", "age"]
    twice = frame[frame.duplicated(key)]
    if len(twice):
        row = twice.iloc[0]
        before = frame.loc[(frame[key] == row[key]).all(axis=1), "line"].iloc[0]
        raise SchemaError(
            f"{where}: line {row['line']}, {row['geo_code']} is there twice for {row['indicator']} of {row['year']} "
            f"(first at line {before}); {len(twice)} duplicates. Nothing was stored."
        )
    for name, rows in frame.groupby("indicator"):
        indicator = indicators[str(name)]
        low, high = indicator.range or (float("-inf") if indicator.kind == "score" else 0.0, float("inf"))
        outside = (rows["value"] < low) | (rows["value"] > high)
        of_kind = f"a {indicator.kind} of {indicator.id} must lie in [{low:g}, {high:g}]"
        _refuse(rows, outside, "value", of_kind, where)
        if indicator.kind == "count":
            _refuse(rows, rows["value"].notna() & (rows["value"] % 1 != 0), "value", "a count is a whole number", where)
    for name in ("count", "denominator"):
        _refuse(frame, frame[name] < 0, name, "a number of persons is not negative", where)
    _refuse(frame, frame["count"] > frame["denominator"], "count", "the numerator is above the denominator", where)
    for name, rows in frame.groupby("indicator"):
        measure = declared.indicator.get(str(name))
        _refuse_contradiction(rows, indicators[str(name)], measure.rounding if measure else None, where)
    crossed = (frame["lower"] > frame["value"]) | (frame["value"] > frame["upper"])
    _refuse(frame, crossed, "value", "the value is outside its interval", where)
    alone = frame["value"].isna() & frame[["lower", "upper"]].notna().any(axis=1)
    _refuse(frame, alone, "lower", "an interval without a value", where)


def _refuse_contradiction(rows: pd.DataFrame, indicator: Indicator, rounding: float | None, where: str) -> None:
    """Refuse a value that its own numerator and denominator do not give."""
    if indicator.kind == "count":
        _refuse(rows, (rows["value"] - rows["count"]).abs() > 0, "value", "the column count says another number", where)
        return
    if indicator.kind != "rate" or indicator.range != [0, 100] or indicator.unit["fr"].startswith("‰"):
        return
    for _, part in rows.groupby("year"):
        share = 100 * part["count"] / part["denominator"].where(part["denominator"] > 0)
        whole = part["denominator"] == 0
        _refuse(part, whole & part["value"].notna() & part["count"].notna(), "value", "a rate of nobody", where)
        apart = (part["value"] - share).abs() > (rounding or half_digit(part["value"])) + 1e-9
        rule = f"100 count / denominator is {share[apart].iloc[0]:.6g}" if apart.any() else ""
        _refuse(part, apart, "value", rule, where)


def half_digit(values: pd.Series) -> float:
    """Half of the last digit that figures are given with.

    Examples
    --------
    >>> half_digit(pd.Series([12.5, 13.0]))
    0.05
    """
    values = values.dropna()
    digits = next((n for n in range(4) if ((values.round(n) - values).abs() < 1e-9).all()), 4)
    return 0.5 / 10**digits


def _refuse(rows: pd.DataFrame, bad: pd.Series, name: str, rule: str, where: str) -> None:
    if bad.any():
        row = rows[bad].iloc[0]
        column = row["column"] if name == "value" else name
        raise SchemaError(
            f"{where}: line {row['line']}, column {column}, {row['geo_code']}: {row[name]:g}; {rule}. "
            f"{int(bad.sum())} such cells. Nothing was stored."
        )


def check_new(frame: pd.DataFrame, known: Catalogue, key: str, *, where: str) -> None:
    """Refuse figures that another source publishes already for the same indicator, level and year.

    Two sources of one figure would make `compare` choose, or count a reference twice.

    Parameters
    ----------
    frame : DataFrame
        Rows of the long table.
    known : Catalogue
        Without the edition that is being replaced.
    key : str
        The edition that is being imported.
    where : str
        File, for messages.

    Raises
    ------
    ComparabilityError
        The message names the other source, and says how to leave the column out or name it otherwise.
    """
    for (name, level, vintage, year), _ in frame.groupby(
        ["indicator", "geo_level", "geo_vintage", "year"], observed=True
    ):
        if name not in known.indicators:
            continue
        for record in known.published(str(name)):
            same = (record["geo_level"], record["year"]) == (level, year) and record["source"] != key
            if same and (level != "qpv" or record["geo_vintage"] == vintage):
                raise ComparabilityError(
                    f"{where}: {name} of {year} by {level} is published already by {record['source']}. Two sources of "
                    "one figure cannot meet in a comparison: leave the column out (mapping={heading: None}), give it "
                    "an indicator of its own, or remove the other import."
                )
