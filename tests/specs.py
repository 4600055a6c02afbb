"""Specs from flat fields: for tests that need one and are about something else."""

import dataclasses

_PARTS = {
    **{
        name: ("source", name)
        for name in ("model", "weights", "output", "float_model", "variants", "contract", "classes")
    },
    **{name: ("images", name) for name in ("data", "limit")},
    **{f"calib_{name}": ("calibration", name) for name in ("limit", "seed", "condition")},
    "calib": ("calibration", "data"),
    "targets": ("targets", "asked"),
    **{name: ("targets", name) for name in ("threads", "optimization", "rebuilds")},
    "conditions": ("conditions", "globs"),
    **{name: ("conditions", name) for name in ("suite", "severities", "corruption_scale", "frost_textures")},
    **{name: ("gate", name) for name in ("min_realized", "allow_fallback")},
    **{name: ("work", name) for name in ("workers", "batch_size")},
}


def flat(kind, **fields):
    """A spec of that kind; fields of its parts by the names of their flags."""
    parts, own = {}, {}
    for name, value in fields.items():
        if name in _PARTS:
            part, field = _PARTS[name]
            parts.setdefault(part, {})[field] = value
        else:
            own[name] = value
    defaults = {field.name: field.default_factory for field in dataclasses.fields(kind)}
    made = {}
    for part, values in parts.items():
        base = defaults[part]
        made[part] = _source(values) if base is dataclasses.MISSING else dataclasses.replace(base(), **values)
    return kind(**made, **own)


def _source(values):
    from seatrial.harness.spec.model import ModelSource

    return ModelSource(**values)
