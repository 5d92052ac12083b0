"""`Answers`: what a child process of the workbench computes, with the public API, as JSON.

A request names what to ``do`` and the network: ``{"source": "resnet50:width=0.5"}`` or ``{"file": PATH, "name": ...}``,
a workload that the server itself has written, with ``batch`` and ``dtype``. The networks asked for last are kept.
"""

from __future__ import annotations

import gc
import json
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import steelyard
from steelyard.cost import CostReport
from steelyard.errors import ShapeError, SteelyardError, UsageError
from steelyard.report.escape import printable
from steelyard.report.jsontext import dumps
from steelyard.web.graph import graph
from steelyard.web.placing import placed
from steelyard.workload import Workload

_KEPT = 48
"""Networks that are kept; one takes about 1 MB."""

_SIDE = 224
"""Of an image whose size a file leaves open."""

_SENTENCES = 4
"""Of what was assumed when a file was read."""


class Answers:
    """Answers requests; see the module."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, CostReport] = OrderedDict()
        self._placed: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def answer(self, request: dict[str, Any]) -> bytes:
        """The answer as JSON.

        Raises:
            SteelyardError: what the API raises.
        """
        answers = {
            "warm": self._warm, "cost": self._cost, "graph": self._graph, "whatif": self._whatif,
            "estimate": self._estimate, "compare": self._compare, "point": self._point,
            "report": self._report, "parse": self._parse, "device": self._device,
            "models": self._models, "runs": self._runs, "run": self._run,
        }  # fmt: skip
        return dumps(answers[request["do"]](request)).encode()

    def cost(self, what: dict[str, Any]) -> CostReport:
        """The cost of the network that a request names."""
        key = json.dumps(what, sort_keys=True)
        if key not in self._kept:
            self._kept[key] = steelyard.cost(_captured(what))
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def placed(
        self, what: dict[str, Any], device: str, knobs: dict[str, int | float]
    ) -> dict[str, Any]:
        """What bounds say about the network on a device."""
        key = json.dumps([what, device, knobs], sort_keys=True)
        if key not in self._placed:
            self._placed[key] = placed(self.cost(what), device, knobs)
            while len(self._placed) > _KEPT:
                self._placed.popitem(last=False)
        self._placed.move_to_end(key)
        return self._placed[key]

    # ---- one network -----------------------------------------------------------------------------

    def _warm(self, request: dict[str, Any]) -> object:
        # loads torch, the rules and numpy, so that nobody waits for them later
        self.cost({"source": "lenet5"}).to_dict()
        self.placed({"source": "lenet5"}, "eyeriss", {})
        gc.collect()
        gc.freeze()  # what is loaded by now stays; looking through it again and again takes a sixth of the time
        return {}

    def _cost(self, request: dict[str, Any]) -> object:
        report = self.cost(request["what"])
        return {
            **report.to_dict(),
            "training_memory": report.training_memory().to_dict(),
            "findings": [finding.to_dict() for finding in report.findings],
        }

    def _graph(self, request: dict[str, Any]) -> object:
        report = self.cost(request["what"])
        times: dict[str, float] = {}
        if request.get("device"):
            found = self.placed(request["what"], request["device"], request["device_knobs"])
            times = {layer["name"]: layer["time_s"] for layer in found["layers"]}
        return graph(report, times)

    def _whatif(self, request: dict[str, Any]) -> object:
        now = self._totals(request["what"], request)
        before = self._totals(request["base"], {**request, "device_knobs": {}})
        ratios = {
            key: now[key] / before[key]
            for key in now
            if isinstance(before[key], (int, float)) and before[key] and now[key] is not None
        }
        return {"schema": "steelyard.whatif/1", "now": now, "default": before, "ratio": ratios}

    def _totals(self, what: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        report = self.cost(what)
        found: dict[str, Any] = {
            **report.total.to_dict(),
            "peak_activation_bytes": report.memory.peak_bytes,
        }
        if request.get("device"):
            there = self.placed(what, request["device"], request["device_knobs"])
            found |= {key: there[key] for key in ("latency_s", "utilization", "limit")}
        return found

    def _estimate(self, request: dict[str, Any]) -> object:
        return self.placed(request["what"], request["device"], request["device_knobs"])

    def _point(self, request: dict[str, Any]) -> object:
        # not kept: there are hundreds, each asked for once
        name = request["what"]["source"]
        report = steelyard.cost(steelyard.capture(name))
        found = {**zoo_facts(name), **report.total.to_dict()}
        found |= {"peak_activation_bytes": report.memory.peak_bytes, "latency_s": None}
        if request["device"]:
            try:
                found["latency_s"] = placed(report, request["device"], {})["latency_s"]
            except SteelyardError as error:
                found["unavailable"] = error.given
        return found

    # ---- several ---------------------------------------------------------------------------------

    def _compare(self, request: dict[str, Any]) -> object:
        reports = [self.cost(what) for what in request["whats"]]
        return {
            "schema": "steelyard.comparisons/1",
            "networks": [
                {
                    "name": report.workload.name,
                    "digest": report.workload.digest,
                    "total": report.total.to_dict(),
                    "peak_activation_bytes": report.memory.peak_bytes,
                    "by_kind": {kind: cost.to_dict() for kind, cost in report.by("kind").items()},
                }
                for report in reports
            ],
            "comparisons": [
                steelyard.compare(reports[0], other).to_dict() for other in reports[1:]
            ],
        }

    def _report(self, request: dict[str, Any]) -> object:
        reports = [self.cost(what) for what in request["whats"]]
        made = steelyard.report(*reports, devices=request["devices"], title=request["title"])
        return {"html": made.to_html()}

    # ---- devices and files -----------------------------------------------------------------------

    def _device(self, request: dict[str, Any]) -> object:
        from steelyard.web.devices import one_device

        return one_device(request["name"])

    def _models(self, request: dict[str, Any]) -> object:
        infos = [steelyard.info(name) for name in steelyard.list_models(request["pattern"])]
        return {"schema": "steelyard.models/1", "models": [info.to_dict() for info in infos]}

    def _runs(self, request: dict[str, Any]) -> object:
        from steelyard.web.training_runs import list_runs

        return list_runs(request["folder"])

    def _run(self, request: dict[str, Any]) -> object:
        from steelyard.web.training_runs import one_run

        return one_run(request["folder"], request["key"])

    def _parse(self, request: dict[str, Any]) -> object:
        file, note = request["file"], ""
        try:
            load = steelyard.capture(file)
        except ShapeError:
            load = _on_images(file, _SIDE, None, request["name"])
            note = f"the file leaves the size of its image open: {_SIDE} x {_SIDE} unless another is asked for"
        load = steelyard.capture(load, name=request["name"])
        told = [printable(words) for words in (note, *load.warnings) if words]
        more = [f"and {len(told) - _SENTENCES} more"] * (len(told) > _SENTENCES)
        return {
            "layers": len(load.layers), "batch": load.batch, "workload": load.to_json(),
            "note": "; ".join([*told[:_SENTENCES], *more]),
        }  # fmt: skip


def _captured(what: dict[str, Any]) -> Workload:
    if "resolution" in what:
        load = _on_images(what["file"], what["resolution"], what.get("batch"), what["name"])
    elif "file" in what:
        load = Workload.from_json(Path(what["file"]).read_bytes())
        load = steelyard.capture(load, batch=what.get("batch"), name=what["name"])
    elif "rewrite" in what:
        found = steelyard.rewrite(what["source"], what["rewrite"], keep_weights=False)
        name = f"{what['source']} {what['rewrite']}"
        load = steelyard.capture(found.comparison.b.workload, batch=what.get("batch"), name=name)
    else:
        load = steelyard.capture(what["source"], batch=what.get("batch"))
    return load.with_dtype(what["dtype"]) if what.get("dtype") else load


def zoo_facts(name: str) -> dict[str, Any]:
    """What is known of a network of the zoo: family, year, and the accuracy that was published for it as it is."""
    about = steelyard.info(name)
    figures = [f for f in about.published if not f.settings and f.top1_error is not None]
    figures.sort(key=lambda figure: "1 crop" not in figure.protocol)
    accuracy = None
    best = figures[0] if figures else None
    if best is not None and best.top1_error is not None:
        accuracy = {
            "top1": round(100 - best.top1_error, 4),
            "top5": None if best.top5_error is None else round(100 - best.top5_error, 4),
            "dataset": best.dataset,
            "protocol": best.protocol,
            "source": best.source,
            "evidence": best.evidence,
        }
    return {
        "name": name,
        "family": about.family,
        "year": about.paper.year,
        "resolution": about.input_shape[-1],
        "accuracy": accuracy,
    }


def _on_images(file: str, side: int, batch: int | None, name: str) -> Workload:
    """An uploaded network on images of another size, where the file leaves that open."""
    if not file.endswith(".onnx"):
        raise UsageError(
            f"{name} at another resolution", expected="an ONNX file that leaves it open"
        )
    try:
        return steelyard.capture(file, input_shape=(batch or 1, 3, side, side), name=name)
    except ShapeError as error:
        with suppress(ShapeError):
            return steelyard.capture(file, input_shape=(batch or 1, 1, side, side), name=name)
        raise error
