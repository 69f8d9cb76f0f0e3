# SPDX-License-Identifier: Apache-2.0
"""The site file: what is particular to one cluster, in TOML (docs/clusters.md, "The site file"). Read strictly."""
from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from .refusal import CONFIGURATION, Refusal, one_line

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/+-]*")  # What needs no quotes in any scheduler's directives.
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Site:
    """One attribute for each key; those of a table bear its name in front."""

    account: str = ""
    partition: str = ""
    queue: str = ""
    qos: str = ""
    mpi: str = ""
    cpus_per_rank: int = 0
    modules: list[str] = field(default_factory=list)
    prologue: list[str] = field(default_factory=list)
    directives: list[str] = field(default_factory=list)
    srun_mpi: str = "pmix"
    srun_options: list[str] = field(default_factory=list)
    mpirun_hostfile: str = ""
    mpirun_options: list[str] = field(default_factory=list)
    flux_options: list[str] = field(default_factory=list)
    container_runtime: str = "apptainer"
    container_options: list[str] = field(default_factory=list)
    container_msn: str = "msn"
    environment: dict[str, str] = field(default_factory=dict)


TABLES = {
    "": ("account", "partition", "queue", "qos", "mpi", "cpus_per_rank", "modules", "prologue", "directives"),
    "srun": ("mpi", "options"),
    "mpirun": ("hostfile", "options"),
    "flux": ("options",),
    "container": ("runtime", "options", "msn"),
}


def refuse(what: str, path: str, remedy: str) -> Refusal:
    return Refusal(what, path, remedy, CONFIGURATION)


def toml_reader():
    """tomllib of Python 3.11, or the same reader as a package, alone or as pip carries it along."""
    for name in ("tomllib", "tomli", "pip._vendor.tomli"):
        try:
            return __import__(name, fromlist=["loads"])
        except ImportError:
            continue
    raise Refusal("this Python has no reader of TOML", "--site", "use Python 3.11 or later, or: python3 -m pip install tomli")


def checked(value: object, like: object, key: str, path: str):
    """The value, if it is of the type that the key wants and fits on a line."""
    kind = {str: "a text", int: "a whole number from 1", list: "a list of texts"}[type(like)]
    right = isinstance(value, type(like)) and not isinstance(value, bool)
    if isinstance(value, list):
        right = right and all(isinstance(item, str) for item in value)
    if isinstance(value, int):
        right = right and value > 0
    if not right:
        raise refuse(f'"{key}" is {value!r}', path, f"give {kind}")
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str):
            one_line(text, f'{path}, "{key}"', CONFIGURATION)
    return value


def unknown(key: str, known: list[str], path: str) -> Refusal:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0)
    return refuse(f'unknown key "{key}"', path, f'the nearest known key is "{near[0]}"; docs/clusters.md lists the keys')


def environment_of(table: object, path: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise refuse(f'"environment" is {table!r}', path, "make it a table: [environment]")
    for name, value in table.items():
        if not VARIABLE.fullmatch(name):
            raise refuse(f'"environment.{name}" is no name of a variable', path, "use letters, digits and _")
        checked(value, "", f"environment.{name}", path)
    return dict(table)


def site_of(data: dict, path: str) -> Site:
    """The site that a parsed file describes."""
    known = [f"{table}.{key}".lstrip(".") for table, keys in TABLES.items() for key in keys] + ["environment"]
    found: dict[str, object] = {}
    for name, value in data.items():
        if name == "environment":
            found[name] = environment_of(value, path)
        elif name in TABLES and isinstance(value, dict):
            for key, inner in value.items():
                if key not in TABLES[name]:
                    raise unknown(f"{name}.{key}", known, path)
                found[f"{name}_{key}"] = checked(inner, getattr(Site(), f"{name}_{key}"), f"{name}.{key}", path)
        elif name in TABLES[""]:
            found[name] = checked(value, getattr(Site(), name), name, path)
        else:
            raise unknown(name, known, path)
    site = Site(**found)
    for key in ("account", "partition", "queue", "qos", "srun_mpi"):
        value = getattr(site, key)
        if value and not PLAIN.fullmatch(value):
            raise refuse(f'"{key.replace("_", ".")}" is {value!r}', path, "use letters, digits and _ . : @ / + -")
    for line in site.directives:
        if not line.startswith("-"):
            raise refuse(f'"directives" has {line!r}', path, 'begin with the option, as in "--exclusive"')
    if site.mpi not in ("", "srun", "mpirun"):
        raise refuse(f'"mpi" is {site.mpi!r}', path, '"srun" or "mpirun"')
    return site


def read_site(path: str) -> Site:
    reader = toml_reader()
    try:
        with open(path, encoding="utf-8") as file:
            return site_of(reader.loads(file.read()), path)
    except OSError as error:
        raise refuse(f"the site file cannot be read: {error.strerror}", path, "give another --site or MSN_SITE") from None
    except ValueError as error:  # Of TOML or of UTF-8.
        raise refuse(f"the site file is no TOML: {error}", path, "correct it") from None
