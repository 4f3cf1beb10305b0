"""Figures, labels and outlines that may mean something else: refused whatever its size; revisions are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from refreshing import EDITION, ONE, Folder, outcome, refresh
from shapely import affinity, box
from test_refresh_parts import NAME, TOLERANCE, long, rates

import qpv_sante as qs
from conftest import Producers
from qpv_sante import pipeline, store
from qpv_sante.errors import StoreError
from qpv_sante.lockfile import LOCK_FILE
from qpv_sante.refresh import before as before_module
from qpv_sante.refresh.changes import compare_tables
from qpv_sante.refresh.drift import find_drift
from qpv_sante.refresh.evidence import Drift
from qpv_sante.refresh.outcome import CHANGED, FAILED, NOTHING

LAYER = "zones/qpv_2024"


def drift(old: pd.DataFrame, new: pd.DataFrame, name: str = NAME, *, snapshot: bool = False) -> dict[str, Drift]:
    found = find_drift({name: old}, {name: new}, TOLERANCE, snapshot=[name] if snapshot else [])
    return {one.kind: one for one in found}


# --- figures -----------------------------------------------------------------------------------------------------


def incomes(**same: object) -> pd.DataFrame:
    """Medians of a hundred areas, in no order: 12,000 to 21,900."""
    frame = rates(indicator="median_standard_of_living", **same)
    order = np.random.default_rng(7).permutation(100)
    return frame.assign(value=12_000.0 + 100 * order)


def test_first_quartile_in_place_of_the_median() -> None:
    old = incomes()
    quartile = old.assign(value=(old["value"] * 0.85).round(-1))  # 15 %: far from any factor
    told = drift(old, quartile)["rewritten"]
    assert (told.values["some"], told.values["all"]) == (100, 100)
    assert len(told.examples) == 3
    assert "100 of 100 values of an edition already published changed" in str(told)
    assert "100 valeurs sur 100 d'une édition déjà publiée ont changé" in told.told("fr")


@pytest.mark.parametrize("change", [lambda v: v * 1.49, lambda v: v + 0.1, lambda v: v.sample(frac=1, random_state=1)])
def test_edition_in_use_most_of_which_changes_is_refused_whatever_the_size(change: object) -> None:
    old = rates()
    new = old.assign(value=np.asarray(change(old["value"])))  # type: ignore[operator]
    assert {"rewritten", "far"} & drift(old, new).keys()


def test_revision_of_some_values_is_accepted() -> None:
    old = rates()
    for number in (1, 10, 50):  # up to half of them
        new = old.copy()
        new.loc[: number - 1, "value"] *= 1.02
        assert drift(old, new) == {}


def test_rows_added_and_a_new_edition_are_accepted() -> None:
    old = incomes()
    new_year = old.assign(source="s@2022", year=2022, value=(old["value"] * 1.03).round(-1))
    more = long({f"QP0130{i:02d}": 15_000.0 for i in range(10, 30)}, indicator="median_standard_of_living")
    assert drift(old, pd.concat([old, more, new_year])) == {}


def test_another_column_is_named() -> None:
    """The new median is nearer to the former quartile than to the former median."""
    median = incomes()
    quartile = median.assign(indicator="decile_ratio", value=median["value"] * 0.8 + 37)
    old = pd.concat([median, quartile])
    exact = pd.concat([median.assign(value=quartile["value"].to_numpy()), quartile])
    assert drift(old, exact)["column"].values["other"] == "decile_ratio"
    near = quartile["value"].to_numpy() * 1.001  # revised on the way
    assert drift(old, pd.concat([median.assign(value=near), quartile]))["column"].values["other"] == "decile_ratio"
    assert "column" not in drift(old, pd.concat([median.assign(value=median["value"] * 1.03), quartile]))


def test_bounds_and_sizes_of_another_meaning() -> None:
    old = rates().assign(lower=10.0, upper=20.0, n=100.0)
    assert drift(old, old.assign(lower=11.0))["qualified"].values["some"] == 100
    assert drift(old, old.assign(n=101.0)).keys() == {"qualified"}
    one = old.copy()
    one.loc[:20, "n"] = 101.0
    assert drift(old, one) == {}


def several(codes: list[str], seed: int = 3, **same: object) -> pd.DataFrame:
    """Three indicators of each area."""
    values = np.random.default_rng(seed).uniform(10, 60, (3, len(codes))).round(1)
    named = zip(("poverty_rate", "decile_ratio", "median_standard_of_living"), values, strict=True)
    return pd.concat([long(dict(zip(codes, row, strict=True)), indicator=name, **same) for name, row in named])


def exchange(frame: pd.DataFrame, one: str, other: str, column: str = "geo_code") -> pd.DataFrame:
    return frame.assign(**{column: frame[column].replace({one: other, other: one})})


def test_codes_of_two_regions_exchanged() -> None:
    old = several([f"{i:02d}" for i in range(11, 24)], geo_level="region")
    told = drift(old, exchange(old, "11", "12"))["exchanged"]
    assert told.values["some"] == 2
    assert {(one.code, one.other) for one in told.examples} == {("11", "12"), ("12", "11")}
    assert "region, 2021 (s@2021): 2 areas have the values that other ones had" in str(told)
    assert "11 : comme 12" in told.told("fr").replace("\u00a0", " ")


def test_exchange_hidden_among_revisions() -> None:
    codes = rates()["geo_code"].tolist()
    old = several(codes)
    new = exchange(old, codes[5], codes[50]).reset_index(drop=True)
    new.loc[60:79, "value"] += 0.3
    assert drift(old, new)["exchanged"].values["some"] == 2


def test_rows_shifted_by_one() -> None:
    """Less than half of them: the share of what changed says nothing."""
    old = rates()
    values = old["value"].sample(frac=1, random_state=5).to_numpy()
    old = old.assign(value=values)
    shifted = values.copy()
    shifted[60:90] = np.roll(values[60:90], 1)
    assert drift(old, old.assign(value=shifted)).keys() >= {"exchanged"}


def test_rounded_rates_that_move_are_no_exchange() -> None:
    """Whole percentages are shared by many areas: that one has what another had says nothing."""
    draw = np.random.default_rng(1)
    old = rates().assign(value=draw.integers(20, 60, 100).astype(float))
    new = old.copy()
    new.loc[:29, "value"] += draw.choice([-1, 1], 30)
    assert drift(old, new) == {}


def test_part_of_the_areas_in_another_order() -> None:
    old = incomes()
    new = old.copy()
    part = new.index[:40]
    new.loc[part, "value"] = new.loc[part, "value"].sample(frac=1, random_state=2).to_numpy() * 1.013
    assert drift(old, new)["ranks"].values["found"] < 0.7  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda v: v * 0.75, "jump"),  # the quartile under the heading of the median
        (lambda v: v.sample(frac=1, random_state=1).to_numpy() * 1.02, "ranks"),  # codes of another order
        (lambda v: v, "copied"),  # the file of the year before under another name
    ],
)
def test_new_edition_unlike_the_one_before(change: object, kind: str) -> None:
    old = incomes()
    new = old.assign(source="s@2022", year=2022, value=np.asarray(change(old["value"])))  # type: ignore[operator]
    told = drift(old, pd.concat([old, new]))
    assert told.keys() == {kind}
    assert told[kind].values["year"] == "2021"


# --- labels and codes --------------------------------------------------------------------------------------------


def communes(number: int = 200) -> pd.DataFrame:
    codes = [f"{department}{index:03d}" for department in ("34", "59", "69", "75") for index in range(number // 4)]
    return pd.DataFrame(
        {
            "code": codes,
            "kind": "COM",
            "name": [f"Commune {code}" for code in codes],
            "department": [code[:2] for code in codes],
            "region": [{"34": "76", "59": "32", "69": "84", "75": "11"}[code[:2]] for code in codes],
        }
    )


def codes_drift(new: pd.DataFrame, old: pd.DataFrame | None = None) -> dict[str, Drift]:
    return drift(communes() if old is None else old, new, "codes/communes")


def test_names_shifted_by_a_row() -> None:
    old = communes()
    assert {"relabelled", "label_taken"} <= codes_drift(old.assign(name=np.roll(old["name"], 1))).keys()
    names = old["name"].to_numpy().copy()
    names[20:60] = np.roll(names[20:60], 1)  # a fifth of them
    told = codes_drift(old.assign(name=names))
    assert told.keys() == {"label_taken"}
    assert told["label_taken"].values == {"some": 40, "all": 40}


def test_two_names_exchanged() -> None:
    old = communes()
    assert codes_drift(exchange(old, "Commune 34001", "Commune 59002", "name")).keys() == {"label_taken"}


def test_parents_exchanged() -> None:
    told = codes_drift(exchange(communes(), "76", "84", "region"))["parents"]
    assert told.values["list"] == "76, 84"
    assert "codes/communes, region : codes qui ont pris la place les uns des autres" in told.told("fr").replace(
        "\u00a0", " "
    )


def test_parents_in_a_circle() -> None:
    old = communes()
    turned = old["region"].replace({"76": "84", "84": "32", "32": "76"})
    assert {"parents", "relabelled"} & codes_drift(old.assign(region=turned)).keys()


def test_department_that_a_table_of_codes_lacks() -> None:
    old = communes(4000)
    small = pd.concat([old, communes().head(5).assign(code=[f"0900{i}" for i in range(5)], department="09")])
    told = codes_drift(old, small)["departments"]  # five rows of four thousand
    assert told.values["list"] == "09"
    kept = small.rename(columns={"department": "other"})
    assert codes_drift(kept[kept["other"] != "09"], kept)["departments"].values["list"] == "09"  # by its codes


def test_renamed_merged_and_new_communes_are_accepted() -> None:
    old = communes()
    new = old.copy()
    new.loc[:3, "name"] = [f"Nouvelle {i}" for i in range(4)]
    new = new[~new["code"].isin(["59001", "59002"])]  # merged into another
    new = pd.concat([new, communes().head(1).assign(code="34900", name="Commune nouvelle")])
    assert codes_drift(new) == {}


def test_intercommunalities_that_merge_are_accepted() -> None:
    """All the communes of one parent go to another: nothing came back in exchange."""
    old = communes().assign(epci=lambda frame: frame["code"].str[:4])
    new = old.assign(epci=old["epci"].replace({"3400": "3401", "5900": "5901"}))
    assert codes_drift(new, old) == {}


def test_populations_follow_the_year() -> None:
    old = communes().assign(population=np.arange(200) + 100)
    assert codes_drift(old.assign(population=np.arange(200) + 103), old) == {}


def test_located_points_a_kilometre_away() -> None:
    old = communes().assign(longitude=np.linspace(2, 4, 200), latitude=44.0)
    told = codes_drift(old.assign(longitude=old["longitude"] + 0.0125), old)["points"]
    assert told.values == {"some": 200, "all": 200}
    assert codes_drift(old.assign(longitude=old["longitude"] + 0.0001), old) == {}


# --- outlines ----------------------------------------------------------------------------------------------------


def quarters(number: int = 30, side: float = 500) -> gpd.GeoDataFrame:
    """Squares around Lille, each with its neighbour two hundred metres away."""
    shapes = [box(700_000 + 700 * i, 7_050_000, 700_000 + 700 * i + side, 7_050_000 + side) for i in range(number)]
    codes = [f"QN0590{i:01d}M" if i > 99 else f"QN059{i:02d}M" for i in range(number)]
    names = [f"Quartier {code}" for code in codes]
    return gpd.GeoDataFrame({"geo_code": codes, "name": names}, geometry=shapes, crs=2154)


def moved(zones: gpd.GeoDataFrame, east: float) -> gpd.GeoDataFrame:
    return zones.assign(geometry=[affinity.translate(shape, east, 0) for shape in zones.geometry])


@pytest.mark.parametrize("east", [1000, 320, 40])
def test_layer_that_moved_as_a_whole(east: float) -> None:
    old = quarters().to_crs(4326)
    new = moved(quarters(), east).to_crs(4326)
    changes = compare_tables({LAYER: old}, {LAYER: new})
    assert changes.outlines == 30
    assert changes.examples["outlines"]["metres"].tolist() == pytest.approx([east] * 20, rel=0.01)
    told = drift(old, new, LAYER)
    assert told["shifted"].values["metres"] == pytest.approx(east, rel=0.01)
    assert (
        f"toute la couche s'est déplacée de {east} m"
        in told["shifted"].told("fr").replace("\u202f", "").replace("1 000", "1000")
        or east == 1000
    )
    assert ("displaced" in told) == (east > 250)  # half of 500 m


def test_outlines_of_neighbours() -> None:
    old = quarters()
    new = old.assign(geometry=np.roll(old.geometry.to_numpy(), 1)).to_crs(4326)
    told = drift(old.to_crs(4326), new, LAYER)
    assert told["outline_taken"].values["some"] == 30
    assert told["displaced"].values["some"] == 30


def test_two_outlines_exchanged() -> None:
    old = quarters()
    shapes = old.geometry.to_numpy().copy()
    shapes[[3, 7]] = shapes[[7, 3]]
    told = drift(old.to_crs(4326), old.assign(geometry=shapes).to_crs(4326), LAYER)
    assert told.keys() == {"outline_taken"}
    assert {(one.code, one.other) for one in told["outline_taken"].examples} == {
        ("QN05903M", "QN05907M"),
        ("QN05907M", "QN05903M"),
    }


def test_outlines_redrawn_added_or_simplified_are_accepted() -> None:
    old = quarters()
    redrawn = old.assign(geometry=old.geometry.buffer(5))  # all of them, with more detail
    assert drift(old.to_crs(4326), redrawn.to_crs(4326), LAYER) == {}
    one = old.copy()
    one.loc[0, "geometry"] = affinity.translate(one.geometry[0], 0, 2000)  # one quarter really is elsewhere
    more = pd.concat([one, moved(quarters(1), 60_000).assign(geo_code="QN05990M")])
    assert drift(old.to_crs(4326), more.to_crs(4326), LAYER) == {}
    simple = old.assign(geometry=old.geometry.buffer(20).simplify(10))
    assert drift(simple.to_crs(4326), old.to_crs(4326), LAYER, snapshot=True).keys() <= {"area"}


def test_part_of_a_layer_that_the_snapshot_keeps() -> None:
    old = quarters()
    assert drift(old.head(10).to_crs(4326), old.to_crs(4326), LAYER, snapshot=True) == {}
    assert "rows" in drift(old.head(10).to_crs(4326), old.to_crs(4326), LAYER)


# --- the first build ---------------------------------------------------------------------------------------------


def test_figures_of_a_snapshot_that_were_rounded() -> None:
    old = rates()
    assert drift(old.round(0), old, snapshot=True) == {}
    quartile = old.assign(value=old["value"] * 0.9)
    assert drift(old.round(0), quartile, snapshot=True).keys() == {"rewritten"}


@pytest.fixture
def known(built_data: Path, producers: Producers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The miniature as the embedded snapshot, with the lock file of its sources; nothing is built yet."""
    current = store.current_store(built_data)
    assert current is not None
    snapshot = Path(shutil.copytree(current.path, tmp_path / "snapshot"))
    shutil.copy(built_data / LOCK_FILE, snapshot / LOCK_FILE)
    monkeypatch.setattr(before_module, "embedded", lambda: store.Store(snapshot, "snapshot"))
    return tmp_path / "data"


THREE = (("QN03401M;62", "QN03401M;61"), ("QN05901I;46", "QN05901I;45"), ("QN07501M;39", "QN07501M;38"))


@pytest.mark.parametrize("way", ["build", "refresh"])
def test_first_build_of_a_known_file(known: Path, way: str) -> None:
    if way == "build":
        report = pipeline.build([ONE])
        assert (report.failures, report.others) == ({}, {})
    else:
        done = refresh(ONE)
        assert done.exit_code() == CHANGED
        assert done.warnings == []


@pytest.mark.parametrize("way", ["build", "refresh"])
def test_first_build_of_a_revised_file_is_told(known: Path, producers: Producers, way: str) -> None:
    producers.edit(EDITION, THREE[0])
    if way == "build":
        assert pipeline.build([ONE]).others == {ONE: [EDITION]}
    else:
        done = refresh(ONE)
        assert done.exit_code() == CHANGED
        assert ("other_file", EDITION) in done.warnings
        assert "dans un autre fichier que celui de l'instantané" in done._repr_html_().replace("&#39;", "'")
    assert Folder(known).figures().set_index("geo_code")["value"]["QN03401M"] == 61.0


@pytest.mark.parametrize("changes", [THREE, (("QN03401M;62\r\n", ""), ("QN05901I;46\r\n", ""))], ids=["median", "half"])
def test_first_build_of_what_a_refresh_would_refuse(
    known: Path, producers: Producers, changes: tuple[tuple[str, str], ...]
) -> None:
    """All values revised, whatever their size, or half of the rows: put aside, as if they were in use."""
    producers.edit(EDITION, *changes)
    with pytest.raises(StoreError, match=r"not like those in use or those of the package's snapshot"):
        pipeline.build([ONE])
    report = refresh(ONE)  # the file is recorded by now, and known no better
    assert report.exit_code() == FAILED
    assert "those of the package's snapshot" in outcome(report).problem
    assert outcome(report).drift
    assert store.current_store() is None
    told = report.save(known.parent / "r.md").read_text(encoding="utf-8")
    assert "sur" in told and "2021" in told
    assert refresh(ONE, accept=[ONE]).exit_code() == CHANGED
    assert refresh(ONE).exit_code() == NOTHING


def test_first_build_of_another_file_that_a_person_accepts(known: Path, producers: Producers) -> None:
    producers.edit(EDITION, *THREE)
    assert pipeline.build([ONE], accept_changes=True).failures == {}


# --- in use ------------------------------------------------------------------------------------------------------


def test_outlines_in_use_that_move(workspace: Path, producers: Producers) -> None:
    """From the producer's file to the report: refused with the code of a drift, told in both languages."""
    import json

    key = "anct_qpv2024@2026-01"
    import producers as miniature

    content = miniature.contents()[key]
    members = miniature.members_of(content)
    ((name, text),) = ((one, data) for one, data in members.items() if one.endswith("json"))
    layer = json.loads(text)

    def east(part: list[object]) -> list[object]:
        if isinstance(part[0], list):
            return [east(one) for one in part]  # type: ignore[arg-type]
        return [part[0] + 0.013, *part[1:]]  # type: ignore[operator]

    for feature in layer["features"]:
        if feature["geometry"]:
            feature["geometry"]["coordinates"] = east(feature["geometry"]["coordinates"])
    producers.replace(key, miniature.archive({**members, name: json.dumps(layer).encode()}))
    report = qs.refresh(["anct_qpv2024"])
    assert report.exit_code() == FAILED
    one = outcome(report, "anct_qpv2024")
    assert one.changes.outlines >= 3
    assert {found.kind for found in one.drift} >= {"displaced"}
    for lang, words in (("fr", "contours sur"), ("en", "outlines are elsewhere")):
        told = report.save(workspace / f"{lang}.md", lang=lang).read_text(encoding="utf-8")
        assert words in told
