"""Secrecy of imports: seconds and memory of large files, and the producers' own secrecy in the snapshot.

python benchmarks/secrecy.py            every measure
python benchmarks/secrecy.py million    one of them: one, thousand, iris, million, open
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
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        try:
            report = qs.import_observations(path, source="trial", metadata={**DECLARED, **changes}, root=Path(folder))
            said = f"{report.withheld} withheld, {report.secondary} besides"
        except QpvSanteError as error:
            said = f"refused: {str(error)[:200]}"
        taken, most = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{name}: {len(frame):,} rows, {taken:.1f} s, peak {most / 1024:.0f} MB (before: {before / 1024:.0f}); {said}"
    )


def classes(codes: pd.Series, ages: list[str], low: int, high: int, seed: int = 0) -> pd.DataFrame:
    """Both sexes, all ages and each, of territories, adding up."""
    random = np.random.default_rng(seed)
    cells = random.integers(low, high, size=(len(codes), 2, len(ages)))
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


def million() -> None:
    """Two million rows: communes by sex and age."""
    codes = loading.gazetteer().communes["code"].reset_index(drop=True)
    ages = [f"Y{5 * n}T{5 * n + 4}" for n in range(18)]
    brought(classes(codes, ages, 10, 60), "two million rows")


def main() -> None:
    """Each measure in a process of its own, so that peaks are its own."""
    if len(sys.argv) > 1:
        globals()[sys.argv[1]]()
        return
    for name in ("one", "thousand", "iris", "million"):
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
