"""Rows of the chart of levels, from the frames that the package gives, and its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante import style
from qpv_sante.catalogue import catalogue
from qpv_sante.charts import common
from qpv_sante.errors import SchemaError, UnavailableLevelError
from qpv_sante.loading import sorted_classes

if TYPE_CHECKING:
    from qpv_sante.territories import Territory

LEVEL_COLUMNS = (
    *("section", "head", "name", "level", "age", "value", "lower", "upper", "outside", "interval", "n", "flag"),
    *("source", "publication", "y"),
)
_LEVELS = ("country", "region", "department", "epci", "urban_unit", "commune", "living_area", "canton_town")
TEXTS: dict[str, dict[str, str]] = {
    "fr": {
        "scope": "Ce qui est connu, niveau par niveau",
        "qpv": "QPV",
        "unpublished": "Par QPV : {absent}. Lu pour : {levels}.",
        "claim": "Non publié par QPV : {source}.",
        "country": "Pays",
        "territory": "Région ou département",
        "inside": "Enquête nationale : habitants des quartiers",
        "outside": "Enquête nationale : point de comparaison nommé par l'enquête",
        "survey_head": "Enquêtes nationales, dans les quartiers / ailleurs",
        "related_head": "Autres questions de santé : enquêtes nationales, dans les quartiers / ailleurs",
        "survey_name": "{label} ({perimeter},\u00a0{year})",
        "axis": "% (de ce que dit chaque ligne)",
        "unit": "Valeurs publiées, en {unit}. Aucune n'est celle d'un QPV.",
        "estimate": "Par QPV, un modèle peut donner une valeur estimée, et non mesurée.",
        "publications": "Enquêtes : {listed}.",
        "dropped": "Résultats d'enquête dans une autre unité, non dessinés : {n}.",
        "surveys": "Enquêtes nationales dans et hors quartiers : {n}.",
    },
    "en": {
        "scope": "What is known, level by level",
        "qpv": "QPV",
        "unpublished": "By QPV: {absent}. Read for: {levels}.",
        "claim": "Not published by QPV: {source}.",
        "country": "Country",
        "territory": "Region or department",
        "inside": "National survey: residents of the neighbourhoods",
        "outside": "National survey: what the survey compares them with",
        "survey_head": "National surveys, inside neighbourhoods / elsewhere",
        "related_head": "Other health questions: national surveys, inside neighbourhoods / elsewhere",
        "survey_name": "{label} ({perimeter},\u00a0{year})",
        "axis": "% (of what each row says)",
        "unit": "Published values, in {unit}. None is that of a QPV.",
        "estimate": "By QPV, a model can give a value that is estimated, not measured.",
        "publications": "Surveys: {listed}.",
        "dropped": "Survey results in another unit, not drawn: {n}.",
        "surveys": "National surveys inside and outside neighbourhoods: {n}.",
    },
}


def health_frame(
    indicator: str,
    *,
    year: int,
    territory: str | Territory | None = None,
    lang: style.Lang = "fr",
    **classes: str,
) -> pd.DataFrame:
    """Comparisons of an indicator at every level where it is known, one under the other.

    Raises
    ------
    UnavailableLevelError
        Published by QPV, or at none of the levels that year.
    """
    from qpv_sante.health import HEALTH_LEVELS, compare_health, published_by_qpv

    catalogue().indicator(indicator)
    if published_by_qpv(indicator):
        raise UnavailableLevelError(
            f"{indicator} is published by QPV: plot_levels is for what is not. Use plot_gap(compare(...)) or "
            "plot_distribution(load_observations(...))."
        )
    frames, failures = [], []
    for level in HEALTH_LEVELS:
        try:
            frames.append(compare_health(indicator, year=year, territory=territory, by=level, lang=lang, **classes))
        except UnavailableLevelError as error:
            failures.append(str(error))
    if not frames:
        raise UnavailableLevelError(failures[-1])
    if territory is None:
        # 101 departments do not fit on a page, and the regions hold them
        frames = frames[:1]
    return pd.concat(frames, ignore_index=True)


def level_rows(frame: pd.DataFrame, *, lang: style.Lang = "fr") -> pd.DataFrame:
    """One row a level and place, then one a survey, from top to bottom.

    Parameters
    ----------
    frame : DataFrame
        As `compare_health` or `load_observations` gives it, or several one under the other.
    lang : {"fr", "en"}

    Returns
    -------
    DataFrame
        Columns of `LEVEL_COLUMNS`. `section` is `country`, `territory` or `survey`; `outside` is what a survey
        compares its `value` with; `y` is the height of the row. `attrs`: `indicator, year, sex, finest` (coverage in
        words), `notes`.

    Raises
    ------
    SchemaError
        Another frame, or no row.
    ComparabilityError
        Several indicators, years or sexes.
    UnavailableLevelError
        Rows of QPV.
    """
    frame = frame.reset_index(drop=True)
    frame = frame.assign(**{name: frame[name].astype("str") for name in frame.select_dtypes("category")})
    if "kind" in frame and "reference_value" in frame:
        needed = ("indicator", "year", "territory", "territory_level", "value", "age", "source")
        common.check_columns(frame, needed, "plot_levels", "compare()")
        if (frame["kind"] == "qpv").any():
            raise UnavailableLevelError("plot_levels is for what no QPV has; this frame has QPV: plot_gap draws it.")
        published = frame[frame["kind"] == "published"]
        surveys = frame[frame["kind"] == "survey_contrast"].drop_duplicates(["label", "territory", "year"])
        if published.empty:
            raise SchemaError("plot_levels: the frame has survey contrasts only; keep the published rows with them.")
        rows, notes = _of_comparison(published), _notes(published)
    else:
        needed = ("indicator", "geo_level", "geo_code", "year", "value", "flag", "source")
        common.check_columns(frame, needed, "plot_levels", "compare() or load_observations()")
        if (frame["geo_level"] == "qpv").any():
            raise UnavailableLevelError(
                "plot_levels shows what is known where no QPV has a value; this frame has QPV. Use plot_distribution."
            )
        published, surveys, notes = frame, frame.iloc[:0], []
        rows = _of_observations(frame)
    common.check_single(published, ("indicator", "year", "sex", "category"), "plot_levels", "frame")
    rows = _ordered(rows, lang)
    drawn, dropped = _of_surveys(surveys, str(published["indicator"].iloc[0]), lang)
    if dropped:
        notes.append(TEXTS[lang]["dropped"].format(n=dropped))
    result = pd.concat([rows, drawn], ignore_index=True).reindex(columns=list(LEVEL_COLUMNS))
    result["publication"] = result["publication"].astype("object").fillna("")
    result["y"] = _heights(result["head"])
    indicator = str(published["indicator"].iloc[0])
    result.attrs = {
        "indicator": indicator,
        "year": int(str(published["year"].iloc[0])),
        "sex": str(published["sex"].iloc[0]) if "sex" in published else "_T",
        "finest": {"fr": _coverage(indicator, "fr"), "en": _coverage(indicator, "en")},
        "notes": notes,
    }
    return result


def _coverage(indicator: str, lang: style.Lang) -> str:
    """Levels and years at which an indicator is published, in words."""
    from qpv_sante.health import published_records
    from qpv_sante.listing import level_label

    years: dict[str, set[int]] = {}
    for record in published_records(indicator):
        years.setdefault(str(record["geo_level"]), set()).add(int(str(record["year"])))
    return ", ".join(
        f"{level_label(level, lang)} ({', '.join(map(str, sorted(found)))})" for level, found in years.items()
    )


def _of_comparison(published: pd.DataFrame) -> pd.DataFrame:
    """Territories, and the country once a class."""
    own = pd.DataFrame({
        "section": "territory", "name": published["territory"], "level": published["territory_level"],
        "age": published["age"],
        **{name: published[name] for name in ("value", "lower", "upper", "interval", "n", "flag", "source")},
    })  # fmt: skip
    country = published.drop_duplicates("age")
    # regional frames come first: a country that is published is preferred to one that is pooled
    whole = pd.DataFrame({
        "section": "country", "name": "France", "level": "country", "age": country["age"],
        **{name: country[f"reference_{name}"] for name in ("value", "lower", "upper", "n", "source")},
        "interval": country["interval"],
        "flag": country["reference_value"].notna().map({True: "observed", False: "unavailable"}),
    })  # fmt: skip
    return pd.concat([whole, own], ignore_index=True)


def _of_observations(frame: pd.DataFrame) -> pd.DataFrame:
    from qpv_sante import loading

    table = loading.gazetteer().territories
    names = {(one.level, one.code): one.name for one in table.itertuples()}
    shown = [
        "France" if level == "country" else names.get((level, code), code)
        for level, code in zip(frame["geo_level"], frame["geo_code"], strict=True)
    ]
    empty = dict.fromkeys([name for name in ("lower", "upper", "n") if name not in frame], float("nan"))
    frame = frame.assign(**empty)
    return pd.DataFrame({
        "section": ["country" if level == "country" else "territory" for level in frame["geo_level"]],
        "name": shown, "level": frame["geo_level"], "age": frame.get("age", "_T"),
        **{name: frame[name] for name in ("value", "lower", "upper", "n", "flag", "source")},
        "interval": frame.get("interval", "none"),
    })  # fmt: skip


def _ordered(rows: pd.DataFrame, lang: style.Lang) -> pd.DataFrame:
    """By age class, then from the largest level, highest value first; the level is in the name."""
    from qpv_sante.listing import level_label

    order = {age: place for place, age in enumerate(sorted_classes(rows["age"].unique()))}
    rows = rows.assign(order=rows["age"].map(order), rank=rows["level"].map(_LEVELS.index))
    rows = rows.sort_values(["order", "rank", "value"], ascending=[True, True, False], kind="stable", ignore_index=True)
    several = rows["age"].nunique() > 1
    rows["head"] = [style.age_label(age, lang) if several else "" for age in rows["age"]]
    one = {level: level_label(level, lang) for level in rows["level"].unique()}
    rows["name"] = [f"{name} ({one[level]})" for name, level in zip(rows["name"], rows["level"], strict=True)]
    return rows.drop(columns=["order", "rank"])


def _of_surveys(surveys: pd.DataFrame, asked: str, lang: style.Lang) -> tuple[pd.DataFrame, int]:
    """Survey results in the indicator's unit, and the number of those in another."""
    symbol = style.unit_symbol(catalogue().indicator(asked).unit[lang])
    same = surveys[surveys["unit"].map(style.unit_symbol) == symbol] if len(surveys) else surveys
    related = len(same) > 0 and not (same["indicator"] == asked).all()
    words = TEXTS[lang]
    names = [
        words["survey_name"].format(
            label=one.label, perimeter=str(one.territory).partition(",")[0], year=one.year_label
        )
        for one in same.itertuples()
    ]
    drawn = pd.DataFrame({
        "section": "survey", "head": words["related_head" if related else "survey_head"], "name": names,
        "level": "country", "age": "_T", "value": pd.to_numeric(same["value"]).to_numpy(), "lower": float("nan"),
        "upper": float("nan"), "outside": pd.to_numeric(same["reference_value"]).to_numpy() if len(same) else [],
        "interval": "none", "n": float("nan"), "flag": "observed", "source": "",
        "publication": same["publication"].to_numpy() if len(same) else [],
    }, index=range(len(same)))  # fmt: skip
    return drawn, len(surveys) - len(same)


def _notes(published: pd.DataFrame) -> list[str]:
    """What the producer or the package says of the values, once each, as sentences."""
    columns = [name for name in ("note", "reference_note") if name in published]
    texts = dict.fromkeys(
        (str(text), name) for name in columns for text in published[name].dropna().unique() if str(text)
    )
    labels = {"note": "", "reference_note": "France : "}
    return [style.capitalise(f"{labels[name]}{text}") + "." for text, name in texts]


def _heights(heads: pd.Series) -> pd.Series:
    """Heights of the rows: a line is left for each new head."""
    new = (heads != heads.shift()) & (heads != "")
    return pd.Series(range(len(heads)), index=heads.index) + 0.9 * new.cumsum()
