# SPDX-License-Identifier: Apache-2.0
"""What a scaling study measures: its settings, and the runs of its sweep. Pure functions, but for reading configurations."""
from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import asdict, dataclass, field

from scheduler.refusal import Refusal

FORMAT = 1
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Settings:
    """What must be the same in all runs of a study, beside the machine and the program."""

    configs: dict[str, str]  # Each configuration's name, and the hash of its text.
    sets: list[str] = field(default_factory=list)  # key=value, for all runs.
    steps: int = 100
    warm_up: int = 20
    cpus_per_rank: int = 1
    ranks_per_node: int = 0  # The most; 0: all ranks on one node.
    gpus_per_node: int = 0


@dataclass(frozen=True)
class Sweep:
    """What is varied. A study may grow by more of each."""

    vary: list[list[str]] = field(default_factory=list)  # Of each key a list: key=value, key=other, ...
    inputs: list[str] = field(default_factory=lambda: [SYNTHETIC])  # Or folders of packed data.
    ranks: list[int] = field(default_factory=lambda: [1])
    batches: list[int] = field(default_factory=list)  # Images of a rank: weak scaling.
    global_batches: list[int] = field(default_factory=list)  # Strong scaling.
    repeats: int = 3  # Jobs of each point.


@dataclass(frozen=True)
class Model:
    config: str  # A name among Settings.configs.
    values: tuple[str, ...] = ()  # key=value, what is varied.

    @property
    def name(self) -> str:
        return ", ".join([self.config, *(value.split(".", 1)[-1] for value in self.values)])


@dataclass(frozen=True)
class Point:
    """What is measured, by several jobs."""

    model: Model
    input: str
    ranks: int
    batch: int  # Images of a rank.

    @property
    def folder(self) -> str:
        """Under FOLDER/runs; two points never have the same."""
        words = [self.model.config, *self.model.values, "" if self.input == SYNTHETIC else self.input]
        return f"{slug(words)}/ranks-{self.ranks:04d}-batch-{self.batch:04d}"


@dataclass(frozen=True)
class Series:
    """Points of growing numbers of ranks. Weak: the images of a rank stay. Strong: those of all ranks do."""

    scaling: str  # "weak" or "strong"
    model: Model
    input: str
    images: int  # That stay.

    def point(self, ranks: int) -> Point:
        return Point(self.model, self.input, ranks, self.images if self.scaling == "weak" else self.images // ranks)

    @property
    def name(self) -> str:
        stay = f"{self.images} images a rank" if self.scaling == "weak" else f"{self.images} images"
        return f"{self.model.name}, {self.scaling}, {stay}" + ("" if self.input == SYNTHETIC else f", {self.input}")


def slug(words: list[str]) -> str:
    """A name for a folder; where characters had to go a hash keeps different words apart."""
    words = [word for word in words if word]
    plain = [re.sub(r"[^A-Za-z0-9._=-]", "-", word) for word in words]
    return "+".join(plain) + ("" if plain == words else "~" + hashlib.sha256("\0".join(words).encode()).hexdigest()[:8])


def models(settings: Settings, sweep: Sweep) -> list[Model]:
    return [Model(config, values) for config in settings.configs for values in itertools.product(*sweep.vary)]


def series(settings: Settings, sweep: Sweep) -> list[Series]:
    """All of them, weak ones first."""
    return [Series(scaling, model, source, images)
            for scaling, sizes in (("weak", sweep.batches), ("strong", sweep.global_batches))
            for model in models(settings, sweep) for source in sweep.inputs for images in sizes]


def points(settings: Settings, sweep: Sweep) -> list[Point]:
    """Each once, though several series may have it."""
    return list(dict.fromkeys(one.point(ranks) for one in series(settings, sweep) for ranks in sweep.ranks))


def check(settings: Settings, sweep: Sweep) -> None:
    """Refuses what no job could do."""
    if not sweep.batches and not sweep.global_batches:
        raise Refusal("no batch to scale with", "command line",
                      "give the images of a rank for weak scaling, --batch, or of all for strong scaling, --global-batch")
    for images, ranks in itertools.product(sweep.global_batches, sweep.ranks):
        if images % ranks:
            raise Refusal(f"{images} images cannot be shared evenly by {ranks} ranks", "--global-batch",
                          "give one that all --ranks divide")
    for ranks in sweep.ranks:
        nodes_of(settings, ranks)


def nodes_of(settings: Settings, ranks: int) -> tuple[int, int]:
    """Nodes, and the ranks of each."""
    if not settings.ranks_per_node or ranks <= settings.ranks_per_node:
        return 1, ranks
    if ranks % settings.ranks_per_node:
        raise Refusal(f"{ranks} ranks do not fill nodes of {settings.ranks_per_node}", "--ranks",
                      "take a multiple of --ranks-per-node, or no more than it")
    return ranks // settings.ranks_per_node, settings.ranks_per_node


def grown(before: Sweep, now: Sweep) -> Sweep:
    """The sweep of a study that is called again: all that was asked for so far. The keys that are varied must stay."""
    keys = [[key_of(values) for values in sweep.vary] for sweep in (before, now)]
    if keys[0] != keys[1]:
        old, new = (", ".join(one) or "nothing" for one in keys)
        raise Refusal(f"the study varied {old}, and now it would vary {new}", "--vary",
                      "vary the same keys in the same order, or take another folder")

    def both(first: list, second: list) -> list:
        return list(dict.fromkeys([*first, *second]))

    return Sweep([both(old, new) for old, new in zip(before.vary, now.vary)], both(before.inputs, now.inputs),
                 sorted(both(before.ranks, now.ranks)), both(before.batches, now.batches),
                 both(before.global_batches, now.global_batches), max(before.repeats, now.repeats))


def key_of(values: list[str]) -> str:
    return values[0].split("=", 1)[0]


def check_settings(before: Settings, now: Settings, where: str) -> None:
    """Refuses runs of other settings than those that a study has."""
    old, new = asdict(before), asdict(now)
    for config, digest in new.pop("configs").items():
        if before.configs.get(config, digest) != digest:
            raise Refusal(f"the configuration {config} is not the one that the study began with", where,
                          "take another folder, or leave --config out to go on with the study's own copy")
    for name, value in new.items():
        if old[name] != value:
            raise Refusal(f"the study began with {name.replace('_', ' ')} {old[name]}, and now it would be {value}", where,
                          "measurements of other settings do not mix: take another folder, or the same settings")


def to_json(settings: Settings, sweep: Sweep) -> dict:
    return {"format": FORMAT, "settings": asdict(settings), "sweep": asdict(sweep)}


def from_json(data: object, where: str) -> tuple[Settings, Sweep]:
    try:
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r} instead of {FORMAT}")
        return Settings(**data["settings"]), Sweep(**data["sweep"])
    except (TypeError, KeyError, ValueError) as error:
        raise Refusal(f"this is no study that can be gone on with: {error}", where, "take another folder") from None
