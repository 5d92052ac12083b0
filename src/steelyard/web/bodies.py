"""What requests may hold: typed, bounded, and nothing else; no field takes a path, a URL or code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,79}$")]
"""Of a device, search space, backend: never a path."""

Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
"""Of an upload or a job."""

Text = Annotated[str, StringConstraints(max_length=80)]
Setting = bool | int | float | Text | None | Annotated[list[int | float], Field(max_length=64)]
"""Of a network; `steelyard.web.naming` holds it against the network's own settings."""

DeviceKnobs = dict[
    Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,2}$")],
    Annotated[int | float, Field(gt=0, le=1e18)],
]
"""What is changed on a device: ``glb.capacity_bytes``, ``x.size``, ``dram.read_bandwidth``, ``clock_hz`` ..."""


REWRITES = (
    "stack3x3", "asymmetric", "depthwise_separable", "grouped", "shift", "bottleneck", "h_swish", "squeeze_excite",
)  # fmt: skip
"""The rules of `steelyard.rewrite`, which would load torch if it were asked."""


class Body(BaseModel):
    """A part of a request: exactly its fields, of exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class What(Body):
    """A network: of the zoo, with settings, or an uploaded file."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["model"]}, {"required": ["upload"]}]}
    )

    model: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None,
        description="A network of the zoo: resnet50, or resnet50:width=0.5.",
        examples=["lenet5"],
    )
    upload: Identifier | None = Field(None, description="An uploaded file, by its id.")
    batch: Annotated[int, Field(ge=1, le=65536)] | None = Field(None, description="Samples.")
    resolution: Annotated[int, Field(ge=1, le=16384)] | None = Field(
        None, description="Side of the image in pixels."
    )
    bits: Literal[4, 8, 16, 32, 64] | None = Field(
        None, description="Of weights and activations: int4, int8, float16, float32, float64."
    )
    rewrite: (
        Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}(:[a-z0-9_=.,]{1,80})?$")] | None
    ) = Field(None, description="A rule of `steelyard rewrite` for all layers: grouped:groups=4.")
    knobs: Annotated[dict[Name, Setting], Field(max_length=40)] = Field(
        default_factory=dict, description="Settings of the network; they win over those in model."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> What:
        """Exactly one of model and upload, and settings for a model only."""
        # ValueError is pydantic's protocol
        if (self.model is None) == (self.upload is None):
            raise ValueError("give model or upload, one of them")
        if self.upload is not None and (self.knobs or self.rewrite):
            raise ValueError("an uploaded file has no knobs but batch, resolution and bits")
        return self


class CostQuery(Body):
    """One network."""

    what: What


class PlacedQuery(Body):
    """One network, on a device perhaps."""

    what: What
    device: Name | None = None
    device_knobs: Annotated[DeviceKnobs, Field(max_length=20)] = Field(default_factory=dict)


class EstimateQuery(Body):
    """One network on a device."""

    what: What
    device: Name = Field(examples=["eyeriss"])
    device_knobs: Annotated[DeviceKnobs, Field(max_length=20)] = Field(default_factory=dict)


class CompareQuery(Body):
    """Two to six networks; the others are compared with the first."""

    whats: Annotated[list[What], Field(min_length=2, max_length=6)]


class ReportQuery(Body):
    """What a report is to be about."""

    whats: Annotated[list[What], Field(min_length=1, max_length=6)]
    devices: Annotated[list[Name], Field(max_length=4)] = Field(default_factory=list)
    title: Annotated[str, StringConstraints(max_length=200)] | None = None
