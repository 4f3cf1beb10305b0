"""What is known around a QPV: `context`. The honest alternative to an estimate."""

from __future__ import annotations

import html
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from qpv_sante import absences, listing, loading, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import UnavailableLevelError, UnknownNameError
from qpv_sante.health import NOTES, compare_health
from qpv_sante.quarter_values import other_years

CONTEXT_COLUMNS = (
    *("part", "level", "level_label", "territory", "indicator", "label", "age", "year"),
    *("value", "lower", "upper", "n", "unit", "flag", "source", "note"),
)
# What is measured in the quarter: indicator and year, for each zoning
MEASURED: dict[int, tuple[tuple[str, int], ...]] = {
    2015: (
        ("population", 2018),
        ("poverty_rate", 2019),
        ("median_standard_of_living", 2019),
        ("single_parent_recipient_share", 2020),
        ("one_person_household_share", 2022),
        ("employment_rate", 2022),
        ("c2s_share", 2022),
        ("under_25_share", 2022),
        ("over_60_share", 2022),
    ),
    2024: (
        ("population", 2020),
        ("poverty_rate", 2021),
        ("one_person_household_share", 2020),
        ("employment_rate", 2020),
        ("foreigner_share", 2020),
    ),
}
# What is published around it: indicator, year and the level of its territory
AROUND: tuple[tuple[str, int, str], ...] = (
    ("depression_prevalence", 2024, "region"),
    ("self_perceived_health_good", 2021, "department"),
    ("psychological_difficulties", 2021, "department"),
)
_WORDS: dict[str, dict[str, str]] = {
    "measured": {"fr": "Mesuré dans le quartier", "en": "Measured in the quarter"},
    "around": {
        "fr": "Publié autour de lui : ces valeurs ne sont pas celles du quartier",
        "en": "Published around it: these values are not the quarter's",
    },
}
_NOTES: dict[str, dict[str, str]] = {
    "zoning": {"fr": "{word} pour le zonage {vintage}", "en": "{word} for the {vintage} zoning"},
    "field": {"fr": "le fichier n'a pas ce territoire", "en": "the file does not have this territory"},
    "last": {"fr": "dernière valeur lue : {value} en {year}", "en": "last value read: {value} in {year}"},
    "imported": {"fr": "fichier importé : {title}", "en": "imported file: {title}"},
}
_SEPARATOR = {"fr": " ; ", "en": "; "}
_HEADER: dict[str, tuple[str, ...]] = {
    "fr": (
        "Niveau",
        "Territoire",
        "Indicateur",
        "Année",
        "Valeur",
        "Intervalle",
        "Effectif",
        "Statut",
        "Source",
        "Note",
    ),
    "en": ("Level", "Territory", "Indicator", "Year", "Value", "Interval", "Sample", "Status", "Source", "Note"),
}


@dataclass(frozen=True, repr=False)
class Context:
    """What is measured in a QPV and what is published around it; shows as two tables.

    Attributes
    ----------
    code, name : str
    frame : DataFrame
        Columns of `CONTEXT_COLUMNS`; `part` is `measured` or `around`.
    lang : {"fr", "en"}
    """

    code: str
    name: str
    frame: pd.DataFrame
    lang: style.Lang

    @property
    def measured(self) -> pd.DataFrame:
        """Rows of the quarter itself."""
        return self.frame[self.frame["part"] == "measured"].reset_index(drop=True)

    @property
    def around(self) -> pd.DataFrame:
        """Rows of its department, region and country."""
        return self.frame[self.frame["part"] == "around"].reset_index(drop=True)

    def _cells(self, row: dict[Hashable, Any]) -> tuple[str, ...]:
        known = catalogue().indicator(str(row["indicator"]))
        symbol = style.unit_symbol(known.unit[self.lang])

        def number(value: float) -> str:
            return style.format_number(value, known.decimals, lang=self.lang, symbol=symbol)

        age = style.age_label(str(row["age"]), self.lang)
        span = {"fr": "{} à {}", "en": "{} to {}"}[self.lang]
        return (
            str(row["level_label"]),
            str(row["territory"]),
            f"{row['label']}, {age}" if age else str(row["label"]),
            str(row["year"]),
            number(row["value"]),
            span.format(number(row["lower"]), number(row["upper"])) if pd.notna(row["lower"]) else "–",
            style.format_number(row["n"], 0, lang=self.lang),
            absences.status(str(row["flag"]), self.lang),
            str(row["source"]),
            style.typography(str(row["note"]), self.lang),
        )

    def __repr__(self) -> str:
        """The two tables as text."""
        lines = [f"{self.name} ({self.code})"]
        for part in ("measured", "around"):
            lines.append(style.typography(_WORDS[part][self.lang], self.lang))
            for row in getattr(self, part).to_dict("records"):
                level, territory, label, year, value, span, *_, flag, source, note = self._cells(row)
                interval = f" [{span}]" if span != "–" else ""
                where = "" if part == "measured" else f"{level} {territory}, "
                lines.append(
                    f"  {where}{label}, {year}: {value}{interval} ({'; '.join(filter(None, [flag, source, note]))})"
                )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        pieces = [f"<h4>{html.escape(f'{self.name} ({self.code})')}</h4>"]
        for part in ("measured", "around"):
            head = "".join(f"<th>{html.escape(text)}</th>" for text in _HEADER[self.lang])
            body = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in self._cells(row)) + "</tr>"
                for row in getattr(self, part).to_dict("records")
            )
            caption = html.escape(style.typography(_WORDS[part][self.lang], self.lang))
            pieces.append(f"<p><strong>{caption}</strong></p><table><tr>{head}</tr>{body}</table>")
        return "".join(pieces)


@checked
@store.one_build()
def context(qpv: str, *, lang: str = "fr") -> Context:
    """What is measured in a QPV, and the health figures of the territories that hold it.

    Parameters
    ----------
    qpv : str
        A code of either zoning (`"QP034001"`, `"QN03401M"`), or a typed code (`"qpv:QP034001"`).
    lang : {"fr", "en"}
        Language of the labels.

    Returns
    -------
    Context
        `frame`: one row a figure, with its level, value (in `unit`), published interval and sample, year, flag and
        source, and a note: pooled from departments, not read or not published for this zoning or territory, imported.
        Health figures are those of the department, region and country, and labelled so: none is the quarter's, but for
        rows of an imported file (`import_observations`), which come with its notice.

    Raises
    ------
    UnknownNameError
        Not the code of a QPV.

    Examples
    --------
    >>> sheet = context("QP034001", lang="en")
    >>> sheet.measured.set_index("indicator").loc["poverty_rate", ["value", "year", "flag"]].to_dict()
    {'value': 54.9, 'year': '2019', 'flag': 'observed'}
    >>> around = sheet.around[sheet.around["indicator"] == "depression_prevalence"]
    >>> around[["level", "territory", "value", "lower", "upper"]]
         level  territory  value  lower  upper
    0   region  Occitanie   17.7   16.1   19.4
    1  country     France   15.6   15.1   16.0
    """
    code = style.check_lang(lang)
    places = loading.gazetteer()
    place = places.resolve(qpv)
    if place is None or place.level != "qpv":
        named = f"{place.name} is a {place.level}" if place else "nothing given"
        raise UnknownNameError(f"context takes one QPV; {named}. Give its code, such as 'QP034001' or 'QN03401M'.")
    vintage = int(places.qpv.loc[places.qpv["geo_code"] == place.code, "geo_vintage"].iloc[0])
    rows = [_measured(place.code, place.name, indicator, year, vintage, code) for indicator, year in MEASURED[vintage]]
    others = {indicator for listed in MEASURED.values() for indicator, _ in listed}
    absent = [name for name in catalogue().indicators if name in others - {name for name, _ in MEASURED[vintage]}]
    rows += [_absent(name, place.name, vintage, code) for name in absent if not _published(name, vintage)]
    rows += _imported(place.code, place.name, vintage, code)
    parts = [pd.DataFrame(rows)]
    for indicator, year, level in AROUND:
        try:
            table = compare_health(indicator, year=year, territory=place, by=level, lang=code)
        except UnavailableLevelError:
            # overseas collectivities and Mayotte are outside the field of some surveys: said, beside the country
            table = _outside_field(compare_health(indicator, year=year, by=level, lang=code), place.code, level, code)
        parts.append(_around(table[table["kind"] == "published"], code))
    frame = pd.concat(parts, ignore_index=True)[list(CONTEXT_COLUMNS)]
    frame.attrs = {"geo_code": place.code, "geo_vintage": vintage}
    return Context(place.code, place.name, frame, code)


def _measured(geo_code: str, name: str, indicator: str, year: int, vintage: int, lang: style.Lang) -> dict[str, object]:
    """One figure of the quarter, with its flag when it is missing."""
    known = catalogue().indicator(indicator)
    rows = loading.load_observations(indicator, geo_level="qpv", geo_vintage=vintage, year=year)
    own = rows[rows["geo_code"] == geo_code]
    found: dict[Hashable, Any] = {"value": float("nan"), "flag": "unavailable"}
    if len(own):
        found = own.to_dict("records")[0]
    return {
        **_of_quarter(indicator, name, lang),
        "year": style.year_label(known, [str(rows["source"].iloc[0])], year, lang),
        **{key: found.get(key, float("nan")) for key in ("value", "lower", "upper", "n")},
        "unit": known.unit[lang],
        "flag": str(found["flag"]),
        "source": str(rows["source"].iloc[0]),
        "note": ""
        if pd.notna(found["value"])
        else _why_missing(known, rows, geo_code, vintage, str(found["flag"]), lang),
    }


def _why_missing(known: Indicator, rows: pd.DataFrame, geo_code: str, vintage: int, flag: str, lang: style.Lang) -> str:
    """Why the quarter has no value, and its last one of another year."""
    listed = bool((rows["geo_code"] == geo_code).any())
    why = absences.reason(flag, lang, source=str(rows["source"].iloc[0]), listed=listed)
    others = other_years(known.id, geo_code, vintage, int(rows["year"].iloc[0]))
    if others.empty:
        return why
    last = others.iloc[-1]
    symbol = style.unit_symbol(known.unit[lang])
    value = style.format_number(last["value"], known.decimals, lang=lang, symbol=symbol)
    return _SEPARATOR[lang].join([why, _NOTES["last"][lang].format(value=value, year=last["year"])])


def _of_quarter(indicator: str, name: str, lang: style.Lang) -> dict[str, object]:
    """What every row of the quarter itself begins with."""
    return {
        "part": "measured",
        "level": "qpv",
        "level_label": listing.level_label("qpv", lang),
        "territory": name,
        "indicator": indicator,
        "label": listing.label_of(indicator, lang),
        "age": "_T",
    }


def _published(indicator: str, vintage: int) -> bool:
    records = catalogue().published(indicator)
    return any(record["geo_level"] == "qpv" and record["geo_vintage"] == vintage for record in records)


def _absent(indicator: str, name: str, vintage: int, lang: style.Lang) -> dict[str, object]:
    """A row that says that a figure read for the other zoning is not read, or not published, for this one."""
    known = catalogue().indicator(indicator)
    return {
        **_of_quarter(indicator, name, lang),
        "year": "–",
        **dict.fromkeys(("value", "lower", "upper", "n"), float("nan")),
        "unit": known.unit[lang],
        "flag": "unavailable",
        "source": "",
        "note": _NOTES["zoning"][lang].format(word=absences.word_of_level(indicator, "qpv", lang), vintage=vintage),
    }


def _imported(geo_code: str, name: str, vintage: int, lang: style.Lang) -> list[dict[str, object]]:
    """The quarter's own rows in imported files, with their notice."""
    rows: list[dict[str, object]] = []
    for indicator in catalogue().indicators.values():
        for series, source, edition, table in catalogue().series_of(indicator.id):
            if not (source.imported and table.geo_level == "qpv" and table.geo_vintage == vintage):
                continue
            year = series.years.get(edition.id, edition.year)
            key = source.key(edition)
            found = loading.load_observations(
                indicator.id, geo_level="qpv", geo_vintage=vintage, year=year, sex=None, age=None, source=source.id
            )
            note = _NOTES["imported"][lang].format(title=f"{source.producer}, {source.title}")
            for own in found[found["geo_code"] == geo_code].to_dict("records"):
                if str(own["source"]) != key:
                    continue
                rows.append(
                    {
                        **_absent(indicator.id, name, vintage, lang),
                        "age": str(own["age"]),
                        "year": str(year),
                        **{column: own[column] for column in ("value", "lower", "upper", "n")},
                        "flag": str(own["flag"]),
                        "source": key,
                        "note": _SEPARATOR[lang].join(filter(None, [note, source.restriction])),
                    }
                )
    return rows


def _outside_field(table: pd.DataFrame, geo_code: str, level: str, lang: style.Lang) -> pd.DataFrame:
    """Rows of a territory that the survey leaves out: no value, the reason, and the country beside it."""
    places = loading.gazetteer()
    code = places.qpv.loc[places.qpv["geo_code"] == geo_code, level].iloc[0]
    rows = table[table["kind"] == "published"].drop_duplicates(["sex", "age"])
    return rows.assign(
        territory=places.name_of(level, code) if pd.notna(code) else "–",
        **dict.fromkeys(("value", "lower", "upper", "n"), float("nan")),
        flag="unavailable",
        note=_NOTES["field"][lang],
    )


def _around(table: pd.DataFrame, lang: style.Lang) -> pd.DataFrame:
    """The territory's rows, each followed by the country's."""
    labels = [listing.level_label(level, lang) for level in table["territory_level"]]
    table = table.assign(level=table["territory_level"], level_label=labels, year=table["year_label"])
    territory = table.assign(order=0)
    country = table.assign(
        order=1,
        level="country",
        level_label=listing.level_label("country", lang),
        territory="France",
        **{name: table[f"reference_{name}"] for name in ("value", "lower", "upper", "n")},
        source=table["reference_source"],
        note=[
            _SEPARATOR[lang].join(filter(None, [note, "" if pd.notna(lower) else NOTES["no_interval"][lang]]))
            for note, lower in zip(table["reference_note"], table["reference_lower"], strict=True)
        ],
        flag=table["reference_value"].notna().map({True: "observed", False: "unavailable"}),
    )
    both = pd.concat([territory.assign(row=range(len(table))), country.assign(row=range(len(table)))])
    return both.sort_values(["row", "order"]).assign(part="around")
