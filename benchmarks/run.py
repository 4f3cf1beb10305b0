"""All measures in one run, as ratios to a reference on the same machine: `make bench`.

Times are noisy and never tested; a ratio of two times of one run says more than either.
"""

from __future__ import annotations

import importlib
import sys

import pandas as pd

MODULES = ("main_job", "inference", "areal", "locate", "figures", "refresh")


def main() -> None:
    wanted = sys.argv[1:] or MODULES
    for name in wanted:
        rows = importlib.import_module(name).run()
        print(f"\n{name}\n{pd.DataFrame(rows).astype(object).fillna('').to_string(index=False)}", flush=True)


if __name__ == "__main__":
    main()
