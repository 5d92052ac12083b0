"""`RuleTable`, `Call` and `Draft`: what a rule is given, what it answers, and where it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from steelyard.errors import UsageError
from steelyard.workload import KINDS, LoopNest


class Operand(NamedTuple):
    """A tensor as a rule sees it. ``strides`` is None where the source does not say."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    strides: tuple[int, ...] | None = None
    is_param: bool = False


class Draft(NamedTuple):
    """What a rule answers: a `Layer` without its names."""

    kind: str
    nests: tuple[LoopNest, ...] = ()
    ops: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One executed operator.

    Attributes:
        op: its name, e.g. ``aten.conv2d``.
        args: positional arguments; an `Operand` (or a list of them) in place of tensors.
        kwargs: named arguments, or ONNX attributes.
        outputs: the results.
    """

    op: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    outputs: tuple[Operand, ...]

    def get(self, index: int, name: str, default: object = None) -> object:
        """The argument at ``index`` or called ``name``, else ``default``."""
        if index < len(self.args):
            return self.args[index]
        return self.kwargs.get(name, default)

    def operand(self, index: int, name: str = "") -> Operand:
        """The tensor at ``index`` or called ``name``.

        Raises:
            UsageError: there is none.
        """
        value = self.get(index, name)
        if not isinstance(value, Operand):
            raise UsageError(f"operator {self.op}: argument {index} ({name}) is not a tensor")
        return value

    def ints(self, index: int, name: str, rank: int, default: int) -> tuple[int, ...]:
        """An int or list of ints, spread to ``rank`` entries (``default`` where absent or empty)."""
        value = self.get(index, name)
        if value is None:
            return (default,) * rank
        if isinstance(value, int):
            return (value,) * rank
        if not isinstance(value, (list, tuple)):
            raise UsageError(f"operator {self.op}: {name}={value!r} is not a list of integers")
        if not value:
            return (default,) * rank
        numbers = tuple(map(int, value))
        return numbers * rank if len(numbers) == 1 else numbers

    @property
    def out_elements(self) -> int:
        """Elements of the first result."""
        if not self.outputs:
            return 0
        count = 1
        for size in self.outputs[0].shape:
            count *= size
        return count


Rule = Callable[[Call], Draft]


def _is_draft(answer: object) -> bool:
    return (
        isinstance(answer, Draft)
        and isinstance(answer.kind, str)
        and answer.kind in KINDS
        and isinstance(answer.nests, tuple)
        and all(isinstance(nest, LoopNest) for nest in answer.nests)
        and type(answer.ops) is int
        and answer.ops >= 0
    )


class RuleTable:
    """Operator name -> rule; looked up with overload first, then without.

    Attributes:
        memory: what an engine remembers of the answers, from one capture to the next; emptied when a
            rule changes.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self.memory: dict[Any, Any] = {}
        self._rules = dict(rules)
        self._added: frozenset[str] = frozenset()

    def find(self, op: str) -> Rule | None:
        """The rule for ``op`` (``aten.max.dim``), else for its base name (``aten.max``), else None."""
        rule = self._rules.get(op)
        if rule is None and op.count(".") >= 2:
            rule = self._rules.get(op.rpartition(".")[0])
        return rule

    def with_rules(self, rules: Mapping[str, Rule]) -> RuleTable:
        """A new table in which ``rules`` take precedence.

        Raises:
            UsageError: a name is not ``namespace.name`` or a rule cannot be called.
        """
        table = RuleTable(self._rules)
        table._added = self._added
        for op, rule in rules.items():
            table.register(op, rule)
        return table

    def register(self, op: str, rule: Rule) -> None:
        """Adds or replaces the rule for ``op``.

        Raises:
            UsageError: ``op`` is not ``namespace.name`` or ``rule`` cannot be called.
        """
        if not isinstance(op, str) or not all(op.partition(".")) or not callable(rule):
            raise UsageError(
                f"cannot register {rule!r} for {op!r}",
                expected="a name such as 'mylib.my_op' and a function from Call to Draft",
            )
        self._rules[op] = rule
        self._added |= {op}
        self.memory.clear()

    def apply(self, call: Call) -> Draft:
        """The draft of the rule for ``call``, or one of kind ``unknown``.

        Raises:
            UsageError: the rule answered something that is no draft, or a rule that was added later
                than the table was made raised something; what our own rules raise goes through.
        """
        rule = self.find(call.op)
        if rule is None:
            return Draft("unknown")
        try:
            draft = rule(call)
        except Exception as error:
            if not self.was_added(call.op):
                raise
            raise UsageError(
                f"the rule for {call.op} raised {type(error).__name__}: {error}",
                expected="a function from Call to Draft",
            ) from error
        if not _is_draft(draft):
            raise UsageError(
                f"the rule for {call.op} answered {ascii(draft)[:200]}",
                expected="a Draft: its kind one of "
                + ", ".join(KINDS)
                + "; nests a tuple of LoopNest; ops a whole number, at least 0",
            )
        return draft

    def was_added(self, op: str) -> bool:
        """True if the rule for ``op`` is a user's: `register` or `with_rules` brought it."""
        return op in self._added or (op not in self._rules and op.rpartition(".")[0] in self._added)

    def __bool__(self) -> bool:
        return True  # an empty table is a table, too

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._rules))

    def __len__(self) -> int:
        return len(self._rules)

    def __contains__(self, op: str) -> bool:
        return self.find(op) is not None


@lru_cache(maxsize=1)
def default_rules() -> RuleTable:
    """The table that every capture uses unless told otherwise."""
    from steelyard.capture.rules.aten import ATEN_RULES
    from steelyard.capture.rules.onnx import ONNX_RULES

    return RuleTable({**ATEN_RULES, **ONNX_RULES})


def register_rule(op: str) -> Callable[[Rule], Rule]:
    """Decorator that adds a rule to the default table.

    Example::

        @steelyard.register_rule("mylib.scale_shift")
        def scale_shift(call):
            return steelyard.Draft("elementwise", ops=2 * call.out_elements)

    Raises:
        UsageError: the name is not ``namespace.name``.
    """

    def add(rule: Rule) -> Rule:
        default_rules().register(op, rule)
        return rule

    return add
