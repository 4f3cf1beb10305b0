"""Parts on care supply: structures in and around QPV, and facilities of their communes against others'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qpv_sante import care, intervals, listing, loading, style
from qpv_sante.care.communes import PER, POPULATION_YEAR, SOURCE, YEAR, load_commune_counts
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import ComparabilityError, StoreError, UnknownNameError
from qpv_sante.findings import LEAST_RATIO
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.report.diagnosis_words import HEADER_SUPPLY
from qpv_sante.report.diagnosis_words import WORDS as SAID
from qpv_sante.report.facts import WIDE
from qpv_sante.report.page import Section, Table
from qpv_sante.report.sections import Made, span, with_span
from qpv_sante.report.words import HEADER_CARE, HEADER_CARE_ONE, WORDS
from qpv_sante.territories import Territory

# of a territory with many QPV: one count a quarter
_ONE_COUNT, _ONE_DISTANCE = "health_structures", 500.0
_MAX_ROWS, _MAX_QUARTERS, _MAX_COMMUNES = 30, 6, 12
# Professionals that the base counts well enough to be compared (pharmacies are not, see the catalogue)
COMPARED_FACILITIES = ("general_practitioners", "nurses")
GAP_COLUMNS = (
    *("place", "indicator", "label", "value", "population", "density", "density_lower", "density_upper", "reference"),
    *("reference_label", "reference_density", "ratio", "ratio_lower", "ratio_upper", "interval", "flag"),
)


def care_section(scope: Territory | None, geo_vintage: int, lang: style.Lang) -> Made | None:
    """Care supply in and around QPV; none where its sources were never built or say nothing of the territory.

    Of one QPV every count, with those of its communes. Of several, a summary, and one count a quarter or, up to six of
    them, each kind of structure at each distance. Quarters that the source does not cover are said to be so.
    """
    try:
        supply = care.care_supply(scope, geo_vintage=geo_vintage, lang=lang)
    except (StoreError, ComparabilityError, UnknownNameError):
        return None
    single = scope is not None and scope.level == "qpv"
    quarters = supply[supply["geo_level"] == "qpv"]
    if single:
        kept = supply
    elif quarters["geo_code"].nunique() <= _MAX_QUARTERS:
        kept = quarters[quarters["indicator"] == _ONE_COUNT]
    else:
        kept = quarters[(quarters["indicator"] == _ONE_COUNT) & (quarters["distance_m"] == _ONE_DISTANCE)]
    title = WORDS["care"][lang] if single else SAID["near"][lang]
    if kept.empty or (kept["flag"] == "unavailable").all():
        if single or quarters.empty:
            return None
        return Section(title, findings=[style.typography(SAID["near_absent"][lang], lang)]), []
    numbered: dict[str, int] = {}
    if single:
        table = _one_quarter(kept[kept["indicator"] != _ONE_COUNT], title, numbered, lang)
    else:
        rows = [_row(row, numbered, lang) for row in kept.head(_MAX_ROWS).to_dict("records")]
        table = Table(title, HEADER_CARE[lang], rows, text_columns=(0, 1, 8))
    notes = [WORDS["care_note"][lang]]
    notes += [f"({number}) {style.capitalise(text)}." for text, number in numbered.items()]
    if len(kept) > _MAX_ROWS and not single:
        notes.append(WORDS["cut"][lang].format(shown=_MAX_ROWS, total=len(kept)))
    cited = listing.cite(kept.assign(source=kept["source"].replace("", pd.NA))).split("\n")
    said = [] if single else [_summary(quarters, lang)]
    return Section(title, said, table=table, notes=[style.typography(note, lang) for note in notes]), cited


def _one_quarter(supply: pd.DataFrame, title: str, numbered: dict[str, int], lang: style.Lang) -> Table:
    """One row a kind of structure or professional: the quarter at each distance, then each of its communes."""
    distances = sorted(supply["distance_m"].dropna().unique())
    inside, far = WORDS["care_inside"][lang], WORDS["care_within"][lang]
    measured = [inside if d == 0 else far.format(metres=style.format_number(d, 0, lang=lang)) for d in distances]
    first, year, *rest = HEADER_CARE_ONE[lang]
    rows = []
    for key, counts in supply.groupby(["geo_level", "geo_code", "indicator", "year"], sort=False, dropna=False):
        at = counts.set_index("distance_m")
        of_commune = key[0] != "qpv"
        cells = [_count(at.loc[d], lang) if d in at.index else "–" for d in distances]
        one = counts.iloc[0]
        notes = {str(note) for note in counts["note"] if isinstance(note, str) and note}
        marks = [f"({numbered.setdefault(note, len(numbered) + 1)})" for note in sorted(notes)]
        flag = counts["flag"].astype("str")
        rows.append(
            [
                str(one["label"]),
                "–" if pd.isna(one["year"]) else f"{one['year']:.0f}",
                *cells,
                f"{one['name']} : {_count(one, lang)}" if of_commune else "–",
                with_span(
                    style.format_number(one["density"], 1, lang=lang),
                    span(one["density_lower"], one["density_upper"], 1, lang),
                )
                if of_commune
                else "–",
                ", ".join(FLAG_LABELS[name][lang] for name in dict.fromkeys(flag)),
                " ".join(marks),
            ]
        )
    header = (first, year, *(style.capitalise(one) for one in measured), *rest)
    return Table(title, header, rows, text_columns=(0, len(header) - 2))


def _count(row: Any, lang: style.Lang) -> str:
    """A number, with its bounds where the locations leave a doubt."""
    text = style.format_number(row["value"], 0, lang=lang)
    doubtful = pd.notna(row["lower"]) and row["lower"] != row["upper"]
    return with_span(text, span(row["lower"], row["upper"], 0, lang)) if doubtful else text


def _summary(quarters: pd.DataFrame, lang: style.Lang) -> str:
    """How many QPV have a structure, inside and near; those that the source does not cover are not counted."""
    counts = quarters[(quarters["indicator"] == _ONE_COUNT) & quarters["value"].notna()]
    number = {
        distance: int((counts.loc[counts["distance_m"] == distance, "value"] > 0).sum())
        for distance in (0.0, _ONE_DISTANCE)
    }
    total = counts["geo_code"].nunique()
    text = SAID["near_summary"][lang].format(inside=number[0.0], near=number[_ONE_DISTANCE], total=total)
    return style.typography(text, lang)


def _row(row: dict[Any, Any], numbered: dict[str, int], lang: style.Lang) -> list[str]:
    """One count as printed; its note is added to those already numbered."""
    metres = row["distance_m"]
    inside = WORDS["care_inside"][lang]
    far = "–" if pd.isna(metres) else inside if metres == 0 else style.format_number(metres, 0, lang=lang, symbol="m")
    note = row["note"] if isinstance(row["note"], str) else ""
    return [
        f"{row['name']} ({listing.level_label(str(row['geo_level']), lang)})",
        str(row["label"]),
        "–" if pd.isna(row["year"]) else f"{row['year']:.0f}",
        far,
        style.format_number(row["value"], 0, lang=lang),
        span(row["lower"], row["upper"], 0, lang),
        style.format_number(row["density"], 1, lang=lang),
        span(row["density_lower"], row["density_upper"], 1, lang),
        FLAG_LABELS[str(row["flag"])][lang],
        f"({numbered.setdefault(note, len(numbered) + 1)})" if note else "",
    ]


def commune_gaps(place: Territory | None, geo_vintage: int, lang: style.Lang = "fr") -> pd.DataFrame:
    """Professionals per inhabitant of a territory's communes, against the other communes around them.

    Parameters
    ----------
    place : Territory or None
    geo_vintage : int
        Zoning of the QPV: of a wide territory, the communes that host them are taken together.
    lang : {"fr", "en"}

    Returns
    -------
    DataFrame
        One row a place (each commune, up to twelve, then all of them together), kind of professional and reference
        (`department`, `region`, `country`: the other communes of these, the place's own taken out). `density` is per
        10,000 inhabitants with exact Poisson limits at 95 %, `ratio` that of the place over the reference, of two
        Poisson rates. A commune of which the base says nothing is left out, and `flag` is then `unreliable`.

    Raises
    ------
    StoreError
        The base was never built.
    """
    places = loading.gazetteer()
    communes = places.communes
    inside = pd.Series(True, index=communes.index) if place is None else places.communes_in(place)
    wide = place is None or place.level in WIDE
    if wide:
        hosts = places.qpv_in(place, geo_vintage)["communes"].str.split(";").explode()
        inside &= communes["code"].isin(hosts)
    listed = communes.index[inside]
    groups = {} if wide or len(listed) > _MAX_COMMUNES else {communes.loc[i, "name"]: [i] for i in listed}
    if len(listed) > 1 or not groups:
        groups[SAID["hosts"][lang]] = list(listed)
    rows = []
    for indicator in COMPARED_FACILITIES:
        counts = load_commune_counts(indicator).set_index("geo_code")
        value = communes["code"].map(counts["value"]).astype(float)
        flag = communes["code"].map(counts["flag"])
        usable = value.notna() & communes["population"].notna()
        for name, members in groups.items():
            own = communes.index.isin(members)
            for reference, around in _around(communes, inside, wide, place).items():
                other = around & ~own & usable
                base = {"place": name, "indicator": indicator, "label": catalogue().indicator(indicator).label[lang]}
                base |= {"reference": reference, "reference_label": _rest(reference, communes, inside, lang)}
                doubtful = (~usable[own]).any() or (flag[own] == "unreliable").any()
                rows.append(base | _ratio(value, communes["population"], own & usable, other, bool(doubtful)))
    return pd.DataFrame(rows, columns=list(GAP_COLUMNS))


def _around(
    communes: pd.DataFrame, inside: pd.Series, wide: bool, place: Territory | None
) -> dict[str, pd.Series | np.ndarray]:
    """The references: masks over the communes."""
    everywhere = pd.Series(True, index=communes.index)
    if place is None or place.level == "country":
        return {"country": everywhere}
    level = "region" if place.level == "region" else "department"
    near = communes[level].isin(communes.loc[inside, level].unique())
    return {level: near, "country": everywhere}


def _rest(reference: str, communes: pd.DataFrame, inside: pd.Series, lang: style.Lang) -> str:
    several = reference == "department" and communes.loc[inside, "department"].nunique() > 1
    return str(SAID[f"rest_{reference}{'s' if several else ''}"][lang])


def _ratio(value: pd.Series, people: pd.Series, own: Any, other: Any, doubtful: bool) -> dict[str, Any]:
    """Densities and their ratio; no ratio where one side has nobody or the reference nothing."""
    number, population = float(value[own].sum()), float(people[own].sum())
    others, around = float(value[other].sum()), float(people[other].sum())
    blank = dict.fromkeys(("density", "density_lower", "density_upper", "reference_density"), np.nan)
    blank |= dict.fromkeys(("ratio", "ratio_lower", "ratio_upper"), np.nan)
    told = {"value": number, "population": population, "interval": "none", "flag": "unavailable"}
    if not population:
        return blank | told | {"value": np.nan}
    density = intervals.rate(number, population, multiplier=PER, interval="process").iloc[0]
    sides = {"density": density["value"], "density_lower": density["lower"], "density_upper": density["upper"]}
    told |= {"flag": "unreliable" if doubtful else "observed"}
    if not (around and others):
        return blank | told | sides
    ratio = intervals.ratio_of_rates(number, population, others, around, interval="process").iloc[0]
    limits = {"ratio": ratio["value"], "ratio_lower": ratio["lower"], "ratio_upper": ratio["upper"]}
    return blank | told | sides | limits | {"reference_density": PER * others / around, "interval": "process"}


def commune_section(place: Territory | None, geo_vintage: int, lang: style.Lang) -> Made | None:
    """Professionals of the communes against those of the communes around them; none where they were never built."""
    try:
        gaps = commune_gaps(place, geo_vintage, lang)
    except StoreError:
        return None
    rows = [
        [
            str(row.place),
            str(row.label),
            style.format_number(row.value, 0, lang=lang),
            with_span(
                style.format_number(row.density, 1, lang=lang), span(row.density_lower, row.density_upper, 1, lang)
            ),
            str(row.reference_label),
            style.format_number(row.reference_density, 1, lang=lang),
            with_span(style.format_number(row.ratio, 2, lang=lang), span(row.ratio_lower, row.ratio_upper, 2, lang)),
            FLAG_LABELS[str(row.flag)][lang],
        ]
        for row in gaps.sort_values(["place", "indicator"], kind="stable", key=_as_listed).itertuples(index=False)
    ]
    title = SAID["supply"][lang]
    table = Table(SAID["supply_caption"][lang], HEADER_SUPPLY[lang], rows, text_columns=(0, 1, 4, 7))
    note = style.typography(SAID["supply_note"][lang].format(year=YEAR, people=POPULATION_YEAR), lang)
    source = catalogue().source(SOURCE).key(str(YEAR))
    return Section(title, supply_findings(gaps, lang), table=table, notes=[note]), listing.cite(source).split("\n")


def _as_listed(column: pd.Series) -> pd.Series:
    """Order of first appearance."""
    return column.map({name: rank for rank, name in enumerate(column.unique())})


def supply_findings(gaps: pd.DataFrame, lang: style.Lang = "fr") -> list[str]:
    """Sentences on the nearest reference of each place, where the interval of the ratio leaves 1 on one side.

    The farthest from 1 first, by the bound; places without a direction are named.
    """
    near = gaps.drop_duplicates(["place", "indicator"])
    said, undecided = [], []
    for row in near.to_dict("records"):
        low, high = row["ratio_lower"], row["ratio_upper"]
        least = low if low > 1 else 1 / high if pd.notna(high) and 0 < high < 1 else 1.0
        if least < LEAST_RATIO:
            undecided.append(f"{row['place']}, {str(row['label']).lower()}")
            continue
        text = SAID["supply_finding"][lang].format(
            place=row["place"],
            density=style.format_number(row["density"], 1, lang=lang),
            label=str(row["label"]).lower(),
            year=YEAR,
            reference=style.format_number(row["reference_density"], 1, lang=lang),
            against=row["reference_label"],
            ratio=style.format_number(row["ratio"], 2, lang=lang),
            low=style.format_number(low, 2, lang=lang),
            high=style.format_number(high, 2, lang=lang),
        )
        said.append((-least, style.typography(text, lang)))
    texts = [text for _, text in sorted(said)]
    if undecided:
        names = " ; ".join(undecided) if lang == "fr" else "; ".join(undecided)
        texts.append(style.typography(SAID["supply_undecided"][lang].format(names=names), lang))
    return texts
