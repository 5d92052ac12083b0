"""steelyard: build a convolutional network, weigh it, and report every metric that matters.

Everything a user types is an attribute of this module; it is imported when first used, so that
``import steelyard`` loads neither torch nor any plotting library.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from steelyard._version import __version__

if TYPE_CHECKING:
    from steelyard.capture.api import capture as capture
    from steelyard.capture.rules.table import Call as Call
    from steelyard.capture.rules.table import Draft as Draft
    from steelyard.capture.rules.table import Operand as Operand
    from steelyard.capture.rules.table import register_rule as register_rule
    from steelyard.cost.api import CostReport as CostReport
    from steelyard.cost.api import cost as cost
    from steelyard.cost.compare import Comparison as Comparison
    from steelyard.cost.compare import compare as compare
    from steelyard.cost.guidelines import guidelines as guidelines
    from steelyard.cost.memory import peak_activation_memory as peak_activation_memory
    from steelyard.cost.training import training_memory as training_memory
    from steelyard.data.registry import list_data as list_data
    from steelyard.data.registry import load_data as load_data
    from steelyard.data.registry import register_data as register_data
    from steelyard.data.source import DataSource as DataSource
    from steelyard.design.inference import optimize_for_inference as optimize_for_inference
    from steelyard.design.rewrite import Rewrite as Rewrite
    from steelyard.design.rewrite import rewrite as rewrite
    from steelyard.design.scaling import Scaling as Scaling
    from steelyard.design.scaling import scale as scale
    from steelyard.design.search import SearchResult as SearchResult
    from steelyard.design.search import search as search
    from steelyard.design.spaces import SearchSpace as SearchSpace
    from steelyard.design.spaces import load_space as load_space
    from steelyard.dynamic.attach_exits import attach_exits as attach_exits
    from steelyard.dynamic.attach_exits import lazy_exits as lazy_exits
    from steelyard.dynamic.cascade import Cascade as Cascade
    from steelyard.dynamic.exit_costs import ExitCosts as ExitCosts
    from steelyard.dynamic.exit_costs import exit_costs as exit_costs
    from steelyard.hardware.bounds import bounds as bounds
    from steelyard.hardware.device import Accelerator as Accelerator
    from steelyard.hardware.device import Device as Device
    from steelyard.hardware.device import Roofline as Roofline
    from steelyard.hardware.estimate import Estimate as Estimate
    from steelyard.hardware.estimate import estimate as estimate
    from steelyard.hardware.registry import device as device
    from steelyard.hardware.registry import list_devices as list_devices
    from steelyard.hardware.roofline import roofline as roofline
    from steelyard.hardware.systolic import systolic as systolic
    from steelyard.measure.api import measure as measure
    from steelyard.measure.api import measure_all as measure_all
    from steelyard.measure.backend import list_backends as list_backends
    from steelyard.measure.backend import register_backend as register_backend
    from steelyard.measure.breakdown import Breakdown as Breakdown
    from steelyard.measure.breakdown import breakdown as breakdown
    from steelyard.measure.ceilings import Ceilings as Ceilings
    from steelyard.measure.ceilings import ceilings as ceilings
    from steelyard.measure.guideline_trials import GuidelineTrials as GuidelineTrials
    from steelyard.measure.guideline_trials import guideline_trials as guideline_trials
    from steelyard.measure.measurement import Failure as Failure
    from steelyard.measure.measurement import Measurement as Measurement
    from steelyard.measure.measurement import Measurements as Measurements
    from steelyard.measure.optimize import optimize as optimize
    from steelyard.measure.optimize_result import Optimized as Optimized
    from steelyard.measure.predictor.api import calibrate as calibrate
    from steelyard.measure.predictor.calibration import Calibration as Calibration
    from steelyard.measure.predictor.prediction import LatencyPrediction as LatencyPrediction
    from steelyard.measure.predictor.prediction import LatencyPredictions as LatencyPredictions
    from steelyard.measure.predictor.prediction import predict_latency as predict_latency
    from steelyard.measure.sparsity import MeasuredSparsity as MeasuredSparsity
    from steelyard.measure.sparsity import measure_sparsity as measure_sparsity
    from steelyard.measure.store import measurement_history as measurement_history
    from steelyard.metrics.api import scorecard as scorecard
    from steelyard.metrics.api import scorecards as scorecards
    from steelyard.metrics.card import Scorecard as Scorecard
    from steelyard.metrics.card import Scorecards as Scorecards
    from steelyard.report.api import Report as Report
    from steelyard.report.api import report as report
    from steelyard.report.charts import save_chart as save_chart
    from steelyard.train.api import train as train
    from steelyard.train.budget import evaluate_budget as evaluate_budget
    from steelyard.train.budget_result import BudgetEvaluation as BudgetEvaluation
    from steelyard.train.evaluate import evaluate as evaluate
    from steelyard.train.evaluation import Evaluation as Evaluation
    from steelyard.train.exit_budget import BudgetSettings as BudgetSettings
    from steelyard.train.recipe import Recipe as Recipe
    from steelyard.train.run import Run as Run
    from steelyard.train.run_photos import predict_run as predict_run
    from steelyard.train.run_predictions import RunPredictions as RunPredictions
    from steelyard.train.surface import LossSurface as LossSurface
    from steelyard.train.surface import SurfaceSettings as SurfaceSettings
    from steelyard.train.surface import loss_surface as loss_surface
    from steelyard.train.toml import list_recipes as list_recipes
    from steelyard.train.toml import load_recipe as load_recipe
    from steelyard.workload import Coverage as Coverage
    from steelyard.workload import Layer as Layer
    from steelyard.workload import LoopNest as LoopNest
    from steelyard.workload import TensorSpec as TensorSpec
    from steelyard.workload import Workload as Workload
    from steelyard.zoo.predict.api import Predictions as Predictions
    from steelyard.zoo.predict.api import predict as predict
    from steelyard.zoo.registry import create as create
    from steelyard.zoo.registry import info as info
    from steelyard.zoo.registry import list_models as list_models
    from steelyard.zoo.registry import register_family as register_family

_WHERE = {
    "capture": "steelyard.capture.api",
    "register_rule": "steelyard.capture.rules.table",
    "Call": "steelyard.capture.rules.table",
    "Draft": "steelyard.capture.rules.table",
    "Operand": "steelyard.capture.rules.table",
    "cost": "steelyard.cost.api",
    "CostReport": "steelyard.cost.api",
    "compare": "steelyard.cost.compare",
    "Comparison": "steelyard.cost.compare",
    "guidelines": "steelyard.cost.guidelines",
    "peak_activation_memory": "steelyard.cost.memory",
    "training_memory": "steelyard.cost.training",
    "load_data": "steelyard.data.registry",
    "list_data": "steelyard.data.registry",
    "register_data": "steelyard.data.registry",
    "DataSource": "steelyard.data.source",
    "optimize_for_inference": "steelyard.design.inference",
    "rewrite": "steelyard.design.rewrite",
    "Rewrite": "steelyard.design.rewrite",
    "scale": "steelyard.design.scaling",
    "Scaling": "steelyard.design.scaling",
    "search": "steelyard.design.search",
    "SearchResult": "steelyard.design.search",
    "SearchSpace": "steelyard.design.spaces",
    "load_space": "steelyard.design.spaces",
    "attach_exits": "steelyard.dynamic.attach_exits",
    "lazy_exits": "steelyard.dynamic.attach_exits",
    "Cascade": "steelyard.dynamic.cascade",
    "exit_costs": "steelyard.dynamic.exit_costs",
    "ExitCosts": "steelyard.dynamic.exit_costs",
    "device": "steelyard.hardware.registry",
    "estimate": "steelyard.hardware.estimate",
    "Estimate": "steelyard.hardware.estimate",
    "list_devices": "steelyard.hardware.registry",
    "Device": "steelyard.hardware.device",
    "Accelerator": "steelyard.hardware.device",
    "Roofline": "steelyard.hardware.device",
    "roofline": "steelyard.hardware.roofline",
    "systolic": "steelyard.hardware.systolic",
    "bounds": "steelyard.hardware.bounds",
    "measure": "steelyard.measure.api",
    "measure_all": "steelyard.measure.api",
    "list_backends": "steelyard.measure.backend",
    "register_backend": "steelyard.measure.backend",
    "breakdown": "steelyard.measure.breakdown",
    "Breakdown": "steelyard.measure.breakdown",
    "ceilings": "steelyard.measure.ceilings",
    "Ceilings": "steelyard.measure.ceilings",
    "guideline_trials": "steelyard.measure.guideline_trials",
    "GuidelineTrials": "steelyard.measure.guideline_trials",
    "measurement_history": "steelyard.measure.store",
    "Failure": "steelyard.measure.measurement",
    "Measurement": "steelyard.measure.measurement",
    "Measurements": "steelyard.measure.measurement",
    "optimize": "steelyard.measure.optimize",
    "Optimized": "steelyard.measure.optimize_result",
    "calibrate": "steelyard.measure.predictor.api",
    "Calibration": "steelyard.measure.predictor.calibration",
    "predict_latency": "steelyard.measure.predictor.prediction",
    "LatencyPrediction": "steelyard.measure.predictor.prediction",
    "LatencyPredictions": "steelyard.measure.predictor.prediction",
    "measure_sparsity": "steelyard.measure.sparsity",
    "MeasuredSparsity": "steelyard.measure.sparsity",
    "scorecard": "steelyard.metrics.api",
    "scorecards": "steelyard.metrics.api",
    "Scorecard": "steelyard.metrics.card",
    "Scorecards": "steelyard.metrics.card",
    "report": "steelyard.report.api",
    "Report": "steelyard.report.api",
    "save_chart": "steelyard.report.charts",
    "predict": "steelyard.zoo.predict.api",
    "train": "steelyard.train.api",
    "evaluate": "steelyard.train.evaluate",
    "evaluate_budget": "steelyard.train.budget",
    "BudgetEvaluation": "steelyard.train.budget_result",
    "BudgetSettings": "steelyard.train.exit_budget",
    "predict_run": "steelyard.train.run_photos",
    "RunPredictions": "steelyard.train.run_predictions",
    "Evaluation": "steelyard.train.evaluation",
    "loss_surface": "steelyard.train.surface",
    "LossSurface": "steelyard.train.surface",
    "SurfaceSettings": "steelyard.train.surface",
    "Recipe": "steelyard.train.recipe",
    "Run": "steelyard.train.run",
    "list_recipes": "steelyard.train.toml",
    "load_recipe": "steelyard.train.toml",
    "Predictions": "steelyard.zoo.predict.api",
    "create": "steelyard.zoo.registry",
    "info": "steelyard.zoo.registry",
    "list_models": "steelyard.zoo.registry",
    "register_family": "steelyard.zoo.registry",
    "Coverage": "steelyard.workload",
    "Layer": "steelyard.workload",
    "LoopNest": "steelyard.workload",
    "TensorSpec": "steelyard.workload",
    "Workload": "steelyard.workload",
}

__all__ = ["__version__", *sorted(_WHERE)]


class _Facade(ModuleType):
    """Keeps ``steelyard.capture`` the function although a room (sub-package) has the same name.

    Importing a sub-package binds it as an attribute of its parent; for the names above that binding
    is dropped (the room stays importable: ``from steelyard.capture.rules import Draft``).
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _WHERE:
            raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
        value = getattr(importlib.import_module(_WHERE[name]), name)
        super().__setattr__(name, value)
        return value

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_WHERE})


sys.modules[__name__].__class__ = _Facade
