"""`Stepper`: one step of training, from a batch to new parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steelyard.data.loader import Batch
from steelyard.errors import UsageError
from steelyard.train.callbacks import Callback
from steelyard.train.distributed import Group
from steelyard.train.ema import Ema
from steelyard.train.exit_losses import balanced_outputs, check_balanced
from steelyard.train.faults import diverged
from steelyard.train.loss import summed_loss
from steelyard.train.optimizers import build_optimizer
from steelyard.train.recipe import Recipe

__all__ = ["StepResult", "Stepper"]

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step showed, on the device.

    Attributes:
        sums: float64, (2,): sum of the losses, number of correct predictions, of this process.
        images: how many this process saw; what all processes saw counts in the first.
        norm: of the gradient before clipping.
    """

    sums: Tensor
    images: int
    norm: Tensor


class Stepper:
    """Owns all that a step changes: network, optimiser, average, scaler.

    Attributes:
        network: the network itself.
        optimizer: of its parameters.
        ema: the average, or None.
        scaler: of the loss for fp16; it does nothing for the others.

    Args:
        recipe: what to do.
        network: the network; it is moved to ``device``.
        device: where to compute.
        group: the processes that take part.
        callbacks: what is called.

    Raises:
        UsageError: fp16 where there is no CUDA, or gradient equilibrium without exits.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        *,
        device: torch.device,
        group: Group,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        if recipe.precision == "fp16" and device.type != "cuda":
            raise UsageError(
                f"precision fp16 on {device.type}",
                expected="CUDA, whose gradients are scaled for it",
                hint="--set precision=bf16",
            )
        if recipe.loss.gradient_equilibrium:
            check_balanced(network)
        self.recipe, self.device, self.group, self.callbacks = recipe, device, group, callbacks
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.network = network.to(device, memory_format=layout)  # type: ignore[call-overload]
        group.enter(self.network, synchronize=recipe.sync_batch_norm)
        self.ema = Ema(self.network, recipe.ema) if recipe.ema.decay else None
        self.optimizer = build_optimizer(recipe.optimizer, self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
        self._parameters = [p for p in self.network.parameters() if p.requires_grad]

    def __call__(self, batch: Batch, step: int, steps: int, rate: float) -> StepResult:
        """Step ``step`` (0 is the first) of ``steps`` with the learning rate ``rate``.

        Raises:
            DivergedError: the loss or the gradient is not finite (on the CPU before parameters change).
        """
        for callback in self.callbacks:
            callback.before_step(self.network, step, steps)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        sums = self._gradients(batch)
        self.group.share(self._parameters)
        norm = self._limited()
        if self.device.type == "cpu" and not bool(torch.isfinite(norm + sums[0])):
            raise self.fault(batch, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(step)
        if batch.copies > 1 and not self.group.leads:
            return StepResult(torch.zeros_like(sums), 0, norm)
        return StepResult(sums, len(batch.labels), norm)

    def _gradients(self, batch: Batch) -> Tensor:
        """Leaves the gradients of the mean loss in the parameters."""
        parts = max(1, min(self.recipe.accumulate, self._least(batch)))
        wanted = batch.labels if batch.targets is None else batch.targets
        pieces = list(
            zip(
                batch.images.tensor_split(parts),
                batch.labels.tensor_split(parts),
                wanted.tensor_split(parts),
                strict=True,
            )
        )
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        for number, (images, labels, targets) in enumerate(pieces, 1):
            loss, logits = self._loss(images, targets)
            # gradients are means over the processes, and the loss a mean over the global batch
            mean = loss * (self.group.world / (batch.whole * batch.copies))
            if number == len(pieces):
                mean = self._with_added(mean)
            self.scaler.scale(mean).backward()  # type: ignore[no-untyped-call]
            correct = logits.detach().argmax(1) == labels.to(self.device)
            sums += torch.stack((loss.detach().double(), correct.sum().double()))
        return sums

    def _least(self, batch: Batch) -> int:
        """Images in the smallest share, or a few less; the same in every process."""
        if self.group.world == 1 or batch.copies > 1:
            return len(batch)
        return batch.whole // self.group.world - 1

    def _loss(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        dtype = _AUTOCAST.get(self.recipe.precision)
        images = images.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            if self.recipe.loss.gradient_equilibrium:
                outputs = balanced_outputs(self.network, images)
            else:
                outputs = self.network(images)
        return summed_loss(outputs, targets.to(self.device, non_blocking=True), self.recipe.loss)

    def _with_added(self, mean: Tensor) -> Tensor:
        for callback in self.callbacks:
            added = callback.added_loss(self.network)
            mean = mean if added is None else mean + added
        return mean

    def _limited(self) -> Tensor:
        """Clips the gradient; its norm before."""
        self.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.recipe.clip:
            torch.nn.utils.clip_grads_with_norm_(self._parameters, self.recipe.clip, norm)
        return norm

    def fault(self, batch: Batch, step: int) -> Exception:
        """What to raise when a batch gave a loss or a gradient that is not finite."""
        targets = batch.labels if batch.targets is None else batch.targets
        return diverged(
            self.network,
            lambda: self._loss(batch.images, targets)[0],
            step=step,
            recipe=self.recipe,
        )
