"""How datasets are called in tables and figures."""

import re

_DATASETS = {
    "hesc": "hESC",
    "hhep": "hHEP",
    "mdc": "mDC",
    "mesc": "mESC",
    "mhsc_e": "mHSC-E",
    "mhsc_gm": "mHSC-GM",
    "mhsc_l": "mHSC-L",
    "mesc_retrieval": "mESC (retrieval)",
    "semrau": "mESC (Semrau)",
    "semrau_retrieval": "mESC (Semrau, retrieval)",
    "chen": "hESC (Chen)",
    "liu": "hESC (Liu)",
    "sergio_ds1": "SERGIO DS1",
    "sergio_ds2": "SERGIO DS2",
    "sergio_ds3": "SERGIO DS3",
    "sergio_ds3_oracle": "SERGIO DS3 (oracle pools)",
    "toy_sets": "toy (sets)",
    "toy_retrieval": "toy (retrieval)",
}


def dataset_name(label: str) -> str:
    """Return how a reader writes a dataset; one of your own keeps its name.

    Parameters
    ----------
    label
        A choice of ``conf/data``, or what tables make of it.

    Examples
    --------
    >>> dataset_name("hhep non_specific")
    'hHEP, non-specific'
    """
    known, *settings = re.split(r" (?=\S*=)", label, maxsplit=1)
    name, *words = known.split(" ")
    words = [word.replace("_", "-") for word in words]
    return ", ".join([_DATASETS.get(name, name), *words, *settings])
