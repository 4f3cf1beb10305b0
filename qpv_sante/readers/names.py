"""A name beside a code says the same place twice: the two are held against each other."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import SequenceMatcher

import pandas as pd

from qpv_sante.errors import SchemaError, StoreError
from qpv_sante.geography import department_of_commune, department_of_qpv, fold, whole_commune

log = logging.getLogger(__name__)

# words that the names of two places share by chance
_COMMON = {
    "saint",
    "sainte",
    "les",
    "sur",
    "sous",
    "aux",
    "des",
    "haut",
    "haute",
    "hauts",
    "hautes",
    "bas",
    "basse",
    "val",
}
_COMMON |= {"mont", "vieux", "quartier", "centre", "ville", "bourg", "cite", "grand", "grande", "nord", "sud", "est"}
_COMMON |= {"ouest", "commune", "communaute", "agglomeration", "pays", "metropole", "arrondissement"}
_ALIKE = 0.8
_LISTED = 10
# levels of which every code is known, former ones included, so that a code without a name is itself wrong
_WHOLE = ("qpv", "commune", "department", "region")


@dataclass(frozen=True)
class Comparison:
    """Names held against codes.

    Attributes
    ----------
    against : DataFrame
        Rows whose name is that of another place: `code, name, own, other` (the name of the code, the code of the
        name). Same index as the codes.
    checked : int
        Rows that have a name, and a code that could be looked up.
    unlike : int
        Of those, rows whose name resembles neither that of the code nor another.
    """

    against: pd.DataFrame
    checked: int
    unlike: int


def compare_names(codes: pd.Series, names: pd.Series, known: pd.DataFrame, level: str) -> Comparison:
    """Names that are those of other places than their codes say.

    Parameters
    ----------
    codes, names : Series of str
    known : DataFrame
        `code, name`; a code may have several names.
    level : str
        A key of `qpv_sante.geography.LEVELS`.

    Returns
    -------
    Comparison
        A name is against its code when another place bears it exactly, and the place of the code does not bear it.
        A spelling of its own is not: names of neighbourhoods are shortened and lengthened freely.

    Examples
    --------
    >>> known = pd.DataFrame({"code": ["30", "31", "32"], "name": ["Gard", "Haute-Garonne", "Gers"]})
    >>> compare_names(pd.Series(["30", "31"]), pd.Series(["Haute Garonne", "Gers"]), known, "department").against
      code           name            own other
    0   30  Haute Garonne           Gard    31
    1   31           Gers  Haute-Garonne    32
    """
    given = pd.DataFrame({"code": codes, "name": names.fillna("").str.strip()})
    folded = {name: fold(name) for name in pd.concat([given["name"], known["name"]]).unique()}
    bearers: dict[str, set[str]] = {}
    own: dict[str, dict[str, str]] = {}
    for code, name in zip(known["code"], known["name"], strict=True):
        bearers.setdefault(folded[name], set()).add(code)
        own.setdefault(code, {})[folded[name]] = name
    given = given[given["name"].map(folded) != ""]
    if level == "commune":  # Paris 13e, or Paris: an arrondissement bears the name of its commune too
        for code, whole in zip(given["code"], whole_commune(given["code"]), strict=True):
            if code != whole:
                own[code] = {**own.get(whole, {}), **own.get(code, {})}
    if level not in _WHOLE:
        given = given[given["code"].isin(list(own))]
    pairs = given.drop_duplicates()
    verdicts = {
        (code, name): _verdict(code, folded[name], own.get(code, {}), bearers, level)
        for code, name in zip(pairs["code"], pairs["name"], strict=True)
    }
    found = pd.Series(
        [verdicts[pair] for pair in zip(given["code"], given["name"], strict=True)], index=given.index, dtype=object
    )
    against = given[found.map(bool) & (found != "?")].copy()
    against["own"] = ["" if code not in own else next(iter(own[code].values())) for code in against["code"]]
    against["other"] = found[against.index]
    return Comparison(against, len(given), int((found == "?").sum()))


def _verdict(code: str, name: str, own: dict[str, str], bearers: dict[str, set[str]], level: str) -> str:
    """Code of the other place that bears the name; `?` for a name that resembles nothing; empty if they agree."""
    if name in own:
        return ""
    others = sorted(bearers.get(name, set()) - {code})
    alike = any(_alike(name, one) for one in own)
    near: list[str] = []
    if others and level in ("qpv", "commune"):
        department = department_of_qpv if level == "qpv" else department_of_commune
        places = department(pd.Series([code, *others]))
        near = [other for other, place in zip(others, places[1:], strict=True) if place == places[0]]
        others = [*near, *others]
    if alike and level not in ("department", "region"):
        # a short name may be that of a far place too: only a neighbour counts
        others = near
    if others:
        return others[0]
    return "" if alike or not own else "?"


def _alike(a: str, b: str) -> bool:
    if f" {a} " in f" {b} " or f" {b} " in f" {a} ":
        return True
    if {word for word in a.split() if len(word) > 2} & set(b.split()) - _COMMON:
        return True
    return SequenceMatcher(None, a, b).ratio() >= _ALIKE


def check_names(
    codes: pd.Series,
    names: pd.Series,
    known: pd.DataFrame,
    level: str,
    *,
    lines: pd.Series | None = None,
    where: str,
    stopped: str,
) -> list[str]:
    """Refuse names of which most are those of other codes; say those of which some are.

    Parameters
    ----------
    codes, names : Series of str
    known : DataFrame
        `code, name`.
    level : str
    lines : Series, optional
        Where they stand; the index of the codes by default.
    where : str
        File, for messages.
    stopped : str
        What became of the rest, for messages.

    Returns
    -------
    list of str
        Warnings: contradictions, or names that could not be held against the codes.

    Raises
    ------
    SchemaError
        Most names contradict their codes: the rows were shifted, or the codes are not those of the level.
    """
    found = compare_names(codes, names, known, level)
    warnings = []
    if len(found.against):
        at = codes.index.to_series() if lines is None else lines
        first = found.against.head(_LISTED)
        listed = "; ".join(
            f"line {at[row]}: {code} is {own or f'no {level}'}, {name} is {other}"
            for row, code, name, own, other in first[["code", "name", "own", "other"]].itertuples()
        )
        more = f"; ... ({len(found.against)} in all)" if len(found.against) > _LISTED else ""
        said = f"{where}: {len(found.against)} of {found.checked} names are those of other codes: {listed}{more}."
        if 2 * len(found.against) > found.checked:
            raise SchemaError(f"{said} {_why(found.against, level)} {stopped}")
        warnings.append(f"{said} Were their values exchanged?")
    if found.checked >= 3 and 2 * found.unlike > found.checked:
        warnings.append(
            f"{where}: {found.unlike} of {found.checked} names resemble no known name of their {level}: they could not "
            "be held against the codes."
        )
    return warnings


def _why(against: pd.DataFrame, level: str) -> str:
    if level == "commune" and looks_postal(against["code"]):
        return "The codes look like postal codes: INSEE codes are expected, those on the right."
    return "Was a column shifted or sorted without the other?"


def looks_postal(codes: pd.Series) -> bool:
    """Whether codes of communes look like postal codes: most end in 0, where one INSEE code in ten does.

    Examples
    --------
    >>> looks_postal(pd.Series(["59100", "59200", "59650", "59126"]))
    True
    >>> looks_postal(pd.Series(["59350", "59512", "59599"]))
    False
    """
    distinct = codes.drop_duplicates()
    return len(distinct) >= 3 and bool(distinct.str.fullmatch(r"\d{4}0").mean() > 0.6)


def hold_names(codes: pd.Series, names: pd.Series, level: str, vintage: int, *, where: str) -> None:
    """Hold the names of a producer's file against its codes, by the names of the store in use; tell some in the log.

    Parameters
    ----------
    codes, names : Series of str
        Their index is the line in the file.
    level, vintage : str, int
    where : str
        For messages.

    Raises
    ------
    SchemaError
        Most names are those of other codes.
    """
    known = known_names(level, vintage)
    if len(known):
        stopped = "Nothing of this source was stored."
        for warning in check_names(codes, names, known, level, where=where, stopped=stopped):
            log.warning("%s", warning)


def known_names(level: str, vintage: int) -> pd.DataFrame:
    """Names of the places of a level, from the store in use; of a neighbourhood, in its zoning.

    Returns
    -------
    DataFrame
        `code, name`, empty if no store has them yet.
    """
    from qpv_sante import store

    try:
        origin = store.find_store("codes/territories")
        if level == "qpv":
            quarters = origin.codes("qpv")
            quarters = quarters[quarters["geo_vintage"].astype(int) == vintage]
            return quarters[["geo_code", "name"]].set_axis(["code", "name"], axis=1)
        territories = origin.codes("territories")
        former = origin.codes("former_communes")
    except StoreError:
        log.warning("No names of places in the store yet: names were not held against codes.")
        return pd.DataFrame({"code": [], "name": []}, dtype="str")
    found = territories.loc[territories["level"] == level, ["code", "name"]]
    if level == "commune":
        found = pd.concat([found, former_names(former)], ignore_index=True)
    return found


def former_names(former: pd.DataFrame) -> pd.DataFrame:
    """Names of the communes that were merged or renamed, under the code that they had and the one that they have."""
    own = former[["old_code", "old_name"]].set_axis(["code", "name"], axis=1)
    since = former[["new_code", "old_name"]].set_axis(["code", "name"], axis=1)
    return pd.concat([own, since], ignore_index=True).drop_duplicates()
