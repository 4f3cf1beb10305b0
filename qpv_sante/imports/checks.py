"""What an imported table must respect: codes, zoning, ranges, duplicates, and what is published already."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Catalogue, Indicator, core_catalogue
from qpv_sante.errors import ComparabilityError, SchemaError, did_you_mean
from qpv_sante.geography import QPV_ZONINGS, check_codes, department_of_commune, whole_commune
from qpv_sante.imports.metadata import Metadata
from qpv_sante.observations import TOTAL
from qpv_sante.readers.names import check_names, former_names, looks_postal
from qpv_sante.territories import Gazetteer, current_commune

log = logging.getLogger(__name__)
# Paris, Lyon and Marseille publish by arrondissement; the gazetteer counts them as one commune each
_ARRONDISSEMENT = r"751(?:0[1-9]|1\d|20)|6938[1-9]|132(?:0[1-9]|1[0-6])"
_QPV_PREFIX = {2015: "QP", 2024: "QN"}
_NUMBER_OF_ARRONDISSEMENTS = {"75056": 20, "69123": 9, "13055": 16}
_XLS = b"\xd0\xcf\x11\xe0"


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


def check_places(frame: pd.DataFrame, level: str, vintage: int, places: Gazetteer, *, where: str) -> list[str]:
    """Refuse codes that no territory bears, and names that are those of other codes.

    Parameters
    ----------
    frame : DataFrame
        `line, geo_code, name`.
    level : str
    vintage : int
    places : Gazetteer
        Of the store in use.
    where : str
        File, for messages.

    Returns
    -------
    list of str
        Warnings: some names that contradict their codes, codes that look like postal ones.

    Raises
    ------
    SchemaError
    """
    rows = frame.drop_duplicates(["line", "geo_code"])
    codes, names = rows["geo_code"], rows["name"]
    warnings: list[str] = []
    if (names != "").any():
        known = _names(level, vintage, places)
        # before the codes: a name tells what a wrong code should have been
        warnings = check_names(
            codes, names, known, level, lines=rows["line"], where=where, stopped="Nothing was stored."
        )
    check_territories(codes, rows["line"], level, vintage, places, where=where)
    if level == "commune" and (names == "").all() and looks_postal(codes):
        warnings.append(
            f"{where}: most codes end in 0, as postal codes do: {', '.join(codes.unique()[:5])}. INSEE codes are "
            "expected (59512 is Roubaix, whose postal code is 59100): check them."
        )
    for warning in warnings:
        log.warning("%s", warning)
    return warnings


def _names(level: str, vintage: int, places: Gazetteer) -> pd.DataFrame:
    if level == "qpv":
        quarters = places.qpv[places.qpv["geo_vintage"] == vintage]
        return quarters[["geo_code", "name"]].set_axis(["code", "name"], axis=1)
    if level in ("commune", "living_area", "canton_town"):
        # a living area bears the code and the name of its central commune
        return pd.concat([places.communes[["code", "name"]], former_names(places.former_communes)], ignore_index=True)
    return places.territories.loc[places.territories["level"] == level, ["code", "name"]]


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
        hint = ""
        if level == "commune" and looks_postal(codes):
            hint = "The codes look like postal codes: INSEE codes are expected (59512 for Roubaix, 59100 by post). "
        raise SchemaError(
            f"{where}: line {lines[row]}, the code {unknown[row]!r} is that of no {level} that the package knows "
            f"({_edition(level, vintage)}); {len(unknown)} such codes. {hint}{near} Nothing was stored."
        )


def _edition(level: str, vintage: int) -> str:
    """Which codes of a level are known: those of one edition, whatever the year of the file."""
    if level == "qpv":
        return f"the zoning of {vintage}"
    source = {"epci": "insee_epci", "urban_unit": "insee_iris"}.get(level, "insee_cog")
    year = core_catalogue().source(source).vintage[-1].year
    merged = ", and those that were merged since" if level in ("commune", "iris", "living_area") else ""
    return f"those of {year}{merged}"


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


def check_formats(frame: pd.DataFrame, indicators: Mapping[str, Indicator], content: bytes, *, where: str) -> None:
    """Refuse cells in percent of what is not a percentage, and shares of an old workbook that may be ten or a tenth.

    Parameters
    ----------
    frame : DataFrame
        `line, column, indicator, geo_code, value, percent`.
    indicators : mapping of str to Indicator
    content : bytes
        The file: the formats of an xls cannot be read.
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
    """
    percent = frame["indicator"].map({name: _in_percent(one) for name, one in indicators.items()}).astype(bool)
    shown = frame["percent"] & frame["value"].notna()
    _refuse(frame, shown & ~percent, "value", "the cell is in percent, and its indicator is not", where)
    if content.startswith(_XLS):
        doubtful = percent & frame["value"].gt(0) & frame["value"].le(1)
        rule = "an xls does not say whether its cell is in percent (1 or 100 %): save the workbook as .xlsx"
        _refuse(frame, doubtful, "value", rule, where)


def _in_percent(indicator: Indicator) -> bool:
    return indicator.unit["fr"].strip().startswith("%")


def suspect_shares(frame: pd.DataFrame, indicators: Mapping[str, Indicator], *, where: str) -> list[str]:
    """Warn of rates in percent that are all under 1, which may be shares of one.

    Parameters
    ----------
    frame : DataFrame
        `indicator, value, count, denominator`; figures that their own counts confirm are left alone.
    indicators : mapping of str to Indicator
    where : str
        File, for messages.

    Returns
    -------
    list of str
    """
    warnings = []
    for name, rows in frame[frame["value"].gt(0)].groupby("indicator"):
        alone = rows[["count", "denominator"]].isna().any(axis=1).all()
        if _in_percent(indicators[str(name)]) and alone and rows["value"].lt(1).all():
            warnings.append(
                f"{where}: every value of {name}, in %, is under 1 (the largest is {rows['value'].max():g}). If they "
                "are shares of one (0.125 for 12.5 %), multiply them by 100."
            )
            log.warning("%s", warnings[-1])
    return warnings


def check_parts(
    frame: pd.DataFrame, indicators: Mapping[str, Indicator], declared: Metadata, *, where: str
) -> list[str]:
    """Hold totals against the parts that the file gives of them: sexes, ages, arrondissements.

    A count is the sum of its parts; a rate or a median lies between the lowest and the highest of them.

    Parameters
    ----------
    frame : DataFrame
        `line, column, indicator, geo_level, geo_code, sex, age, year, value`.
    indicators : mapping of str to Indicator
    declared : Metadata
        May give the rounding of an indicator.
    where : str
        File, for messages.

    Returns
    -------
    list of str
        Warnings: age classes that fall short of the total, as where some were left out.

    Raises
    ------
    SchemaError
        Parts that exceed their total, both sexes that do not make it, or a rate that no mean of its parts can be.
    """
    warnings = []
    for name, rows in frame.groupby("indicator"):
        kind = indicators[str(name)].kind
        measure = declared.indicator.get(str(name))
        half = 0.0 if kind == "count" else (measure.rounding if measure else None) or half_digit(rows["value"])
        for part in ("sex", "age"):
            same = ["geo_code", "year", *({"sex", "age"} - {part})]
            whole = rows[rows[part] == TOTAL].set_index(same)
            parts = (
                rows[rows[part] != TOTAL]
                .groupby(same)["value"]
                .agg(added="sum", least="min", most="max", known="count", size="size")
            )
            joined = whole.join(parts, how="inner").reset_index()
            complete = (joined["known"] == joined["size"]) & joined["value"].notna()
            if kind == "count":
                over = joined["value"].notna() & (joined["added"] > joined["value"])
                both = complete & (joined["size"] == 2) & (part == "sex")
                rule = f"its parts by {part} add up to another number"
                _refuse(joined, over | both & (joined["added"] != joined["value"]), "value", rule, where)
                short = joined[complete & (part == "age") & (joined["added"] < joined["value"])]
                if len(short):
                    one = short.iloc[0]
                    warnings.append(
                        f"{where}: line {one['line']}, {one['geo_code']}: {name} is {one['value']:g}, and its "
                        f"{one['size']:g} classes of {part} add up to {one['added']:g}; {len(short)} such totals. Is a "
                        "class left out?"
                    )
            elif kind in ("rate", "median") and (part == "sex" or _covers(set(rows["age"]) - {TOTAL})):
                whole_of = complete & (joined["size"] >= 2)
                apart = (joined["value"] < joined["least"] - 2 * half - 1e-9) | (
                    joined["value"] > joined["most"] + 2 * half + 1e-9
                )
                rule = f"it is outside the values of its parts by {part}, of which it is a mean"
                _refuse(joined, whole_of & apart, "value", rule, where)
        _refuse_arrondissements(rows, kind, half, where)
    for warning in warnings:
        log.warning("%s", warning)
    return warnings


def _refuse_arrondissements(rows: pd.DataFrame, kind: str, half: float, where: str) -> None:
    """Refuse Paris, Lyon or Marseille beside arrondissements that are not its parts."""
    if rows["geo_level"].iloc[0] != "commune":
        return
    same = ["geo_code", "year", "sex", "age"]
    whole = whole_commune(rows["geo_code"])
    inside = rows[whole != rows["geo_code"]].assign(geo_code=whole)
    parts = inside.groupby(same)["value"].agg(added="sum", least="min", most="max", known="count").reset_index()
    for _, one in rows.merge(parts, on=same).iterrows():
        complete = one["known"] == _NUMBER_OF_ARRONDISSEMENTS[one["geo_code"]]
        if kind == "count":
            bad = one["added"] > one["value"] or (complete and one["added"] != one["value"])
            rule = f"its {one['known']} arrondissements add up to {one['added']:g}"
        elif kind in ("rate", "median") and complete:
            bad = not one["least"] - 2 * half - 1e-9 <= one["value"] <= one["most"] + 2 * half + 1e-9
            rule = f"it is outside the values of its {one['known']} arrondissements, of which it is a mean"
        else:
            continue
        wrong = (rows["line"] == one["line"]) & (rows["geo_code"] == one["geo_code"]) & rows["value"].notna()
        _refuse(rows, wrong & bool(bad), "value", rule, where)


def check_totals(
    frame: pd.DataFrame,
    totals: pd.DataFrame,
    indicators: Mapping[str, Indicator],
    level: str,
    places: Gazetteer,
    *,
    where: str,
) -> list[str]:
    """Hold counts of typed codes (`epci:243400769`) against those of the territories that they are the total of.

    Parameters
    ----------
    frame, totals : DataFrame
        `line, column, indicator, geo_code, geo_vintage, sex, age, year, value`; of the totals, `geo_code` is typed.
    indicators : mapping of str to Indicator
    level : str
        Level of the parts.
    places : Gazetteer
    where : str
        File, for messages.

    Returns
    -------
    list of str
        Warnings: parts that are all given and fall short of their total.

    Raises
    ------
    SchemaError
        Parts that add up to more than their total.
    """
    warnings = []
    key = ["indicator", "sex", "age", "year"]
    counts = [name for name, one in indicators.items() if one.kind == "count"]
    groups = dict(list(frame[frame["indicator"].isin(counts)].groupby(key)))
    for row, total in totals[totals["value"].notna() & totals["indicator"].isin(counts)].iterrows():
        parts = groups.get(tuple(total[key]))
        inside = None if parts is None else _inside(str(total["geo_code"]), parts, level, places)
        if inside is None or inside.empty:
            continue
        added = inside["value"].sum()
        rule = f"its {len(inside)} parts by {level} add up to {added:g}"
        _refuse(totals.loc[[row]], pd.Series(added > total["value"], index=[row]), "value", rule, where)
        if inside["value"].notna().all() and added < total["value"]:
            said = f"{where}: line {total['line']}, {total['geo_code']}: {total['value']:g}, and {rule}."
            warnings.append(f"{said} Are territories left out?")
            log.warning("%s", warnings[-1])
    return warnings


def _inside(typed: str, parts: pd.DataFrame, level: str, places: Gazetteer) -> pd.DataFrame | None:
    """The rows of the territories that lie wholly in a place; none of levels whose containers are not known."""
    place = places.resolve(typed)
    if place is None:
        return None
    if level == "qpv":
        members = places.qpv_in(place, int(parts["geo_vintage"].iloc[0]))
        column = "communes" if place.level == "commune" else place.level
        if column in members:
            members = members[members[column] == place.code]
        return parts[parts["geo_code"].isin(members["geo_code"])]
    if level in ("commune", "iris"):
        communes = places.communes.loc[places.communes_in(place), "code"]
        current = whole_commune(current_commune(parts["geo_code"].str[:5], places.former_communes))
        return parts[current.isin(communes)]
    return None


def _covers(ages: Iterable[str]) -> bool:
    """Whether classes of age follow each other from birth to the last, which is open: a rate is then a mean of theirs.

    Examples
    --------
    >>> _covers(["Y_LT18", "Y18T59", "Y_GE60"]), _covers(["Y18T59", "Y_GE60"]), _covers(["Y_LT18", "Y_GE18", "Y_GE60"])
    (True, False, False)
    """
    bounds = []
    for age in ages:
        found = re.fullmatch(r"Y(?:_LT(?P<under>\d+)|_GE(?P<over>\d+)|(?P<first>\d+)T(?P<last>\d+))", age)
        if found is None:
            return False
        start = int(found["over"] or found["first"] or 0)
        bounds.append((start, int(found["under"] or 0) or int(found["last"] or 998) + 1))
    bounds.sort()
    follow = all(one[1] == other[0] for one, other in pairwise(bounds))
    return bool(bounds) and follow and bounds[0][0] == 0 and bounds[-1][1] == 999


def digits_of(values: pd.Series) -> int:
    """Number of digits after the decimal mark that figures are given with, 4 at most.

    Examples
    --------
    >>> digits_of(pd.Series([12.5, 13.0])), digits_of(pd.Series([1 / 3]))
    (1, 4)
    """
    values = values.dropna()
    return next((n for n in range(4) if ((values.round(n) - values).abs() < 1e-9).all()), 4)


def half_digit(values: pd.Series) -> float:
    """Half of the last digit that figures are given with.

    Examples
    --------
    >>> half_digit(pd.Series([12.5, 13.0]))
    0.05
    """
    return 0.5 / 10 ** digits_of(values)


def decimals_of(values: pd.Series) -> int:
    """Digits to show after the decimal mark: those of the file, and one at least where it has any.

    What a spreadsheet computed has no digits of its own: three that mean something are shown of the middle value.

    Examples
    --------
    >>> decimals_of(pd.Series([0.012, 0.176])), decimals_of(pd.Series([12.5, 14.0])), decimals_of(pd.Series([12.0]))
    (3, 1, 1)
    >>> decimals_of(pd.Series([100 / 3, 200 / 7])), decimals_of(pd.Series([1 / 30, 1 / 70]))
    (1, 4)
    """
    digits = digits_of(values)
    sizes = values[values != 0].abs().dropna()
    if digits < 4 or sizes.empty or (values.round(4) - values).abs().max() < 1e-9:
        return max(digits, 1)
    return int(min(max(2 - np.floor(np.log10(sizes.median())), 1), 4))


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
