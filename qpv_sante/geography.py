"""Geographic levels, the form of their codes, zonings and coordinate reference systems."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante.errors import SchemaError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    import geopandas as gpd

LEVELS: dict[str, dict[str, str]] = {
    "qpv": {"fr": "quartier prioritaire (QPV)", "en": "priority neighbourhood (QPV)"},
    "iris": {"fr": "IRIS", "en": "IRIS"},
    "commune": {"fr": "commune", "en": "commune"},
    "epci": {"fr": "intercommunalité (EPCI)", "en": "intercommunality (EPCI)"},
    "urban_unit": {"fr": "unité urbaine", "en": "urban unit"},
    "living_area": {"fr": "bassin de vie", "en": "living area (bassin de vie)"},
    "canton_town": {"fr": "bassin de vie ou canton-ville", "en": "living area or town canton"},
    "department": {"fr": "département", "en": "department"},
    "region": {"fr": "région", "en": "region"},
    "country": {"fr": "pays", "en": "country"},
}

_DEPARTMENT = r"(?:0[1-9]|[1-8]\d|9[0-5]|2[AB]|97[1-8]|98[4-8])"
_QPV_DEPARTMENT = r"(?:0\d{2}|02[AB]|97\d|98\d)"
_COMMUNE = r"(?:\d{2}|2[AB])\d{3}"
_CODE_FORMS: dict[tuple[str, int | None], str] = {
    ("qpv", 2015): rf"QP{_QPV_DEPARTMENT}\d{{3}}",
    ("qpv", 2024): rf"QN{_QPV_DEPARTMENT}\d{{2}}[NMIC]",
    ("iris", None): rf"{_COMMUNE}\d{{4}}",
    ("commune", None): _COMMUNE,
    ("epci", None): r"\d{9}",
    ("urban_unit", None): r"(?:\d{5}|2[AB]\d{3}|9[A-F]\d{3})",
    # a living area bears the code of its central commune; St-Barthélemy and St-Martin have none
    ("living_area", None): rf"(?:{_COMMUNE}|97\dZZ)",
    # CartoSanté cuts the large living areas into town cantons (department + number: 0106, 97493) and takes the
    # arrondissements of Paris, Lyon and Marseille: both kinds of codes stand in one list
    ("canton_town", None): rf"(?:{_COMMUNE}|(?:\d{{2}}|2[AB])\d{{2}}|97\dZZ)",
    ("department", None): _DEPARTMENT,
    ("region", None): r"\d{2}",
    ("country", None): r"(?:F|FM)",
}
QPV_ZONINGS = (2015, 2024)

# Projected systems in metres, one per territory: areas and distances overseas are wrong in Lambert-93.
METROPOLITAN_CRS = 2154
_OVERSEAS_CRS = {
    "971": 5490,
    "972": 5490,
    "977": 5490,
    "978": 5490,
    "973": 2972,
    "974": 2975,
    "976": 4471,
    "987": 3297,
    "975": 4467,
}


def check_codes(codes: pd.Series, level: str, vintage: int, *, where: str = "codes") -> None:
    """Refuse codes that do not have the form of their level and zoning.

    Parameters
    ----------
    codes : Series of str
        Codes as text: leading zeros and `2A` matter.
    level : str
        A key of `LEVELS`.
    vintage : int
        Zoning of the QPV (2015 or 2024); year of the official code for other levels.
    where : str
        What is being checked, for the message.

    Raises
    ------
    SchemaError
        The message counts the bad codes and gives the first ones and the expected form.

    Examples
    --------
    >>> check_codes(pd.Series(["QP031004", "QP02A001"]), "qpv", 2015)
    >>> check_codes(pd.Series(["31555", "1004"]), "commune", 2024)
    Traceback (most recent call last):
        ...
    qpv_sante.errors.SchemaError: codes: 1 code is not a commune code (2024): '1004'. ...
    """
    form = _CODE_FORMS.get((level, vintage)) or _CODE_FORMS.get((level, None))
    if form is None:
        raise SchemaError(f"{where}: no {level} zoning of {vintage}; QPV zonings are 2015 and 2024.")
    distinct = codes.drop_duplicates()
    bad = distinct[~distinct.str.fullmatch(form).astype(bool)]
    if len(bad):
        verb = "code is not a" if len(bad) == 1 else "codes are not"
        first = ", ".join(repr(code) for code in bad.head(5))
        raise SchemaError(
            f"{where}: {len(bad)} {verb} {level} code ({vintage}): {first}. Expected form: {form}. "
            "Codes are text: check lost leading zeros and the zoning."
        )


# Paris, Lyon and Marseille: code of the first arrondissement, and how many there are
ARRONDISSEMENTS = {"75056": (75101, 20), "69123": (69381, 9), "13055": (13201, 16)}


def arrondissements_of(commune: str) -> tuple[str, ...]:
    """Codes of the municipal arrondissements of Paris, Lyon or Marseille.

    Examples
    --------
    >>> arrondissements_of("69123")[:2]
    ('69381', '69382')
    """
    first, number = ARRONDISSEMENTS[commune]
    return tuple(str(first + one) for one in range(number))


def arrondissement_code(text: str) -> str:
    """Code of a municipal arrondissement by its code or its name; empty for anything else.

    Examples
    --------
    >>> arrondissement_code("Paris 18e Arrondissement"), arrondissement_code("75118"), arrondissement_code("Lyon 1er")
    ('75118', '75118', '69381')
    >>> arrondissement_code("Paris 21e"), arrondissement_code("Paris")
    ('', '')
    """
    if text in _WHOLE_COMMUNES:
        return text
    named = re.fullmatch(
        r"(paris|lyon|marseille) 0?(\d{1,2})(?: ?(?:er|e|eme))?(?: arr(?:ondissement|dt)?)?", fold(text)
    )
    if not named:
        return ""
    first, number = ARRONDISSEMENTS[_CITIES[named[1]]]
    return str(first + int(named[2]) - 1) if 1 <= int(named[2]) <= number else ""


_CITIES = {"paris": "75056", "lyon": "69123", "marseille": "13055"}
_WHOLE_COMMUNES = {code: commune for commune in ARRONDISSEMENTS for code in arrondissements_of(commune)}


def department_of_qpv(codes: pd.Series) -> pd.Series:
    """Department of QPV codes of either zoning.

    Parameters
    ----------
    codes : Series of str

    Returns
    -------
    Series of str
        `QP034001` gives `34`, `QN02A01M` gives `2A`, `QP974049` gives `974`.

    Examples
    --------
    >>> department_of_qpv(pd.Series(["QP034001", "QN02A01M", "QP974049"])).tolist()
    ['34', '2A', '974']
    """
    part = codes.str[2:5]
    return part.where(part.str.match("9[78]"), part.str[1:])


def department_of_commune(codes: pd.Series) -> pd.Series:
    """Department of commune (or IRIS) codes: the first two characters, three overseas.

    Parameters
    ----------
    codes : Series of str

    Returns
    -------
    Series of str

    Examples
    --------
    >>> department_of_commune(pd.Series(["31555", "2A004", "97411"])).tolist()
    ['31', '2A', '974']
    """
    return codes.str[:2].where(~codes.str.match("9[78]"), codes.str[:3])


def zoning_of_qpv_code(code: str) -> int:
    """Zoning that a QPV code belongs to.

    Raises
    ------
    UnknownNameError
        The text is not a QPV code of either zoning.

    Examples
    --------
    >>> zoning_of_qpv_code("QP031004"), zoning_of_qpv_code("QN03112M")
    (2015, 2024)
    """
    for vintage in QPV_ZONINGS:
        if re.fullmatch(_CODE_FORMS["qpv", vintage], code):
            return vintage
    raise UnknownNameError(
        f"{code!r} is not a QPV code. Expected QP + department (3) + 3 digits for 2015 (QP031004, QP02A001), "
        "QN + department (3) + 2 digits + N, M, I or C for 2024 (QN03112M)."
    )


def whole_commune(codes: pd.Series) -> pd.Series:
    """Commune codes, those of the arrondissements of Paris, Lyon and Marseille brought to their commune.

    Examples
    --------
    >>> whole_commune(pd.Series(["75113", "69389", "13216", "31555"])).tolist()
    ['75056', '69123', '13055', '31555']
    """
    return codes.map(_WHOLE_COMMUNES).fillna(codes)


def projected_crs(department: str) -> int:
    """EPSG code of the projected system in which areas of a department are measured.

    Examples
    --------
    >>> projected_crs("31"), projected_crs("974")
    (2154, 2975)
    """
    return _OVERSEAS_CRS.get(department, METROPOLITAN_CRS)


def is_overseas(departments: pd.Series) -> pd.Series:
    """Whether departments lie overseas (code of three characters)."""
    return departments.str.len() == 3


def check_level(level: str) -> str:
    """The level itself, or an error that lists the levels.

    Raises
    ------
    UnknownNameError
    """
    if level not in LEVELS:
        raise UnknownNameError(f"Unknown geo_level {level!r}. {did_you_mean(level, LEVELS)}")
    return level


def fold(name: str) -> str:
    """A place name without accents, case, hyphens and abbreviations, for look-up.

    Examples
    --------
    >>> fold("Saint-Étienne-du-Rouvray") == fold("ST ETIENNE DU ROUVRAY")
    True
    >>> fold("L’Haÿ\u2011les\xa0Roses")
    'l hay les roses'
    """
    text = name.lower().replace("œ", "oe").replace("æ", "ae")
    # accents go; any other sign (apostrophes, dashes and spaces of all kinds) parts words
    text = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    text = re.sub(r"[^a-z0-9]+", " ", text).strip()
    return re.sub(r"\b(st|ste)\b", lambda found: {"st": "saint", "ste": "sainte"}[found[0]], text)


def with_neighbours(outlines: gpd.GeoDataFrame, shapes: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """The outlines that hold or touch these shapes, and those that touch them in turn.

    Parameters
    ----------
    outlines : GeoDataFrame
    shapes : GeoSeries
        In the same system of coordinates.

    Returns
    -------
    GeoDataFrame
        Rows of `outlines`, in their order.
    """
    hosts = outlines[outlines.index.isin(outlines.sjoin(shapes.to_frame("geometry"), predicate="intersects").index)]
    near = outlines.sjoin(hosts[["geometry"]], predicate="intersects").index
    return outlines[outlines.index.isin(near)].reset_index(drop=True)
