"""The published figures that make up references: read once, and shared by the references of one indicator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from qpv_sante import aggregation, loading
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.geography import whole_commune
from qpv_sante.territories import FRANCE, METROPOLITAN_FRANCE, Gazetteer, current_commune

# below the level of a reference, what its figure can be pooled from
SMALL_LEVELS = ("commune", "iris")


@dataclass
class Figures:
    """Figures of one indicator, year, sex and age outside QPV, level by level.

    A level is read when a reference first needs it; the next ones find it here. Made for one call: it holds what the
    store held.
    """

    indicator: Indicator
    year: int
    sex: str = "_T"
    age: str = "_T"
    _read: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    _today: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)
    _usual: dict[str, float] = field(default_factory=dict, repr=False)

    def level_for(self, level: str) -> str | None:
        """The coarsest level published in that year that gives a figure of `level`, itself or pooled; or none."""
        published = {str(r["geo_level"]) for r in catalogue().published(self.indicator.id) if r["year"] == self.year}
        return next((name for name in (level, *SMALL_LEVELS) if name in published), None)

    def at(self, level: str) -> pd.DataFrame:
        """Rows of a level with bounds: `geo_code, source, value, lower, upper, interval, flag, weight`."""
        if level not in self._read:
            frame = loading.load_observations(
                self.indicator.id, geo_level=level, year=self.year, sex=self.sex, age=self.age
            )
            rounding = catalogue().rounding(self.indicator.id, str(frame["source"].iloc[0]))
            frame = aggregation.with_bounds(frame, rounding, self.indicator.range)
            frame = frame[["geo_code", "source", "value", "lower", "upper", "interval", "flag", "denominator"]]
            frame = frame.rename(columns={"denominator": "weight"})
            frame.attrs = {}  # pandas would copy the origin in depth at each operation
            self._read[level] = frame
        return self._read[level]

    def extremes(self, level: str) -> tuple[float, float]:
        """Lowest and highest bounds of a level: the same whatever the groups, so that a reference has the same bounds
        in every call."""
        frame = self.at(level)
        return float(frame["lower"].min()), float(frame["upper"].max())

    def units(self, host: pd.DataFrame, of: str, level: str, places: Gazetteer) -> pd.DataFrame:
        """Figures of `level` that make up each group of territories.

        Parameters
        ----------
        host : DataFrame
            `group, code`: the territories of each group.
        of : str
            Level of these territories.
        level : str
            Level of the figures, as `level_for` gives it.
        places : Gazetteer

        Returns
        -------
        DataFrame
            `group`, columns of `at`; one row a group and unit, without a value where the unit has none published.
        """
        if level == of:
            units = host.merge(self.at(level), left_on="code", right_on="geo_code", how="left")
        else:
            units = self._small_units(host, of, level, places)
        units["flag"] = units["flag"].astype("str").fillna("unavailable")
        units["interval"] = units["interval"].fillna("none")
        return units

    def _small_units(self, host: pd.DataFrame, of: str, level: str, places: Gazetteer) -> pd.DataFrame:
        """Figures of the communes (or IRIS) that lie in each group's territories, one row each."""
        communes = places.communes
        # communes by their place in the table: texts are ten times slower to join
        at = np.arange(len(communes))
        if of == "country":
            metropolitan = (communes["department"].str.len() < 3).to_numpy()
            owner = pd.concat(
                [
                    pd.DataFrame({"code": METROPOLITAN_FRANCE.code, "commune": at[metropolitan]}),
                    pd.DataFrame({"code": FRANCE.code, "commune": at}),
                ]
            )
        else:
            codes = communes["code" if of == "commune" else of]
            inside = codes.isin(host["code"].unique()).to_numpy()
            owner = pd.DataFrame({"code": codes[inside].to_numpy(), "commune": at[inside]})
        units = host.merge(owner, on="code").merge(self._by_commune(level, places), on="commune", how="left")
        people = communes["population"].astype(float).to_numpy()
        if level == "commune":
            units["weight"] = units["weight"].fillna(pd.Series(people[units["commune"]], index=units.index))
        else:
            # a commune of which no IRIS is published counts for its inhabitants, not for one small IRIS
            units["weight"] = units["weight"].astype(float)
            absent = units["geo_code"].isna()
            if absent.any():
                usual = self._usual_weight(level, places)
                units.loc[absent, "weight"] = people[units.loc[absent, "commune"]] * usual
            # an IRIS is withheld when it is too small: the smallest published size bounds those of the others
            units["weight"] = units["weight"].fillna(self.at(level)["weight"].min())
        return units

    def _usual_weight(self, level: str, places: Gazetteer) -> float:
        """Weight of one inhabitant, over the communes of which a figure is published."""
        if level not in self._usual:
            weights = self._by_commune(level, places).groupby("commune")["weight"].sum(min_count=1).dropna()
            covered = places.communes["population"].astype(float).iloc[weights.index].sum()
            self._usual[level] = weights.sum() / covered if covered else float("nan")
        return self._usual[level]

    def _by_commune(self, level: str, places: Gazetteer) -> pd.DataFrame:
        """Figures of communes or IRIS with the place of their commune in the table of those of today.

        Figures of whole arrondissements of Paris, Lyon and Marseille are left out: they would count their people twice.
        """
        if level not in self._today:
            frame = self.at(level)
            codes = frame["geo_code"].str[:5]
            commune = current_commune(whole_commune(codes) if level == "iris" else codes, places.former_communes)
            at = pd.Index(places.communes["code"]).get_indexer(commune)
            self._today[level] = frame.assign(commune=at)[at >= 0]
        return self._today[level]
