"""Practices joined to QPV, no more precisely than their place is known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante.arguments import checked
from qpv_sante.care.nearby import UNKNOWN_PRECISION_M
from qpv_sante.errors import ComparabilityError, SchemaError
from qpv_sante.geography import department_of_qpv, projected_crs, zoning_of_qpv_code
from qpv_sante.initiatives import load_initiatives, outlines_of

if TYPE_CHECKING:
    import geopandas as gpd

log = logging.getLogger(__name__)

# From the strongest statement to the weakest
RELATIONS = ("inside", "nearby", "same_quarter", "same_commune")


@checked
def attach_initiatives(
    zones: gpd.GeoDataFrame,
    *,
    within_m: float = 1000.0,
    initiatives: gpd.GeoDataFrame | None = None,
    lang: str = "fr",
) -> pd.DataFrame:
    """Practices joined to QPV, no more precisely than their place is known.

    Parameters
    ----------
    zones : GeoDataFrame
        QPV of one zoning with `geo_code` and outlines, from `load_zones` or `attach_zones`.
    within_m : float
        Distance in metres below which a practice is `nearby`.
    initiatives : GeoDataFrame, optional
        From `load_initiatives`; the package's own by default.
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    DataFrame
        One row a QPV and practice that are related: `geo_code, geo_vintage`, `qpv_name`, `id, name, kind, kind_label,
        place, precision`, `relation`, `distance_m`, `uncertain`, `figures, source, note`. The relation is the
        strongest that its places allow:

        - `inside`: the document gives this QPV as the place, or the point lies in it;
        - `nearby`: at most `within_m` away; of a practice known by its QPV, `distance_m` is that between the
          outlines, the least it may be;
        - `same_quarter`: the document gives a quarter of the city that the QPV overlaps in part;
        - `same_commune`: the commune is all that is known, or the QPV is farther; `distance_m` is missing where it
          cannot be measured.

        `uncertain`: the point is nearer to the QPV's edge than the doubt on it (100 m for an establishment, whose
        precision is not published): inside may be nearby, and the other way round.

        A practice known by its department only is joined to nothing: `attrs["not_placed"]` lists them.

    Raises
    ------
    SchemaError
        No `geo_code`, or no QPV.
    ComparabilityError
        QPV of both zonings.
    InvalidInputError
        A negative distance.

    Examples
    --------
    >>> from qpv_sante.loading import load_zones
    >>> montpellier = load_zones("qpv", vintage=2024, territory="Montpellier")
    >>> found = attach_initiatives(montpellier, within_m=500)
    >>> found.loc[found["geo_code"] == "QN03410M", ["id", "relation", "uncertain"]].values.tolist()
    [['quartier-sante', 'nearby', True], ['msp-montpellier-cevennes', 'same_commune', False]]
    """
    from qpv_sante.loading import gazetteer

    zoning = _zoning(zones)
    practices = load_initiatives(lang=lang) if initiatives is None else initiatives
    needed = [*_KEPT, "commune_code", "geometry_note", f"qpv_{zoning}"]
    if absent := [name for name in needed if name not in practices.columns]:
        raise SchemaError(f"initiatives comes from load_initiatives; missing columns: {', '.join(absent)}.")
    outlines = zones.drop_duplicates("geo_code").set_index("geo_code").geometry
    table = gazetteer().qpv_in(None, zoning).set_index("geo_code")
    hosts = table["communes"].str.split(";").to_dict()
    rows, placed = [], set()
    for site in practices.itertuples(index=False):
        if site.precision == "department":
            continue
        placed.add(site.id)
        own = set(filter(None, getattr(site, f"qpv_{zoning}").split(";")))
        metres = _distances(site, own, outlines, zoning)
        for code in outlines.index:
            distance = metres.get(code, float("nan"))
            doubt = site.precision == "structure" and abs(distance) <= UNKNOWN_PRECISION_M
            if (site.precision == "quarter" and code in own) or distance < 0:
                relation, distance = "inside", 0.0
            elif distance <= within_m:
                relation = "nearby"
            elif site.precision == "city_quarter" and code in own:
                relation = "same_quarter"
            elif site.commune_code in hosts.get(code, []):
                relation = "same_commune"
            else:
                continue
            kept = {name: getattr(site, name) for name in _KEPT}
            rows.append({"geo_code": code, **kept, "relation": relation, "distance_m": distance, "uncertain": doubt})
    columns = ["geo_code", *_KEPT, "relation", "distance_m", "uncertain"]
    frame = pd.DataFrame(rows, columns=columns).astype({"distance_m": float, "uncertain": bool})
    strength = frame["relation"].map({name: rank for rank, name in enumerate(RELATIONS)}).astype(float)
    frame = frame.assign(strength=strength, order=frame["id"].map({one: at for at, one in enumerate(practices["id"])}))
    frame = frame.sort_values(["geo_code", "strength", "distance_m", "order"], kind="stable")
    frame = frame.drop_duplicates(["geo_code", "id"]).reset_index(drop=True)
    frame.insert(1, "geo_vintage", zoning)
    frame.insert(2, "qpv_name", frame["geo_code"].map(table["name"]))
    not_placed = practices.loc[~practices["id"].isin(placed), ["id", "place", "geometry_note"]].to_dict("records")
    if not_placed:
        log.info("not joined, for want of a commune: %s", ", ".join(one["id"] for one in not_placed))
    found = ["relation", "distance_m", "uncertain"]
    result = frame[["geo_code", "geo_vintage", "qpv_name", *_KEPT[:6], *found, *_KEPT[6:]]]
    result.attrs = {"geo_vintage": zoning, "within_m": within_m, "not_placed": not_placed}
    return result


_KEPT = ("id", "name", "kind", "kind_label", "place", "precision", "figures", "source", "note")


def _zoning(zones: gpd.GeoDataFrame) -> int:
    import geopandas as gpd

    if not isinstance(zones, gpd.GeoDataFrame) or "geo_code" not in zones or zones.empty:
        raise SchemaError("attach_initiatives needs QPV with geo_code and outlines: load_zones('qpv', vintage=2024).")
    if zones.crs is None:
        raise SchemaError("The outlines have no reference system. Declare it: set_crs(4326), for example.")
    found = sorted({zoning_of_qpv_code(str(code)) for code in zones["geo_code"].unique()})
    if len(found) > 1:
        raise ComparabilityError("attach_initiatives takes QPV of one zoning at a time; got those of 2015 and of 2024.")
    return found[0]


def _distances(site: Any, own: set[str], outlines: gpd.GeoSeries, zoning: int) -> dict[str, float]:
    """Metres from a point, or from the outline of a quarter, to each QPV of its projection.

    Of a point inside, the depth, negative.
    """
    import geopandas as gpd

    if site.precision not in ("address", "structure", "quarter"):
        return {}
    if site.precision != "quarter":
        if site.geometry is None:
            return {}
        origin = gpd.GeoSeries([site.geometry], crs=4326)
    else:
        drawn = outlines_of(zoning)
        origin = gpd.GeoSeries([drawn[code] for code in own if code in drawn.index], crs=drawn.crs).dropna()
        if origin.empty:
            return {}
    crs = projected_crs(str(site.department))
    # overseas, each department has its own projection; on the mainland, any QPV may be near
    codes = pd.Series(outlines.index, index=outlines.index)
    here = outlines[department_of_qpv(codes).map(projected_crs) == crs].dropna()
    shape = origin.to_crs(crs).make_valid().union_all()
    drawn_here = here.to_crs(crs).make_valid()
    metres = drawn_here.distance(shape)
    if site.precision != "quarter":
        inside = drawn_here.contains(shape)
        metres = metres.mask(inside, -drawn_here.boundary.distance(shape))
    return {str(code): float(one) for code, one in metres.items()}
