"""A run's models, asked before anything is built from them."""

from __future__ import annotations

import contextlib
import dataclasses

from seatrial.engines.places import PlacedEngine
from seatrial.exporters import DeployableModel
from seatrial.harness.alike import AS_WRITTEN, IMAGES, Findings, settle
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress
from seatrial.harness.run.images import RunImages
from seatrial.harness.run.processes import Fleet
from seatrial.harness.spec.run import REFERENCE, Build


def settled(plan: Plan, fleet: Fleet, images: RunImages, progress: Progress) -> tuple[Plan, Findings]:
    """The plan with its models at the batch that they are run at, and what there is to say of the one that is tested.

    The reference's process is asked, which is there already.
    """
    reader = images.reader(plan.conditions[0].id)

    def opens(model: DeployableModel) -> contextlib.AbstractContextManager[PlacedEngine]:
        request = dataclasses.replace(plan.request(REFERENCE, model), optimization=AS_WRITTEN)
        engine = PlacedEngine(fleet.processes[Build(REFERENCE)], request)
        return contextlib.nullcontext(engine)  # its process lives on

    pixels = reader.read(0, min(IMAGES, len(reader)))
    model, findings = settle(plan.model, pixels, progress, opens)
    networks = {
        name: dataclasses.replace(network, model=settle(network.model, pixels, progress, opens)[0])
        for name, network in plan.networks.items()
    }
    return dataclasses.replace(plan, model=model, networks=networks), findings
