"""What is stored already beside an import: figures that secrecy must reckon with, values that are painted on QPV."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import history, observations, store
from qpv_sante.catalogue import Catalogue, core_catalogue
from qpv_sante.errors import SchemaError, StoreError
from qpv_sante.observations import TOTAL
from qpv_sante.territories import Gazetteer

log = logging.getLogger(__name__)


def stored_rows(names: Iterable[str], known: Catalogue, root: Path, *, without: str) -> pd.DataFrame:
    """Rows of some indicators in the store in use, of every source, and all those of imports in any build that is kept.

    Parameters
    ----------
    names : iterable of str
        Indicators.
    known : Catalogue
        Says which sources carry them; imports that the catalogue left out are read all the same.
    root : Path
        Data root.
    without : str
        The edition that is being imported: its earlier figures are going to be replaced.

    Returns
    -------
    DataFrame
        Rows of the long table, text columns as text; `imported`, whether an import brought them, `rounding`, half of
        their last published digit, `threshold` and `most` (see `_with_rule`). A build that was rolled back can be used
        again: what it holds is known too.

    Raises
    ------
    StoreError
        A table that may carry them is damaged.
    """
    current = store.serving_build(root)
    manifest = current.manifest["sources"] if current else {}
    stores = store.open_stores(root)
    imported = [source for source, entry in manifest.items() if entry.get("imported")]
    texts = ["indicator", "source", "geo_level", "perimeter", "sex", "age", "category", "flag"]
    frames = [observations.tidy(pd.DataFrame(columns=observations.COLUMNS)).astype(dict.fromkeys(texts, "str"))]
    for name in names:
        series = known.indicators[name].series if name in known.indicators else []
        for source in dict.fromkeys(one.source for one in series if one.source not in imported):
            table = f"observations/{source}"
            if not any(one.has(table) for one in stores):  # in the catalogue, not built
                continue
            # one that is damaged stops the import: what it withholds could not be looked after
            found = store.find_store(table, root).observations(source, indicator=name)
            if len(found):
                frames.append(found.astype(dict.fromkeys(texts, "str")).assign(imported=False))
    frames += [
        found.astype(dict.fromkeys(texts, "str")).assign(imported=True) for found in _imports(root, without=without)
    ]
    frame = pd.concat(frames[1:], ignore_index=True) if len(frames) > 1 else frames[0].assign(imported=False)
    frame = frame[(frame["source"] != without) & (frame["perimeter"] == "all")]
    frame = frame.drop_duplicates([*observations.KEY, "value", "flag"], ignore_index=True)
    pairs = frame[["indicator", "source"]].drop_duplicates()
    pairs["rounding"] = [
        (known.rounding(name, source) if name in known.indicators else None) or 0.0
        for name, source in pairs.itertuples(index=False, name=None)
    ]
    frame = frame.merge(pairs, how="left", on=["indicator", "source"])
    nothing = pd.Series(float("nan"), index=frame.index)
    ruled = {name: frame.get(name, nothing).astype(float) for name in ("threshold", "most")}
    return frame.assign(rounding=frame["rounding"].astype(float), count=float("nan"), line=-1, **ruled)


def _imports(root: Path, *, without: str) -> Iterator[pd.DataFrame]:
    """Tables of imports, in every build that is kept; the same table is read once, from where it is whole.

    Raises
    ------
    StoreError
        No copy of a table is whole. One that the edition `without` has to itself is passed over: the import replaces
        it.
    """
    folder = store.processed_dir(root)
    copies: dict[tuple[str, str], list[tuple[store.Store, Mapping[str, Any]]]] = {}
    for path in history.folders(folder) if folder.is_dir() else []:
        build = store.Store(path, "processed")
        try:
            manifest = build.declared()
        except StoreError:  # not readable: neither can it be used again
            continue
        for source, entry in manifest["sources"].items():
            file = manifest["files"].get(f"observations/{source}.parquet")
            if entry.get("imported") and file and any(f"{source}@{one}" != without for one in entry["editions"]):
                copies.setdefault((source, file["sha256"]), []).append((build, entry["editions"]))
    for (source, _), held in copies.items():
        name = f"observations/{source}"
        problems = [build.damage(name) for build, _ in held]
        if all(problems):
            raise StoreError(
                f"{name} of the import {source!r} cannot be used, and what it withholds could not be looked after. "
                f"{problems[-1]} Nothing was stored. Import its files again first, or remove it: `qpv-sante import "
                f"--remove {source}`. `qpv-sante verify` says more."
            )
        build, editions = held[problems.index("")]
        yield _with_rule(build.observations(source), source, editions)


def _with_rule(frame: pd.DataFrame, source: str, editions: Mapping[str, Any]) -> pd.DataFrame:
    """The threshold that figures were held under, and the most that one which it withheld can be.

    A count that is withheld is under the threshold where nothing else can have withheld it: neither the producer nor
    the need to protect others.
    """
    names = frame["source"].astype("str")
    threshold, most = pd.Series(float("nan"), index=frame.index), pd.Series(float("nan"), index=frame.index)
    for edition, entry in editions.items():
        rule = entry.get("secrecy")
        if not rule:
            continue
        here = names == f"{source}@{edition}"
        threshold[here] = float(rule["threshold"])
        hidden = here & (frame["flag"] == "suppressed")
        if entry.get("counts", {}).get("withheld (threshold)") == int(hidden.sum()):
            most[hidden & frame["denominator"].isna()] = rule["threshold"] - 1.0
    return frame.assign(threshold=threshold, most=most)


def inhabitants(frame: pd.DataFrame, level: str, vintage: int, places: Gazetteer, root: Path) -> pd.Series:
    """Inhabitants of each row's territory, as the store has them nearest to the row's year; missing if it has not.

    Parameters
    ----------
    frame : DataFrame
        `geo_code, sex, age, year`; of a class of sex or age the inhabitants are not known.
    level : str
    vintage : int
        Of the codes.
    places : Gazetteer
    root : Path
        Data root.
    """
    communes = places.communes
    known = pd.Series(dtype=float)
    if level in communes or level == "commune":
        known = communes.groupby("code" if level == "commune" else level)["population"].sum(min_count=1)
    found = frame["geo_code"].map(known).astype(float)
    for source in dict.fromkeys(one.source for one in core_catalogue().indicator("population").series):
        try:
            table = store.find_store(f"observations/{source}", root).observations(source, indicator="population")
        except StoreError:  # in the catalogue, not built
            continue
        table = table[(table["geo_level"] == level) & (table["geo_vintage"] == vintage) & table["value"].notna()]
        table = table[(table["sex"] == TOTAL) & (table["age"] == TOTAL) & (table["category"] == TOTAL)]
        if table.empty:
            continue
        for year in frame["year"].unique():
            near = table.assign(gap=(table["year"] - int(year)).abs()).sort_values(["gap", "year"])
            nearest = near.drop_duplicates("geo_code").set_index("geo_code")["value"]
            here = frame["year"] == year
            found[here] = frame.loc[here, "geo_code"].map(nearest).astype(float).fillna(found[here])
    return found.where((frame["sex"] == TOTAL) & (frame["age"] == TOTAL))


def refuse_painted(frame: pd.DataFrame, stored: pd.DataFrame, places: Gazetteer, vintage: int, *, where: str) -> None:
    """Refuse QPV that all bear the value published for their department, region or country.

    Parameters
    ----------
    frame : DataFrame
        The file: `line, geo_code, indicator, sex, age, year, value`.
    stored : DataFrame
        See `stored_rows`; every year is looked at, as a painted value may bear another.
    places : Gazetteer
    vintage : int
        Zoning of the QPV.
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        Two QPV or more. A single one may be a coincidence: the log warns.
    """
    quarters = places.qpv[places.qpv["geo_vintage"] == vintage].set_index("geo_code")
    published = stored[(stored["category"] == TOTAL) & stored["value"].notna()]
    for (name, sex, age, year), rows in frame[frame["value"].notna()].groupby(["indicator", "sex", "age", "year"]):
        same = published[(published["indicator"] == name) & (published["sex"] == sex) & (published["age"] == age)]
        digits = next((n for n in range(5) if (rows["value"].round(n) - rows["value"]).abs().max() < 1e-9), 5)
        for (level, other), above in same.groupby(["geo_level", "year"]):
            if level not in ("department", "region", "country"):
                continue
            if level == "country":
                painted = any(_same(rows["value"], value, digits).all() for value in above["value"])
            else:
                values: Mapping[str, float] = above.drop_duplicates("geo_code").set_index("geo_code")["value"].to_dict()
                own = rows["geo_code"].map(quarters[str(level)]).map(values)
                painted = bool(_same(rows["value"], own, digits).all())
            if not painted:
                continue
            first = rows.iloc[0]
            said = (
                f"{where}: line {first['line']}: the {len(rows)} QPV of {name} ({year}) all bear the value that is "
                f"published for their {level} ({other}). A value of a larger territory is not one of its QPV: it is "
                "read beside them (`qpv_sante.context`, `compare`), and never painted on them."
            )
            if len(rows) > 1:
                raise SchemaError(f"{said} Nothing was stored.")
            log.warning("%s A single figure may be a coincidence: it is stored; check it.", said)
            break


def _same(values: pd.Series, published: pd.Series | float, digits: int) -> pd.Series:
    gap = (values - (published.round(digits) if isinstance(published, pd.Series) else round(published, digits))).abs()
    return gap < 1e-9
