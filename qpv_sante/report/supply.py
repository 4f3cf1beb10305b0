"""Parts on care supply: structures in and around QPV, and facilities of their communes against others'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qpv_sante import care, intervals, listing, loading, style
from qpv_sante.care.communes import DOUBTFUL, PER, POPULATION_YEAR, SOURCE, YEAR, load_commune_counts, together
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import ComparabilityError, StoreError, UnknownNameError
from qpv_sante.findings import LEAST_RATIO, uncapitalised
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.report.diagnosis_words import HEADER_NEAR, HEADER_RATIO, HEADER_SUPPLY
from qpv_sante.report.diagnosis_words import WORDS as SAID
from qpv_sante.report.facts import WIDE
from qpv_sante.report.page import Section, Table
from qpv_sante.report.sections import Made, span, with_span
from qpv_sante.report.words import HEADER_CARE_ONE, WORDS
from qpv_sante.territories import Territory

# of a territory with many QPV: one count a quarter
_ONE_COUNT, _ONE_DISTANCE = "health_structures", 500.0
_MAX_ROWS, _MAX_QUARTERS, _MAX_COMMUNES = 30, 6, 12
# What a commune's supply is told by, in order; the sentences leave out what the base counts badly
COMPARED_FACILITIES = (
    *("general_practitioners", "specialists", "dentists", "nurses"),
    *("pharmacies", "health_houses", "health_centres"),
)
_STRUCTURES = ("health_houses", "health_centres")  # rare: their densities need a decimal more
_MOST_FINDINGS = 6
GAP_COLUMNS = (
    *("place", "indicator", "label", "value", "population", "density", "density_lower", "density_upper", "reference"),
    *("reference_label", "reference_density", "ratio", "ratio_lower", "ratio_upper", "interval", "flag"),
)


def care_section(scope: Territory | None, geo_vintage: int, lang: style.Lang) -> Made | None:
    """Care supply in and around QPV; none where its sources were never built or say nothing of the territory.

    Of one QPV every count, with those of its communes together. Of several, a summary, and one count a quarter or, up
    to six of them, each kind of structure at each distance. Quarters that the source does not cover are said to be so.
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
        table = _one_quarter(kept[kept["indicator"] != _ONE_COUNT], numbered, lang)
    else:
        names = _named(kept["geo_code"], geo_vintage)
        rows = [_row(row, names, numbered, lang) for row in kept.head(_MAX_ROWS).to_dict("records")]
        one = kept.iloc[0]
        caption = SAID["near_caption"][lang].format(year=one["year"], people=one["population_year"])
        table = Table(style.typography(caption, lang), HEADER_NEAR[lang], rows, text_columns=(0, 4, 5))
    notes = [(WORDS["care_note"] if single else SAID["near_note"])[lang]]
    notes += [f"({number}) {style.capitalise(text)}." for text, number in numbered.items()]
    if len(kept) > _MAX_ROWS and not single:
        notes.append(WORDS["cut"][lang].format(shown=_MAX_ROWS, total=len(kept)))
    cited = listing.cite(kept.assign(source=kept["source"].replace("", pd.NA))).split("\n")
    said = [] if single else [_summary(quarters, lang)]
    return Section(title, said, table=table, notes=[style.typography(note, lang) for note in notes]), cited


def _one_quarter(supply: pd.DataFrame, numbered: dict[str, int], lang: style.Lang) -> Table:
    """One row a kind of structure or professional: the quarter at each distance, then its communes together."""
    distances = sorted(supply["distance_m"].dropna().unique())
    inside, far = WORDS["care_inside"][lang], WORDS["care_within"][lang]
    measured = [inside if d == 0 else far.format(metres=style.format_number(d, 0, lang=lang)) for d in distances]
    around = supply[supply["geo_level"] == "commune"]
    names = list(around["name"].unique())
    if len(names) > 1:
        told = WORDS["care_communes"][lang].format(number=len(names))
        supply = pd.concat([supply[supply["geo_level"] == "qpv"], together(around, told, lang)], ignore_index=True)
    else:
        told = names[0] if names else WORDS["care_commune"][lang]
    first, year, *rest = (name.format(communes=told) for name in HEADER_CARE_ONE[lang])
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
                _count(one, lang) if of_commune else "–",
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
    caption = WORDS["care_caption"][lang].format(names=_listed(names, lang)) if names else WORDS["care"][lang]
    return Table(style.typography(caption, lang), header, rows, text_columns=(0, len(header) - 2, len(header) - 1))


def _listed(names: list[str], lang: style.Lang) -> str:
    """Names one after the other, as a sentence has them."""
    last = {"fr": " et ", "en": " and "}[lang]
    return last.join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _count(row: Any, lang: style.Lang) -> str:
    """A number, with its bounds where the locations leave a doubt."""
    text = style.format_number(row["value"], 0, lang=lang)
    doubtful = pd.notna(row["lower"]) and row["lower"] != row["upper"]
    return with_span(text, span(row["lower"], row["upper"], 0, lang)) if doubtful else text


def _summary(quarters: pd.DataFrame, lang: style.Lang) -> str:
    """How many QPV have a structure, inside and near; those that the source does not cover are not counted."""
    counts = quarters[(quarters["indicator"] == _ONE_COUNT) & quarters["value"].notna()]

    def number(distance: float) -> str:
        at = counts[counts["distance_m"] == distance]
        # beyond what the source covers, there may be one
        sides = [int((at[name].fillna(np.inf) > 0).sum()) for name in ("value", "lower", "upper")]
        shown, low, high = (style.format_number(side, 0, lang=lang) for side in sides)
        text = SAID["near_count"][lang].format(number=shown, total=style.format_number(len(at), 0, lang=lang))
        return text + (SAID["near_doubt"][lang].format(low=low, high=high) if sides[1] != sides[2] else "")

    text = SAID["near_summary"][lang].format(inside=number(0.0), near=number(_ONE_DISTANCE))
    return style.typography(text, lang)


def _named(codes: pd.Series, geo_vintage: int) -> dict[str, str]:
    """Quarters with their code and their communes: many bear the same name."""
    places = loading.gazetteer()
    names = places.communes.set_index("code")["name"]
    table = places.qpv_in(None, geo_vintage).set_index("geo_code").loc[codes.unique()]
    return {
        code: f"{row.name_}, {', '.join(names.get(one, one) for one in row.communes.split(';'))} ({code})"
        for code, row in zip(table.index, table.rename(columns={"name": "name_"}).itertuples(), strict=True)
    }


def _row(row: dict[Any, Any], names: dict[str, str], numbered: dict[str, int], lang: style.Lang) -> list[str]:
    """The structures of a quarter at one distance; the note is added to those already numbered."""
    metres = row["distance_m"]
    note = row["note"] if isinstance(row["note"], str) else ""
    density = span(row["density_lower"], row["density_upper"], 1, lang)
    return [
        names[row["geo_code"]],
        WORDS["care_inside"][lang] if metres == 0 else style.format_number(metres, 0, lang=lang, symbol="m"),
        _count(row, lang),
        with_span(style.format_number(row["density"], 1, lang=lang), density),
        FLAG_LABELS[str(row["flag"])][lang],
        f"({numbered.setdefault(note, len(numbered) + 1)})" if note else "",
    ]


def commune_gaps(place: Territory | None, geo_vintage: int, lang: style.Lang = "fr") -> pd.DataFrame:
    """Professionals and structures per inhabitant of a territory's communes, against the other communes around them.

    Parameters
    ----------
    place : Territory or None
    geo_vintage : int
        Zoning of the QPV: of a wide territory, the communes that host them are taken together.
    lang : {"fr", "en"}

    Returns
    -------
    DataFrame
        One row a place (each commune, up to twelve, then all of them together), kind of facility and reference
        (`department`, `region`, `country`: the other communes of these, the place's own taken out). `density` is per
        10,000 inhabitants with exact Poisson limits at 95 %, `ratio` that of the place over the reference, of two
        Poisson rates. A commune of which the base says nothing is left out, and `flag` is then `unreliable`; so it is
        of pharmacies, which the base counts badly (see the caveats of the catalogue).

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
        said = SAID["hosts" if wide else "together"][lang]
        groups[said.format(number=len(listed))] = list(listed)
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
                doubtful = indicator in DOUBTFUL or (~usable[own]).any() or (flag[own] == "unreliable").any()
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
    references = gaps.drop_duplicates("reference").set_index("reference")["reference_label"]
    rows = []
    for (place_name, label), found in gaps.groupby(["place", "label"], sort=False):
        one, at = found.iloc[0], found.set_index("reference")
        decimals = _decimals(one["indicator"])
        density = span(one["density_lower"], one["density_upper"], decimals, lang)
        cells = [style.format_number(one["value"], 0, lang=lang)]
        cells.append(with_span(style.format_number(one["density"], decimals, lang=lang), density))
        for reference in references.index:
            ratio = span(at.loc[reference, "ratio_lower"], at.loc[reference, "ratio_upper"], 2, lang)
            cells.append(style.format_number(at.loc[reference, "reference_density"], decimals, lang=lang))
            cells.append(with_span(style.format_number(at.loc[reference, "ratio"], 2, lang=lang), ratio))
        rows.append([str(place_name), str(label), *cells, FLAG_LABELS[str(one["flag"])][lang]])
    order = {name: rank for rank, name in enumerate(gaps["place"].unique())}
    rows.sort(key=lambda row: order[row[0]])
    ratio_header, flag_header = HEADER_RATIO[lang]
    several = SAID["rest_departments"][lang]
    named = ["departments" if label == several else reference for reference, label in references.items()]
    beside = [head for name in named for head in (SAID["beside"][name][lang], ratio_header)]
    header = (*HEADER_SUPPLY[lang], *beside, flag_header)
    title = SAID["supply"][lang]
    caption = SAID["supply_caption"][lang]
    texts: tuple[int, ...] = (0, 1, len(header) - 1)
    if len(order) == 1:
        # one place for every row: the caption names it
        caption = f"{next(iter(order))}{' : ' if lang == 'fr' else ': '}{uncapitalised(caption)}"
        header, rows, texts = header[1:], [row[1:] for row in rows], (0, len(header) - 2)
    table = Table(style.typography(caption, lang), header, rows, text_columns=texts)
    note = style.typography(SAID["supply_note"][lang].format(year=YEAR, people=POPULATION_YEAR), lang)
    source = catalogue().source(SOURCE).key(str(YEAR))
    return Section(title, supply_findings(gaps, lang), table=table, notes=[note]), listing.cite(source).split("\n")


def _decimals(indicator: str) -> int:
    return 2 if indicator in _STRUCTURES else 1


def supply_findings(gaps: pd.DataFrame, lang: style.Lang = "fr") -> list[str]:
    """Sentences on the nearest reference of each place, where the interval of the ratio leaves 1 on one side.

    The farthest from 1 first, by the bound, six at most; what has no direction is named, place by place. What the
    base counts badly is in the table only.
    """
    near = gaps[~gaps["indicator"].isin(DOUBTFUL)].drop_duplicates(["place", "indicator"])
    said: list[tuple[float, str]] = []
    undecided: dict[str, list[str]] = {}
    for row in near.to_dict("records"):
        low, high = row["ratio_lower"], row["ratio_upper"]
        least = low if low > 1 else 1 / high if pd.notna(high) and 0 < high < 1 else 1.0
        if least < LEAST_RATIO:
            short = catalogue().indicator(str(row["indicator"])).short[lang]
            undecided.setdefault(str(row["place"]), []).append(uncapitalised(short))
            continue
        decimals = _decimals(row["indicator"])
        text = SAID["supply_finding" if row["value"] else "supply_nothing"][lang].format(
            place=row["place"],
            density=style.format_number(row["density"], decimals, lang=lang),
            label=uncapitalised(str(row["label"])),
            year=YEAR,
            reference=style.format_number(row["reference_density"], decimals, lang=lang),
            against=row["reference_label"],
            ratio=style.format_number(row["ratio"], 2, lang=lang),
            low=style.format_number(low, 2, lang=lang),
            high=style.format_number(high, 2, lang=lang),
        )
        text += SAID["supply_doubt"][lang] if row["flag"] == "unreliable" else ""
        said.append((-least, style.typography(text, lang)))
    texts = [text for _, text in sorted(said)]
    if len(texts) > _MOST_FINDINGS:
        texts = [*texts[:_MOST_FINDINGS], SAID["supply_more"][lang]]
    if undecided:
        names = [f"{place} ({', '.join(kinds)})" for place, kinds in undecided.items()]
        joined = (" ; " if lang == "fr" else "; ").join(names)
        texts.append(style.typography(SAID["supply_undecided"][lang].format(names=joined), lang))
    return texts
