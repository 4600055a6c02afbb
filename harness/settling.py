"""A run's models, asked before anything is built from them."""

from __future__ import annotations

import contextlib
import dataclasses

from engines.isolated import IsolatedEngine
from exporters import DeployableModel
from harness.alike import AS_WRITTEN, IMAGES, Findings, settle
from harness.fleet import Fleet
from harness.images import RunImages
from harness.plan import Plan
from harness.progress import Progress
from harness.spec import REFERENCE, Build


def settled(plan: Plan, fleet: Fleet, images: RunImages, progress: Progress) -> tuple[Plan, Findings]:
    """The plan with its models at the batch that they are run at, and what there is to say of the one that is tested.

    The reference's process is asked, which is there already.
    """
    reader = images.reader(plan.conditions[0].id)

    def opens(model: DeployableModel) -> contextlib.AbstractContextManager[IsolatedEngine]:
        request = dataclasses.replace(plan.request(REFERENCE, model), optimization=AS_WRITTEN)
        engine = IsolatedEngine(fleet.processes[Build(REFERENCE)], request)
        return contextlib.nullcontext(engine)  # its process lives on

    pixels = reader.read(0, min(IMAGES, len(reader)))
    model, findings = settle(plan.model, pixels, progress, opens)
    networks = {
        name: dataclasses.replace(network, model=settle(network.model, pixels, progress, opens)[0])
        for name, network in plan.networks.items()
    }
    return dataclasses.replace(plan, model=model, networks=networks), findings
