"""Parts on practices: those that documents name near the QPV of a territory, and the webinar's slide."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qpv_sante import initiatives, listing, loading, slide, style
from qpv_sante.care.nearby import UNKNOWN_PRECISION_M
from qpv_sante.catalogue import catalogue
from qpv_sante.initiative_links import RELATIONS, attach_initiatives
from qpv_sante.report.diagnosis_words import HEADER_PRACTICES, HEADER_SLIDE, WORDS
from qpv_sante.report.facts import Compare
from qpv_sante.report.page import Section, Table
from qpv_sante.report.sections import Made, span, with_span
from qpv_sante.territories import Territory

_FEW_QUARTERS = 4


def practices_of(place: Territory | None, geo_vintage: int, lang: style.Lang = "fr") -> pd.DataFrame:
    """Practices in or near the QPV of a territory, one row each, with the strongest relation.

    Parameters
    ----------
    place : Territory or None
    geo_vintage : int
    lang : {"fr", "en"}

    Returns
    -------
    DataFrame
        `id, name, kind_label, place` (its places in these communes, each with the precision to which it is known),
        `relation, distance_m, uncertain` (the strongest, and the least distance known), `quarters` (names of the QPV
        so related, nearest first, each with its distance where they are nearby), `counted` (what the document counts,
        with the interval of shares whose sample is given), `source, note`. Empty where no practice is named, or no
        outline is published.
    """
    columns = ["id", "name", "kind_label", "place", "relation", "distance_m", "uncertain", "quarters", "counted"]
    columns += ["source", "note"]
    zones = loading.load_zones("qpv", vintage=geo_vintage)
    inside = loading.gazetteer().qpv_in(place, geo_vintage)["geo_code"]
    zones = zones[zones["geo_code"].isin(inside) & zones.geometry.notna()]
    if zones.empty:
        return pd.DataFrame(columns=columns)
    listed = initiatives.load_initiatives(lang=lang)
    related = attach_initiatives(zones, initiatives=listed, lang=lang)
    hosts = loading.gazetteer().qpv_in(place, geo_vintage)["communes"].str.split(";").explode()
    known = listed["precision"].map(lambda precision: WORDS["precision"][precision][lang])
    listed = listed.assign(where=listed["place"] + " (" + known + ")")
    here = listed[listed["commune_code"].isin(hosts)].groupby("id")["where"]
    places = here.agg(lambda names: style.typography(" ; ".join(names), lang))
    rows = []
    for name, found in related.groupby("id", sort=False):
        strongest = min(found["relation"], key=RELATIONS.index)
        near = found[found["relation"] == strongest].sort_values("distance_m", kind="stable")
        first = found.iloc[0]
        rows.append(
            {
                "id": name,
                "name": first["name"],
                "kind_label": first["kind_label"],
                "place": places.get(name, first["place"]),
                "relation": strongest,
                "distance_m": near["distance_m"].min(),
                "uncertain": bool(near["uncertain"].iloc[0]),
                "quarters": _quarters(near, lang),
                "counted": _counted(str(name), lang),
                "source": first["source"],
                "note": first["note"],
            }
        )
    rank = {relation: order for order, relation in enumerate(RELATIONS)}
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values("relation", key=lambda column: column.map(rank), kind="stable", ignore_index=True)


def _quarters(near: pd.DataFrame, lang: style.Lang) -> list[str]:
    """Names of QPV, and how far each is where several are nearby."""
    if len(near) == 1 or near["relation"].iloc[0] != "nearby":
        return [str(name) for name in near["qpv_name"]]
    metres = [style.format_number(one, 0, lang=lang, symbol="m") for one in near["distance_m"]]
    return [f"{name} ({far})" for name, far in zip(near["qpv_name"], metres, strict=True)]


def _counted(name: str, lang: style.Lang) -> str:
    """What a document counts of a practice; a share has its interval, or the reason why it has none."""
    figures = initiatives.initiative_figures(lang=lang)
    said = []
    for row in figures[figures["id"] == name].to_dict("records"):
        unit = row["unit"] if isinstance(row["unit"], str) else ""
        about = WORDS["about"][lang] if row["approximate"] else ""
        if unit != "%":
            value = about + style.format_number(row["value"], 0, lang=lang) + (f" {unit}" if unit else "")
            said.append(f"{row['label']}{' : ' if lang == 'fr' else ': '}{value}")
            continue
        low, high = (style.format_number(row[side], 0, lang=lang, symbol="%") for side in ("lower", "upper"))
        known = pd.notna(row["lower"])
        why = WORDS["wilson"][lang].format(low=low, high=high) if known else WORDS["no_interval"][lang]
        size = f"n = {row['n']}, " if known else ""
        share = about + style.format_number(row["value"], 0, lang=lang, symbol="%")
        said.append(f"{share} {row['label']} ({size}{why})")
    return style.typography(" ; ".join(said), lang)


def practices_section(place: Territory | None, geo_vintage: int, lang: style.Lang) -> Made:
    """Practices that the project's documents name in or near these QPV."""
    found = practices_of(place, geo_vintage, lang)
    title = WORDS["practices"][lang]
    if found.empty:
        return Section(title, notes=[style.typography(WORDS["practices_none"][lang], lang)]), []
    rows = [
        [
            str(row["name"]) or "–",
            str(row["kind_label"]),
            str(row["place"]),
            WORDS["relation"][row["relation"]][lang],
            _distance(row, lang),
            ", ".join(row["quarters"])
            if len(row["quarters"]) <= _FEW_QUARTERS
            else WORDS["number"][lang].format(n=len(row["quarters"])),
            str(row["counted"]) or "–",
            str(row["source"]),
        ]
        for row in found.to_dict("records")
    ]
    table = Table(WORDS["practices_caption"][lang], HEADER_PRACTICES[lang], rows, text_columns=(0, 1, 2, 3, 5, 6, 7))
    told = [f"{row['name'] or row['kind_label']}. {row['note']}" for row in found.to_dict("records") if row["note"]]
    notes = [style.typography(note, lang) for note in (*told, WORDS["practices_note"][lang])]
    return Section(title, table=table, notes=list(dict.fromkeys(notes))), []


def _distance(row: dict[Any, Any], lang: style.Lang) -> str:
    """The distance as printed, with the doubt on it where it may change the relation."""
    metres = style.format_number(row["distance_m"], 0, lang=lang, symbol="m")
    doubt = style.format_number(UNKNOWN_PRECISION_M, 0, lang=lang, symbol="m")
    return f"{metres} (±\u00a0{doubt})" if row["uncertain"] else metres


def slide_section(compare: Compare, lang: style.Lang) -> Made:
    """The webinar's statements beside the nearest figures of open data."""
    frame = slide.webinar_slide(lang=lang, compare=compare)
    rows = [slide_row(row, lang) for row in frame.to_dict("records")]
    title = WORDS["slide"][lang]
    table = Table(str(frame["document"].iloc[0]), HEADER_SLIDE[lang], rows, text_columns=(0, 1, 2, 4, 5))
    known = frame[frame["measure"].isin(["qpv", "gap", "health", "care"])]
    keys = [key for keys in known["source"] for key in str(keys).split(", ") if key]
    cited = [line for key in dict.fromkeys(keys) for line in listing.cite(key).split("\n")]
    return Section(title, table=table, notes=[style.typography(WORDS["slide_note"][lang], lang)]), cited


def _placed(row: dict[Any, Any], decimals: int, lang: style.Lang) -> str:
    """What the doubt on the place of structures leaves possible of their count."""
    between = span(row["least"], row["most"], decimals, lang)
    return style.typography(WORDS["slide_placed"][lang].format(between=between), lang) if between != "–" else ""


def slide_row(row: dict[Any, Any], lang: style.Lang) -> list[str]:
    """A statement and its figure as printed: cells of `HEADER_SLIDE`."""
    known = catalogue().indicators.get(str(row["indicator"]))
    decimals = known.decimals if known and row["measure"] != "contrast" else 1
    symbol = style.unit_symbol(str(row["unit"]))

    def number(value: float) -> str:
        return style.format_number(value, decimals, lang=lang, symbol=symbol)

    against = "–"
    if row["reference_label"] and pd.notna(row["reference_value"]):
        against = f"{row['reference_label']}{' : ' if lang == 'fr' else ': '}{number(row['reference_value'])}"
    elif row["reference_label"] and pd.notna(row["reference_lower"]):
        between = WORDS["between"][lang].format(low=number(row["reference_lower"]), high=number(row["reference_upper"]))
        against = f"{row['reference_label']}{' : ' if lang == 'fr' else ': '}{between}"
    verdict = WORDS["slide_because"][lang].format(
        verdict=style.capitalise(str(row["verdict_label"])), because=row["because"]
    )
    where = ", ".join(str(part) for part in (row["level"], row["territory"], row["year"]) if str(part))
    return [
        str(row["statement"]),
        str(row["definition"]),
        where or "–",
        with_span(number(row["value"]), span(row["lower"], row["upper"], decimals, lang))
        + _placed(row, decimals, lang),
        style.typography(against, lang),
        style.typography(verdict, lang),
    ]
