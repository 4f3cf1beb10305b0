"""Secrecy of imports: seconds and memory of large files, and the producers' own secrecy in the snapshot.

python benchmarks/secrecy.py            every measure
python benchmarks/secrecy.py million    one of them: one, thousand, iris, quarter, million, snapshot
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import qpv_sante as qs
from qpv_sante import loading
from qpv_sante.errors import QpvSanteError

COUNT = {"label": "Décès", "unit": "décès", "kind": "count", "definition": "Décès domiciliés."}
DECLARED = {
    "title": "Essai",
    "producer": "Essai",
    "licence": "restricted",
    "restriction": "essai",
    "edition": "essai",
    "year": 2023,
    "geo_level": "commune",
    "geo_vintage": 2024,
    "secrecy": {"threshold": 11, "secondary": True},
    "indicator": {"deaths": COUNT},
}


def brought(frame: pd.DataFrame, name: str, **changes: object) -> None:
    """Import a table and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.csv"
        frame.to_csv(path, sep=";", index=False)
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, (time.perf_counter(), time.process_time())
        try:
            report = qs.import_observations(path, source="trial", metadata={**DECLARED, **changes}, root=Path(folder))
            said = f"{report.withheld} withheld, {report.secondary} besides"
        except QpvSanteError as error:
            said = f"refused: {str(error)[:200]}"
        taken, own = time.perf_counter() - start[0], time.process_time() - start[1]
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = f"peak {most / 1024:.0f} MB (before: {before / 1024:.0f})"
    print(f"{name}: {len(frame):,} rows, {taken:.1f} s ({own:.1f} of processor), {memory}; {said}")


def classes(codes: pd.Series, ages: list[str], low: int, high: int, few: int = 0) -> pd.DataFrame:
    """Both sexes, all ages and each, of territories, adding up; `few` cells of five."""
    random = np.random.default_rng(0)
    cells = random.integers(low, high, size=(len(codes), 2, len(ages)))
    cells.flat[random.choice(cells.size, few, replace=False)] = 5
    parts = []
    for sex, by_sex in (("", cells.sum(axis=1)), ("F", cells[:, 0]), ("M", cells[:, 1])):
        for age, values in [("", by_sex.sum(axis=1)), *zip(ages, by_sex.T, strict=True)]:
            parts.append(pd.DataFrame({"geo_code": codes, "sex": sex, "age": age, "value": values}))
    return pd.concat(parts, ignore_index=True)


def one() -> None:
    """One withheld cell among 106,000 rows."""
    codes = loading.gazetteer().communes["code"]
    frame = classes(codes.reset_index(drop=True), ["Y_LT60"], 20, 90).query("age == ''").reset_index(drop=True)
    frame.loc[len(codes), "value"] = 5
    frame.loc[0, "value"] = frame["value"][len(codes)] + frame["value"][2 * len(codes)]
    brought(frame, "one withheld cell")


def thousand() -> None:
    """A thousand territories by sex and age, a third of the cells under the threshold."""
    codes = loading.gazetteer().communes["code"].head(1000).reset_index(drop=True)
    brought(classes(codes, ["Y_LT18", "Y18T39", "Y40T59", "Y_GE60"], 5, 30), "a thousand territories")


def iris() -> None:
    """49,000 IRIS with the totals of their communes and EPCI."""
    communes = loading.gazetteer().communes
    many = 1 + (communes["population"].fillna(0).rank(ascending=False) <= 1900) * 7
    table = communes.loc[communes.index.repeat(many), ["code", "epci"]].reset_index(drop=True)
    number = table.groupby("code").cumcount()
    table["iris"] = table["code"] + np.where(table["code"].map(many.set_axis(communes["code"])) > 1, "01", "00")
    table["iris"] += number.where(table["iris"].str.endswith("01"), -1).add(1).astype(str).str.zfill(2)
    table["value"] = np.random.default_rng(0).integers(5, 400, len(table))
    totals = [table.groupby("code")["value"].sum(), table[table["epci"] != ""].groupby("epci")["value"].sum()]
    rows = [pd.DataFrame({"geo_code": table["iris"], "value": table["value"]})]
    for level, sums in zip(("commune:", "epci:"), totals, strict=True):
        rows.append(pd.DataFrame({"geo_code": level + sums.index, "value": sums.to_numpy()}))
    brought(pd.concat(rows, ignore_index=True), "IRIS, communes and EPCI", geo_level="iris")
    # a total of one IRIS is that IRIS: withheld with it
    alone = table.groupby("code")["value"].transform("size") == 1
    shown = table["value"].where(~alone, table["value"].clip(lower=11))
    rows[0]["value"] = shown.to_numpy()
    rows[1]["value"] = shown.groupby(table["code"]).sum().to_numpy()
    rows[2]["value"] = shown[table["epci"] != ""].groupby(table["epci"]).sum().to_numpy()
    brought(pd.concat(rows, ignore_index=True), "the same, of one IRIS none withheld", geo_level="iris")


def million(share: float = 1.0) -> None:
    """Two million rows: communes by sex and age."""
    codes = loading.gazetteer().communes["code"].reset_index(drop=True)
    ages = [f"Y{5 * n}T{5 * n + 4}" for n in range(18)]
    table = classes(codes.head(round(share * len(codes))), ages, 12, 60, few=round(4000 * share))
    brought(table, f"{share:g} of two million rows")


def quarter() -> None:
    """A quarter of these, which tells how the time grows."""
    million(0.25)


def snapshot() -> None:
    """Counts that producers withhold in the snapshot: how many their own figures, and ours made of them, give away."""
    from qpv_sante.catalogue import core_catalogue
    from qpv_sante.imports.secrecy import audit
    from qpv_sante.imports.stored import stored_rows

    known, places = core_catalogue(), loading.gazetteer()
    with tempfile.TemporaryDirectory() as folder:
        for name, one in known.indicators.items():
            if one.kind not in ("count", "rate"):
                continue
            stored = stored_rows([name], known, Path(folder), without="")
            withheld = stored["flag"] == "suppressed"
            if not withheld.any():
                continue
            start = time.perf_counter()
            found = audit(stored, {name: one}, places)
            taken = time.perf_counter() - start
            by_level = found[found["exposed"]].groupby(["geo_level", "contradictory"]).size().to_dict()
            print(
                f"{name}: {int(withheld.sum()):,} of {len(stored):,} figures withheld, {len(found):,} of them held "
                f"against sums, {int(found['exposed'].sum())} given exactly {by_level or ''} ({taken:.1f} s)"
            )
    print(f"rests and pools of `compare` that cover a withheld QPV and have a value: {derived()}")


def derived() -> int:
    """Rests that `compare` gives although a QPV in them is withheld: its value would be the difference."""
    found = 0
    for name, zoning, year in (("poverty_rate", 2015, 2019), ("poverty_rate", 2015, 2021)):
        for by in ("commune", "department", "region"):
            try:
                gap = qs.compare(name, geo_vintage=zoning, year=year, reference="rest_of_commune", by=by)
            except QpvSanteError as error:
                print(f"{name} {zoning} {year} {by}: {str(error)[:100]}")
                continue
            told = gap["note"].fillna("").str.contains("sous secret")
            found += int((told & gap["reference_value"].notna()).sum())
    return found


def main() -> None:
    """Each measure in a process of its own, so that peaks are its own."""
    if len(sys.argv) > 1:
        globals()[sys.argv[1]]()
        return
    for name in ("one", "thousand", "iris", "quarter", "million", "snapshot"):
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
