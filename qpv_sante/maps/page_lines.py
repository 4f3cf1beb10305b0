"""What the page of an interactive map says: words, legend, and the lines of each QPV and practice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import pandas as pd

from qpv_sante import style
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.geography import department_of_qpv, fold, is_overseas
from qpv_sante.maps import labels, layers
from qpv_sante.observations import FLAG_LABELS, INTERVAL_LABELS

WORDS: dict[str, dict[str, str]] = {
    "fr": {
        "zoning": "Quartiers prioritaires (QPV, zonage {vintage})",
        "france": "France",
        "value": "Valeur",
        "status": "Statut",
        "interval": "Intervalle",
        "n": "Effectif",
        "source": "Source",
        "commune": "Commune",
        "unpublished": "absent du fichier",
        "of": "{n} sur {denominator}",
        "base": "rapporté à {denominator}",
        "search": "Chercher un quartier ou une commune",
        "quarters": "Quartiers",
        "count": "{shown} quartiers sur {total}",
        "count_one": "1 quartier sur {total}",
        "none": "Aucun quartier de ce nom",
        "hint": "Flèches haut et bas : d'un quartier à l'autre. Entrée : s'en approcher. Échap : revenir.",
        "layers": "Légende et couches",
        "map": "Carte des quartiers",
        "zoom_in": "Agrandir",
        "zoom_out": "Réduire",
        "home": "Toute la carte",
        "choose": "Indicateur",
        "all_quarters": "Quartiers",
        "departments": "Contours des départements et régions",
        "commune_outlines": "Contours des communes, de près",
        "names": "Noms des communes, de près",
        "practices": "Pratiques citées, là où le lieu est connu",
        "practice_list": "Pratiques citées sur la carte : {listed}.",
        "practice_none": "Aucune pratique citée n'a de lieu connu à moins de la commune sur cette carte.",
        "practice": "Pratique",
        "place": "Lieu",
        "used": "QPV avec une valeur : {used}/{total}.",
        "estimated": "Dont estimation, non mesurée : {n}.",
        "undrawn": "QPV sans contour lu, dans la liste seulement : {n}.",
        "no_outline": "Contour non lu : absent de la carte.",
        "no_background": "Contours de département non lus pour ce territoire : seuls les QPV sont situés.",
        "overseas": "Outre-mer : QPV situés sans trait de côte, chaque cartouche à son échelle ; la barre d'échelle "
        "vaut pour la métropole.",
        "noscript": "La carte demande JavaScript ; la liste des quartiers donne les mêmes chiffres.",
    },
    "en": {
        "zoning": "Priority neighbourhoods (QPV, {vintage} zoning)",
        "france": "France",
        "value": "Value",
        "status": "Status",
        "interval": "Interval",
        "n": "Number",
        "source": "Source",
        "commune": "Commune",
        "unpublished": "not in the file",
        "of": "{n} out of {denominator}",
        "base": "over {denominator}",
        "search": "Search a quarter or a commune",
        "quarters": "Quarters",
        "count": "{shown} quarters of {total}",
        "count_one": "1 quarter of {total}",
        "none": "No quarter of that name",
        "hint": "Up and down arrows: from one quarter to the next. Enter: zoom to it. Esc: back.",
        "layers": "Legend and layers",
        "map": "Map of the quarters",
        "zoom_in": "Zoom in",
        "zoom_out": "Zoom out",
        "home": "Whole map",
        "choose": "Indicator",
        "all_quarters": "Quarters",
        "departments": "Outlines of departments and regions",
        "commune_outlines": "Outlines of communes, from near",
        "names": "Names of communes, from near",
        "practices": "Named practices, where their place is known",
        "practice_list": "Named practices on the map: {listed}.",
        "practice_none": "No named practice has a place known below the commune on this map.",
        "practice": "Practice",
        "place": "Place",
        "used": "QPV with a value: {used}/{total}.",
        "estimated": "Of which estimate, not measured: {n}.",
        "undrawn": "QPV whose outline is not read, in the list only: {n}.",
        "no_outline": "Outline not read: not on the map.",
        "no_background": "Department outlines are not read for this territory: only QPV are placed.",
        "overseas": "Overseas: QPV are placed without coastline, each inset at its own scale; the scale bar holds for "
        "the mainland.",
        "noscript": "The map needs JavaScript; the list of quarters gives the same figures.",
    },
}


def practice_lines(practices: gpd.GeoDataFrame, lang: style.Lang) -> list[tuple[str, list[tuple[str, str]]]]:
    """Name of each practice and what its tooltip says."""
    words = WORDS[lang]
    said = []
    for row in practices.to_dict("records"):
        name = style.typography(f"{row['name'] or row['kind_label']} ({row['place']})", lang)
        lines = [(words["practice"], str(row["kind_label"])), (words["place"], str(row["place"]))]
        lines += [("", str(row["geometry_note"])), (words["source"], str(row["source"]))]
        said.append((name, [(label, style.typography(text, lang)) for label, text in lines if text]))
    return said


def legend_of(
    drawn: pd.DataFrame, names: Sequence[str], colours: Sequence[str], lang: style.Lang
) -> list[dict[str, Any]]:
    """Entries of the legend, which are also the layers: `layer, label, count, fill, hatch`."""
    entries = [
        {"layer": f"class-{number}", "label": name, "fill": colour, "hatch": False}
        for number, (name, colour) in enumerate(zip(names, colours, strict=True))
    ]
    entries += [
        {"layer": kind, "label": FLAG_LABELS[kind][lang], "fill": fill, "hatch": hatch is not None}
        for kind, (fill, hatch, _) in layers.MISSING_LOOKS.items()
        if (drawn["kind"] == kind).any()
    ]
    for entry in entries:
        entry["count"] = int((drawn["layer"] == entry["layer"]).sum())
    if count := int(((drawn["flag"] == "unreliable") & (drawn["kind"] == "values")).sum()):
        entries.append(
            {"layer": "unreliable", "label": labels.DOUBTFUL[lang], "fill": "none", "hatch": False, "count": count}
        )
    return entries


def quarter_lines(
    row: dict[str, Any], indicator: Indicator, when: str, sources: Sequence[str], lang: style.Lang
) -> dict[str, Any]:
    """What the page says of one QPV: words only, and of a missing value no number."""
    words, symbol = WORDS[lang], style.unit_symbol(indicator.unit[lang])
    known = row["kind"] == "values"

    def number(value: float | None, decimals: int) -> str:
        return style.format_number(value, decimals, lang=lang)

    communes = ", ".join(str(row["commune_names"]).split(";"))
    # a value whose flag is missing is never to be read as observed
    status = FLAG_LABELS.get(row["flag"] if known else row["kind"], {}).get(lang, str(row["flag"]))
    value = style.format_number(row["value"], indicator.decimals, lang=lang, symbol=symbol) if known else status
    lines = [(words["commune"], communes)]
    if known:
        lines.append((f"{words['value']} ({when})", value if symbol else f"{value} {indicator.unit[lang]}"))
    lines.append((words["status"], status))
    if known:
        lower, upper = row.get("lower"), row.get("upper")
        span = words["unpublished"]
        if pd.notna(lower) and pd.notna(upper):
            ends = [number(end, indicator.decimals) for end in (lower, upper)]
            told = str(row.get("interval", "none"))
            kind = "" if told == "none" else f" ({INTERVAL_LABELS[told][lang]})"
            span = f"{ends[0]} – {ends[1]}" + (f"\u202f{symbol}" if symbol else "") + kind
        lines.append((words["interval"], span))
        n, base = row.get("n"), row.get("denominator")
        sizes = {"n": number(n, 0), "denominator": number(base, 0)} if pd.notna(n) or pd.notna(base) else {}
        form = "{n}" if pd.isna(base) else words["base"] if pd.isna(n) else words["of"]
        lines.append((words["n"], form.format(**sizes) if sizes else words["unpublished"]))
    own = row.get("source")
    keys = style.source_keys([own]) if isinstance(own, str) else list(sources)
    lines.append((words["source"], _producers(keys)))
    outline = row["geometry"] is not None and not pd.isna(row["geometry"])
    if not outline:
        lines.append(("", words["no_outline"]))
    return {
        "code": str(row["geo_code"]),
        "name": style.typography(str(row["name"]), lang),
        "communes": communes,
        "value": value,
        "missing": not known,
        "doubtful": known and outline and row["flag"] == "unreliable",
        "key": fold(f"{row['name']} {communes} {row['geo_code']}"),
        "layer": row["layer"] if outline else "",
        "lines": [(label, style.typography(text, lang)) for label, text in lines],
    }


def _producers(keys: Sequence[str]) -> str:
    """Producer and edition of each source, in short."""
    known = catalogue().sources
    parts = []
    for key in keys:
        name, _, edition = key.partition("@")
        parts.append(f"{known[name].producer}, {edition}" if name in known else key)
    return " ; ".join(parts) or "–"


def notes_of(zones: gpd.GeoDataFrame, *, national: bool, background: bool, lang: style.Lang) -> list[str]:
    """What the reader must know of what is drawn and what is not."""
    words = WORDS[lang]

    def number(count: int) -> str:
        return style.format_number(count, 0, lang=lang)

    absent = zones.geometry.isna()
    notes = [words["used"].format(used=number(zones["value"].notna().sum()), total=number(len(zones)))]
    if count := int(layers.is_estimated(zones).sum()):
        notes.append(words["estimated"].format(n=number(count)))
    if absent.any():
        notes.append(words["undrawn"].format(n=number(absent.sum())))
    if national and is_overseas(department_of_qpv(zones.loc[~absent, "geo_code"])).any():
        notes.append(words["overseas"])
    if not background:
        notes.append(words["no_background"])
    return [style.typography(note, lang) for note in notes]
