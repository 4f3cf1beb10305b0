"""The QPV most like one of them: distance on standardised social indicators."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qpv_sante import store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import InvalidInputError, UnavailableLevelError
from qpv_sante.profiles.places import Quarter, chosen_years, find_quarter, tables

# One indicator a dimension: the median income would count poverty twice, counts would measure sizes
SOCIAL: dict[int, tuple[str, ...]] = {
    2015: (
        "poverty_rate",
        "single_parent_recipient_share",
        "one_person_household_share",
        "foreigner_share",
        "under_25_share",
        "over_60_share",
        "c2s_share",
        "rsa_recipient_share",
        "employment_rate",
        "limited_duration_job_share",
    ),
    2024: ("poverty_rate", "one_person_household_share", "foreigner_share", "employment_rate"),
}
_SAID = 3
# what makes the median absolute deviation of a normal distribution its standard deviation
_NORMAL_MAD = 1.482602218505602
_AGAINST = {"fr": "{label} ({theirs}, ici {ours})", "en": "{label} ({theirs}, here {ours})"}
_SEPARATOR = {"fr": " ; ", "en": "; "}


@checked
@store.one_build()
def similar(
    code: str,
    n: int = 10,
    *,
    geo_vintage: int | None = None,
    min_common: int | None = None,
    years: dict[str, int] | None = None,
    lang: str = "fr",
) -> pd.DataFrame:
    r"""The QPV of the same zoning whose social indicators are nearest to those of one of them.

    Parameters
    ----------
    code : str
        A QPV code, or a name with its commune.
    n : int
        Number of QPV.
    geo_vintage : int, optional
        Zoning, 2015 or 2024: deduced from a code; needed for a name that both zonings bear.
    min_common : int, optional
        Least number of indicators that both QPV have; two thirds of the list, rounded up, by default. A quarter
        with fewer values of its own is compared on those, at least three.
    years : dict of str to int, optional
        Year of some indicators; by default the newest of the best covered, named in `attrs["years"]`.
    lang : {"fr", "en"}
        Language of `shared` and `differs`.

    Returns
    -------
    DataFrame
        One row a QPV, the nearest first: `rank, geo_code, name, commune_names, department, distance, n_used`
        (indicators that both have) of `n_total`, one column of published values an indicator of the list, in its own
        unit (missing where it is not published), `shared` and `differs`: in words, the three closest and the three
        most different indicators, `geo_vintage, source, licence`. `attrs`: `geo_code`, `years`, `centre` and
        `scale` of each indicator, `values` of the quarter itself, `n_candidates` compared and `n_left_out` for want of
        common indicators.

    Raises
    ------
    UnknownNameError, AmbiguousTerritoryError, ComparabilityError
        As `find_quarter`.
    UnavailableLevelError
        The quarter has fewer than three published indicators: withheld values are not made up.
    InvalidInputError
        `n` or `min_common` out of range.

    Notes
    -----
    The list is `qpv_sante.profiles.nearest.SOCIAL`: income, families, population, health cover, benefits and
    employment in the 2015 zoning, the four that are published in that of 2024. Each value is standardised over all
    QPV of the zoning by its median and its median absolute deviation, :math:`z = (x - \mathrm{med}) / (1.4826\,
    \mathrm{MAD})`, which outliers do not move. The distance is Euclidean, on the :math:`m` indicators that both QPV
    have, and divided by their number so that it does not grow with it:

    .. math:: d = \sqrt{\tfrac{1}{m} \sum_k (z_{ik} - z_{jk})^2} .

    Nothing is imputed. A distance of 1 is one standard deviation an indicator, on average. Resemblance is social and
    says nothing of health, which is not published by QPV.

    Examples
    --------
    >>> near = similar("QP034003", n=3)
    >>> near["rank"].tolist(), near["distance"].is_monotonic_increasing, near["n_total"].unique().tolist()
    ([1, 2, 3], True, [10])
    """
    language = style.check_lang(lang)
    quarter = find_quarter(code, geo_vintage)
    every = chosen_years(quarter.geo_vintage, years)
    used = {name: every[name] for name in SOCIAL[quarter.geo_vintage] if name in every}
    return similar_in(quarter, used, tables(quarter.geo_vintage, used), n, min_common, language)


def similar_in(
    quarter: Quarter,
    years: dict[str, int],
    frames: dict[str, pd.DataFrame],
    n: int,
    min_common: int | None,
    lang: style.Lang,
) -> pd.DataFrame:
    """Nearest QPV from frames that are already read, of the indicators of `SOCIAL`."""
    total = len(years)
    if min_common is not None and not 1 <= min_common <= total:
        raise InvalidInputError(f"min_common lies between 1 and the {total} indicators of the list; got {min_common}.")
    values = pd.DataFrame({name: frames[name].set_index("geo_code")["value"] for name in years})
    own = values.loc[quarter.code]
    has = int(own.notna().sum())
    least = min_common or min(-(-2 * total // 3), max(has, 3))
    if has < least:
        withheld = ", ".join(own.index[own.isna()])
        raise UnavailableLevelError(
            f"{quarter.code} ({quarter.name}) has {has} published value(s) among the {total} indicators of "
            f"resemblance, {least} are needed. Without a value for it: {withheld}. Withheld values are not made up."
        )
    scores, centre, scale = standardised(values)
    gaps = scores.drop(index=quarter.code) - scores.loc[quarter.code]
    common = gaps.notna().sum(axis=1)
    distance = np.sqrt((gaps**2).sum(axis=1) / common.where(common > 0))
    # codes settle ties: the same call gives the same list
    enough = distance[common >= least].rename_axis("geo_code").reset_index(name="distance")
    kept = enough.sort_values(["distance", "geo_code"], ignore_index=True).head(n)
    first = frames[next(iter(years))].set_index("geo_code")
    codes = kept["geo_code"].tolist()
    sources = {name: str(frames[name]["source"].dropna().iloc[0]) for name in years}
    words = [_words(gaps.loc[one], values.loc[one], own, lang) for one in codes]
    result = pd.DataFrame(
        {
            "rank": range(1, len(kept) + 1),
            "geo_code": codes,
            "name": first.loc[codes, "name"].to_list(),
            "commune_names": first.loc[codes, "commune_names"].str.replace(";", ", ").to_list(),
            "department": first.loc[codes, "department"].to_list(),
            "distance": kept["distance"].to_list(),
            "n_used": common.loc[codes].to_list(),
            "n_total": total,
            **{name: values.loc[codes, name].to_list() for name in years},
            "shared": [one[0] for one in words],
            "differs": [one[1] for one in words],
            "geo_vintage": quarter.geo_vintage,
            "source": ", ".join(sorted(set(sources.values()))),
            "licence": ", ".join(sorted({catalogue().source(key).licence for key in sources.values()})),
        }
    )
    result.attrs = {
        "geo_code": quarter.code,
        "years": years,
        "centre": centre.to_dict(),
        "scale": scale.to_dict(),
        "values": own.to_dict(),
        "min_common": least,
        "n_candidates": int((common >= least).sum()),
        "n_left_out": int((common < least).sum()),
    }
    return result


def standardised(values: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Robust z-scores of each column, with the medians and the scales that made them.

    Parameters
    ----------
    values : DataFrame
        One row a QPV, one column an indicator; missing values stay missing.

    Returns
    -------
    scores : DataFrame
        (value - median) / (1.4826 * median absolute deviation). A column of which half is one value has no scale:
        its scores are missing, and it does not count.
    centre, scale : Series

    Examples
    --------
    >>> scores, centre, scale = standardised(pd.DataFrame({"rate": [10.0, 20.0, 30.0, 40.0, None]}))
    >>> float(centre["rate"]), round(float(scale["rate"]), 3), scores["rate"].round(3).tolist()
    (25.0, 14.826, [-1.012, -0.337, 0.337, 1.012, nan])
    """
    # scipy.stats has the same, and takes longer to import than a sheet to write
    centre = values.median()
    scale = _NORMAL_MAD * (values - centre).abs().median()
    return (values - centre) / scale.where(scale > 0), centre, scale


def _words(gaps: pd.Series, theirs: pd.Series, ours: pd.Series, lang: style.Lang) -> tuple[str, str]:
    """The closest indicators and the most different ones, with both values; none in both lists."""
    order = gaps.abs().dropna().sort_values(kind="stable").index.tolist()
    few = min(_SAID, len(order) // 2)
    close, far = order[:few], order[::-1][:few]
    return (
        _SEPARATOR[lang].join(_against(name, theirs, ours, lang) for name in close),
        _SEPARATOR[lang].join(_against(name, theirs, ours, lang) for name in far),
    )


def _against(name: str, theirs: pd.Series, ours: pd.Series, lang: style.Lang) -> str:
    known = catalogue().indicator(name)
    symbol = style.unit_symbol(known.unit[lang])

    def number(value: float) -> str:
        return style.format_number(value, known.decimals, lang=lang, symbol=symbol)

    label = known.short[lang]
    return style.typography(
        _AGAINST[lang].format(label=label, theirs=number(theirs[name]), ours=number(ours[name])), lang
    )
