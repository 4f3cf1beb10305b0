"""The one long table: its columns, its flags, its schema.

Every figure of the package, from any producer, is a row of this table. A value is missing if and
only if its flag says why.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.api.types import union_categoricals

from qpv_sante.errors import SchemaError

if TYPE_CHECKING:
    from qpv_sante.catalogue import Catalogue


class Flag(StrEnum):
    """Status of a value."""

    OBSERVED = "observed"
    ESTIMATED = "estimated"
    PROVISIONAL = "provisional"
    UNRELIABLE = "unreliable"
    SUPPRESSED = "suppressed"
    UNAVAILABLE = "unavailable"
    NOT_APPLICABLE = "not_applicable"


FLAGS = tuple(flag.value for flag in Flag)
MISSING_FLAGS = (Flag.SUPPRESSED.value, Flag.UNAVAILABLE.value, Flag.NOT_APPLICABLE.value)
PERIMETERS = ("all", "in_qpv", "outside_qpv")
# what the bounds of a value express
INTERVAL_LABELS: dict[str, dict[str, str]] = {
    "none": {"fr": "sans borne", "en": "no bounds"},
    "sampling": {"fr": "intervalle de confiance", "en": "confidence interval"},
    "rounding": {"fr": "bornes de l'arrondi", "en": "bounds of rounding"},
    "weight": {"fr": "bornes de la pondération", "en": "bounds of the weights"},
    "secrecy": {"fr": "bornes du secret", "en": "bounds of secrecy"},
    "extremes": {"fr": "bornes extrêmes du secret", "en": "extreme bounds of secrecy"},
    "model": {"fr": "intervalle du modèle", "en": "model interval"},
    "process": {"fr": "fluctuation aléatoire", "en": "random fluctuation"},
    "between_qpv": {"fr": "variation entre QPV", "en": "variation between QPV"},
}
INTERVALS = tuple(INTERVAL_LABELS)

KEY = ("indicator", "source", "geo_level", "geo_code", "geo_vintage", "perimeter", "sex", "age", "category", "year")
MEASURES = ("value", "lower", "upper", "interval", "n", "denominator", "flag")
COLUMNS = KEY + MEASURES
TOTAL = "_T"
# what a function takes where no class is asked for: the total, or every class where the producer publishes no total
AUTO = "auto"
CLASSES = ("category", "sex", "age")

# Breakdowns other than sex and age share one column: `household:single_parent`, `activity:unemployed`.
# Breakdowns are margins of one whole, so a row has at most one; labels are in the catalogue.
CATEGORY_FORM = r"_T|[a-z_]+:[a-z0-9_]+"

_CATEGORIES = ("indicator", "source", "geo_level", "perimeter", "sex", "age", "category", "interval", "flag")
_DTYPES: dict[str, Any] = {
    "geo_code": "str",
    "geo_vintage": "int16",
    "year": "int16",
    **dict.fromkeys(("value", "lower", "upper", "n", "denominator"), "float64"),
}

FLAG_LABELS: dict[str, dict[str, str]] = {
    "observed": {"fr": "observé", "en": "observed"},
    "estimated": {"fr": "estimé, non mesuré", "en": "estimated, not measured"},
    "provisional": {"fr": "provisoire", "en": "provisional"},
    "unreliable": {"fr": "à interpréter avec prudence", "en": "unreliable"},
    "suppressed": {"fr": "secret statistique", "en": "suppressed (secrecy)"},
    "unavailable": {"fr": "non disponible", "en": "not available"},
    "not_applicable": {"fr": "sans objet", "en": "not applicable"},
}


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the table's columns, order and types, defaults filled in.

    Parameters
    ----------
    frame : DataFrame
        At least `indicator, source, geo_level, geo_code, year, value, flag`.

    Returns
    -------
    DataFrame
        The columns of `COLUMNS`, sorted by indicator, year and code.
    """
    defaults = {"geo_vintage": 0, "perimeter": "all", "sex": TOTAL, "age": TOTAL, "category": TOTAL, "interval": "none"}
    full = frame.assign(**{name: value for name, value in defaults.items() if name not in frame})
    full["interval"] = full["interval"].fillna("none")
    for name in ("lower", "upper", "n", "denominator"):
        if name not in full:
            full[name] = float("nan")
    full = full[list(COLUMNS)].astype(_DTYPES).astype(dict.fromkeys(_CATEGORIES, "category"))
    return full.sort_values(["indicator", "year", "geo_level", "geo_code"], kind="stable", ignore_index=True)


def concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of the table one under the other, categories kept as categories."""
    if not frames:
        return tidy(pd.DataFrame({name: [] for name in COLUMNS}))
    if len(frames) == 1:
        return frames[0]
    columns = {name: union_categoricals([frame[name] for frame in frames]) for name in _CATEGORIES}
    joined = pd.concat([frame.drop(columns=list(_CATEGORIES)) for frame in frames], ignore_index=True)
    return joined.assign(**columns)[list(frames[0].columns)]


@lru_cache(maxsize=1)
def schema() -> Any:
    """The pandera schema of the table (imported here: pandera takes half a second)."""
    import pandera.pandas as pa

    from qpv_sante.geography import LEVELS

    missing = list(MISSING_FLAGS)
    numbers = {name: pa.Column("float64", nullable=True) for name in ("value", "lower", "upper")}
    counts = {name: pa.Column("float64", pa.Check.ge(0), nullable=True) for name in ("n", "denominator")}
    return pa.DataFrameSchema(
        {
            "indicator": pa.Column("category"),
            "source": pa.Column("category", pa.Check.str_contains("@")),
            "geo_level": pa.Column("category", pa.Check.isin(list(LEVELS))),
            "geo_code": pa.Column("str"),
            "geo_vintage": pa.Column("int16"),
            "perimeter": pa.Column("category", pa.Check.isin(PERIMETERS)),
            "sex": pa.Column("category", pa.Check.isin(["_T", "F", "M"])),
            "age": pa.Column("category"),
            "category": pa.Column("category", pa.Check.str_matches(rf"^(?:{CATEGORY_FORM})$")),
            "year": pa.Column("int16", pa.Check.in_range(1900, 2100)),
            **numbers,
            "interval": pa.Column("category", pa.Check.isin(INTERVALS)),
            **counts,
            "flag": pa.Column("category", pa.Check.isin(FLAGS)),
        },
        checks=[
            pa.Check(
                lambda frame: frame["value"].isna() == frame["flag"].isin(missing),
                name="a value is missing if and only if its flag says so",
            ),
            pa.Check(
                lambda frame: ~((frame["lower"] > frame["value"]) | (frame["value"] > frame["upper"])),
                name="lower <= value <= upper",
            ),
        ],
        unique=list(KEY),
        strict=True,
        ordered=True,
    )


def validate(frame: pd.DataFrame, *, where: str, known: Catalogue | None = None) -> pd.DataFrame:
    """Check the table's rules: columns, types, unique key, flags, code formats and ranges.

    Parameters
    ----------
    frame : DataFrame
        A frame in the form of `tidy`.
    where : str
        What is being checked, for the message (`insee_filosofi_qpv@2021`).
    known : Catalogue, optional
        Where indicators are defined; the catalogue in use by default.

    Returns
    -------
    DataFrame
        The same frame.

    Raises
    ------
    SchemaError
        The message lists the rule, the number of rows that break it and the first of them.
    """
    import pandera.errors

    from qpv_sante.catalogue import catalogue
    from qpv_sante.geography import check_codes

    try:
        schema().validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        rules = [
            f"{check}: {len(group)} failures, first at row {group['index'].iloc[0]}: "
            f"{group['column'].iloc[0]}={group['failure_case'].iloc[0]!r}"
            for check, group in cases.groupby("check", sort=False)
        ]
        raise SchemaError(f"{where}: the table breaks its rules. " + "; ".join(rules)) from error
    for (level, vintage), group in frame.groupby(["geo_level", "geo_vintage"], observed=True):
        check_codes(group["geo_code"], str(level), int(vintage), where=where)
    for indicator_id, group in frame.groupby("indicator", observed=True):
        limits = (known or catalogue()).indicator(str(indicator_id)).range
        if limits:
            outside = group[(group["value"] < limits[0]) | (group["value"] > limits[1])]
            if len(outside):
                first = outside.iloc[0]
                raise SchemaError(
                    f"{where}: {indicator_id} must lie in {limits}; {len(outside)} values do not, "
                    f"first {first['geo_code']} = {first['value']}. Nothing of this source was stored."
                )
    return frame
