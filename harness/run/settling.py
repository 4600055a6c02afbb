"""A run's models, asked before anything is built from them."""

from __future__ import annotations

import contextlib
import dataclasses

from seatrial.engines.places import PlacedEngine
from seatrial.exporters import DeployableModel
from seatrial.harness.alike import IMAGES, Findings, settle
from seatrial.harness.run.session import Session
from seatrial.harness.spec.targets import AS_WRITTEN, REFERENCE, Build


def settle_models(session: Session) -> tuple[Findings, dict[str, Findings]]:
    """Puts the plan's models at the batch that they are run at; what there is to say of the one that is tested, and of
    its variants, by name.

    The reference's process is asked, which is there already.
    """
    plan, reader = session.plan, session.first_images()

    def opens(model: DeployableModel) -> contextlib.AbstractContextManager[PlacedEngine]:
        request = dataclasses.replace(plan.request(REFERENCE, model), optimization=AS_WRITTEN)
        engine = PlacedEngine(session.fleet.processes[Build(REFERENCE)], request)
        return contextlib.nullcontext(engine)  # its process lives on

    pixels = reader.read(0, min(IMAGES, len(reader)))
    model, findings = settle(plan.model, pixels, session.progress, opens)
    networks = {
        name: dataclasses.replace(network, model=settle(network.model, pixels, session.progress, opens)[0])
        for name, network in plan.networks.items()
    }
    settled = {name: settle(variant, pixels, session.progress, opens) for name, variant in plan.variants.items()}
    variants = {name: variant for name, (variant, _) in settled.items()}
    origin = None if plan.origin is None else settle(plan.origin, pixels, session.progress, opens)[0]
    session.plan = dataclasses.replace(plan, model=model, variants=variants, networks=networks, origin=origin)
    return findings, {name: found for name, (_, found) in settled.items()}
