"""What a kind of conditions answers, and what it may know of a run meanwhile.

Everything has a default but the name and the ids: a kind whose conditions are `transform`s of single images needs no
more than `ids` and `make`.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from seatrial.engines.places import Arena, PlacedEngine
from seatrial.errors import UsageError
from seatrial.exporters import DeployableModel
from seatrial.harness.conditions.condition import Condition
from seatrial.harness.conditions.released import ReleasedSet
from seatrial.harness.data import Selection
from seatrial.harness.data.labels import LabelOf
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.progress import Progress
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import Build, TargetSpec

if TYPE_CHECKING:
    from rich.console import Console


@dataclasses.dataclass(frozen=True)
class World:
    """What is known of a run before its images are opened. model: None while it is not loaded. variants: other files
    that are tested beside it, by name, once they are loaded.
    """

    spec: RunSpec = dataclasses.field(default_factory=RunSpec)
    targets: tuple[TargetSpec, ...] = ()
    model: DeployableModel | None = None
    variants: Mapping[str, DeployableModel] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Network:
    """Another model that conditions need. labels: int64 [N] of the run's images, among its own classes."""

    model: DeployableModel
    labels: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedWorld(World):
    """What is known once they are open. data: the images, in the run's order; path: where they lie. networks: by name.
    shared: what shapes all trials of the run, of_targets: what makes each target, by id; JSON values.
    """

    model: DeployableModel
    data: Selection
    path: Path | str
    networks: Mapping[str, Network] = dataclasses.field(default_factory=dict)
    shared: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    of_targets: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def model_of(self, target: TargetSpec) -> DeployableModel:
        """The file behind a target, from which its own is made: the model's, or the variant's."""
        return self.model if target.variant is None else self.variants[target.variant]


@dataclasses.dataclass(frozen=True)
class Resolved:
    """conditions: in the order of reports. later: ids that stand for conditions which hang on the answers to these.
    notes: what was left out, and why. networks: further models that the conditions need, by name.
    """

    conditions: tuple[Condition, ...] = ()
    later: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    networks: Mapping[str, Network] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Pending:
    """The trials of one condition that are left. targets: ids of the builds that have not answered it."""

    condition: Condition
    targets: tuple[str, ...]

    def of(self, targets: Iterable[str]) -> Pending:
        """Those of some targets alone."""
        kept = set(targets)
        return Pending(self.condition, tuple(name for name in self.targets if name in kept))


class Target(Protocol):
    """A built engine and the file that it was built from. id: of the build."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def build(self) -> Build: ...  # noqa: D102
    @property
    def engine(self) -> PlacedEngine: ...  # noqa: D102
    @property
    def model(self) -> DeployableModel: ...  # noqa: D102


class Images(Protocol):
    """The images of a run's conditions, at the model's size, by position."""

    def reader(self, condition_id: str) -> ImageReader:
        """Those of one condition."""

    def replace(self, condition_id: str, reader: ImageReader) -> None:
        """From now on a condition's images are these."""


# The hash of what shapes a build's answers under a condition; without a build, of what shapes the condition's images.
Key = Callable[[str, Build | None], str]


@dataclasses.dataclass(frozen=True)
class Errand:
    """Images of a condition that its kind makes in a run, to be made on other machines in parts of `size` images each,
    the last of fewer. target: id of the build that is asked for them, None where images are the same for all. asked:
    the kind's own, JSON values. starts: the first image of each part that is wanted.
    """

    condition: str
    target: str | None
    asked: Mapping[str, Any]
    size: int
    starts: tuple[int, ...]


# What came of a part of an errand: the errand, its first image, what the kind's maker made of it. BadInputError where
# that is none of what was asked. It is called from several threads.
TakePart = Callable[[Errand, int, bytes], None]
# Has the parts of errands made on other machines, and gives them back as they come. Parts may be missing in the end
# that nobody there could make; what ends an engine there is raised.
Elsewhere = Callable[[Sequence[Errand], TakePart], None]


@runtime_checkable
class NamedReader(Protocol):
    """An ImageReader of images that other machines may have kept."""

    def named(self, start: int, stop: int) -> Mapping[str, Any]:
        """By what `Kind.kept` finds them there; JSON values."""


class MisfitError(Exception):
    """What a maker would make is not what the run would: says what differs. Who asked gives it to another machine."""


# Asks the targets that are alive, and files their answers.
Ask = Callable[[Sequence[Pending]], None]


class Session(Protocol):
    """A run at work, as a kind sees it (`harness.run.session`)."""

    @property
    def world(self) -> LoadedWorld: ...  # noqa: D102
    @property
    def directory(self) -> RunDirectory: ...  # noqa: D102
    @property
    def images(self) -> Images: ...  # noqa: D102
    @property
    def arena(self) -> Arena: ...  # noqa: D102
    @property
    def progress(self) -> Progress: ...  # noqa: D102

    @property
    def elsewhere(self) -> Elsewhere | None:
        """Other machines that make images; None where there are none."""

    def alive(self) -> Sequence[Target]:
        """The targets that have not failed."""

    def lost(self, target: str) -> bool:
        """True for the id of a build that has failed."""

    def noting(self, target: str, stage: str) -> contextlib.AbstractContextManager[None]:
        """Ends quietly where the body fails as a target may, and notes it."""

    def key(self, condition_id: str, build: Build | None) -> str:
        """As `Key`."""


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run that is to be judged. targets: those with figures. answers: target id -> condition id -> prediction rows,
    read when they are asked for, conditions in the order of the run; a condition that a target could not answer is
    missing. reference: id of the float target that all others are compared with. shapes: what shaped the conditions
    (`Kind.shape`), also those of calibration images. key: as `Session.key`.
    """

    world: LoadedWorld
    directory: RunDirectory
    targets: tuple[TargetSpec, ...]
    answers: Mapping[str, Mapping[str, Predictions]]
    reference: str
    shapes: Sequence[Mapping[str, Any]]
    key: Key


Figures = Mapping[str, Mapping[str, Any]]
# Condition id -> bool [N], which images are right, in the run's order; unpacked when asked for.
Right = Mapping[str, npt.NDArray[np.bool_]]


@dataclasses.dataclass(frozen=True)
class Measured:
    """One target. figures: condition id -> its figures, as in summary.json. right: its answers, image by image."""

    figures: Figures
    right: Right


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the table of targets. heading: in the terminal; title: in the report. cell: target of summary.json ->
    text.
    """

    heading: str
    title: str
    cell: Callable[[Mapping[str, Any]], str]


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the report. template: Jinja, every value in it is escaped; it sees `summary`, `targets`, `numbers`
    (`harness.typeset.numbers`) and `values`. It begins with an `<h2>`, under which the report's list of contents names
    it; it runs no script.
    """

    template: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, package: str, values: Mapping[str, Any]) -> Section:
        """With the template `section.html` of a package."""
        return cls((resources.files(package) / "section.html").read_text(encoding="utf-8"), values)


class Kind(abc.ABC):
    """A kind of conditions. name: its own. prefix: what its ids begin with. suites: those that ask for conditions of
    this kind. block: its key in summary.json, None where it has none.
    """

    name: str
    prefix: str
    suites: tuple[str, ...] = ()
    block: str | None = None

    def owns(self, condition_id: str) -> bool:
        """True for the ids of this kind, whether there is such a condition or not."""
        return condition_id.startswith(self.prefix)

    # Which there are.

    @abc.abstractmethod
    def ids(self, world: World) -> list[str]:
        """All that patterns may find, in the order of reports."""

    def spelled(self) -> str:
        """The same in short, for messages."""
        return ", ".join(self.ids(World()))

    def matching(self, glob: str, world: World) -> list[str]:
        """The ids that a pattern finds. UsageError for one that names something without sense."""
        return [name for name in self.ids(world) if fnmatch.fnmatchcase(name, glob)]

    def of_suite(self, suite: str, world: World) -> list[str]:
        """The ids of one of `suites`."""
        return self.ids(world)

    def chosen(self, suite: str, globs: Sequence[str], severities: Sequence[int], world: World) -> list[str]:
        """The ids that the globs find, or those of the suite where there are none; each once, in the order of reports.
        UsageError for what cannot be meant.
        """
        if not globs:
            return self.of_suite(suite, world) if suite in self.suites else []
        found = {name for glob in globs for name in self.matching(glob, world)}
        return [name for name in self.ids(world) if name in found]

    def asked_of(self, condition_id: str, target: TargetSpec, world: LoadedWorld) -> bool:
        """False where that target is not asked under that condition; the reference is asked under all."""
        return True

    def needs_labels(self, condition_id: str) -> bool:
        """True where the condition, or what is made of the answers to it, has no sense for images without labels."""
        return False

    # From ids to conditions.

    def make(self, condition_id: str, world: World) -> Condition:
        """The condition behind an id, for any images: what may also degrade those that ranges are taken from.
        UsageError where there is none.
        """
        raise UsageError(f"{condition_id} cannot be made of single images.")

    def resolve(self, ids: Sequence[str], named: Sequence[str], world: LoadedWorld) -> Resolved:
        """Those of the ids that the model and its images give sense to. named: what the flags name.

        UsageError, with the reason, for one that is named in full and has no sense here; those that only a suite or a
        pattern reaches are left out with a note.
        """
        return Resolved(tuple(self.make(name, world) for name in ids))

    def released(self, path: Path, classes: int, label_of: LabelOf) -> ReleasedSet | None:
        """The images at `path` where they came under conditions of this kind; None where they did not. classes,
        label_of: of the model.
        """
        return None

    def following(
        self, later: Sequence[str], conditions: Sequence[Condition], answers: Mapping[str, Predictions]
    ) -> list[Condition]:
        """What `Resolved.later` stands for. conditions: the kind's; answers: the reference's to them, and to the clean
        images, by id.
        """
        return []

    def composed(self, condition_id: str, parts: Sequence[Condition]) -> Condition:
        """One of `following` again, by what it is made of. UsageError where the kind has none."""
        raise UsageError(f"{condition_id} is made of no other conditions.")

    def made_on(self, condition: Condition, world: LoadedWorld) -> list[TargetSpec]:
        """The targets without whose files there are no images."""
        return []

    def shape(self, condition: Condition, world: LoadedWorld) -> dict[str, Any]:
        """All that shapes the answers under a condition beside images, model and target, as JSON values, and nothing
        else: constants, options, versions of libraries. It is part of the trial's key.
        """
        return {"id": condition.id}

    def effort(self, condition: Condition, world: LoadedWorld) -> float:
        """What an image under the condition costs, roughly, in answers of one network to one image: shards are dealt
        out by it. It hangs on no target.
        """
        return 1.0

    # The run.

    def run(self, session: Session, pending: Sequence[Pending], ask: Ask) -> None:
        """Has the trials run that are left. As it stands, images come from `Condition` alone; kinds that leave it so
        are asked together.
        """
        ask(pending)

    def maker(self, session: Session) -> Callable[[Errand], Iterator[bytes]]:
        """What makes the parts of errands, in their order, on a machine that helps with a run. session: of that
        machine; what hangs on it is kept by the maker. MisfitError where the parts would be others than those that the
        run makes.
        """
        raise UsageError(f"The images of {self.name} are not made in a run.")

    def kept(self, session: Session, named: Mapping[str, Any], start: int, stop: int) -> npt.NDArray[Any] | None:
        """The images [start, stop) of a condition that were made in a run, where a machine that helps with it keeps
        them; None where it does not. named: by the reader of the run's own (`NamedReader`).
        """
        return None

    def answerable(self, condition: Condition, failed: Iterable[str], world: LoadedWorld) -> bool:
        """False where the condition's images could not be made, since these targets failed."""
        return True

    def beside(self, condition_id: str, build: Build, key: Key) -> list[Path]:
        """The files that belong to a finished trial beside its own, in the run directory."""
        return []

    # The results.

    def describe(self, finished: Finished) -> dict[str, Any] | None:
        """The kind's block of summary.json, JSON values; None where it has nothing to say."""
        return None

    def metrics(self, target: Measured, reference: Measured, world: LoadedWorld) -> dict[str, Any]:
        """Figures of one target over all conditions, beside its others. Intervals need the answers: those of one image
        hang together. For the reference itself both are the same object.
        """
        return {}

    def notes(self, block: Mapping[str, Any] | None) -> list[str]:
        """What a reader must know to judge the figures. block: as described."""
        return []

    # What is shown of them. summary: the content of summary.json.

    def title(self, condition_id: str) -> str:
        """An id as people read it; ids that there are not, too."""
        return condition_id

    def cell(self, condition_id: str) -> tuple[str, str]:
        """Its row and its column where conditions stand in a table; the column is "" where there is but one."""
        return self.title(condition_id), ""

    def seen(
        self, condition: Condition, target: TargetSpec, finished: Finished, clean: ImageReader
    ) -> ImageReader | None:
        """What a target saw, at the model's size before `Condition.transform`; None where that is not there any more.
        clean: the images as they are. It is asked only where `run` is the kind's own.
        """
        return None

    def columns(self) -> Sequence[Column]:
        """Columns of the table of targets."""
        return ()

    def headline(self, target: Mapping[str, Any]) -> str | None:
        """What follows "TARGET scores"; None for nothing."""
        return None

    def show(self, summary: Mapping[str, Any], console: Console) -> None:  # noqa: B027  (nothing, unless there is)
        """Prints what there is to say in the terminal."""

    def section(self, summary: Mapping[str, Any]) -> Section | None:
        """The kind's part of the report."""
        return None
