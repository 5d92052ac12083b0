"""The child process that measures: ``python -m steelyard.measure.worker``, requests and answers as lines of JSON.

The parent (`steelyard.measure.child`) starts it with its threads pinned, and asks for one thing at a time. What
the network or a library prints goes to standard error, so that it cannot be taken for an answer. A crash of
native code ends this process and not the user's.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, Any

Answer = Callable[[dict[str, Any], dict[str, Any]], Any]
"""From what is kept between requests, and a request, to its answer."""


def main(answer: Answer | None = None) -> None:
    """Answers until standard input ends; ``answer`` is another worker's way to do so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers, answer or _answer)


def serve(requests: IO[str], answers: IO[str], respond: Answer) -> None:
    """One answer for each line: ``{"ok": result}``, or what went wrong as an exception's parts."""
    from steelyard.errors import SteelyardError

    state: dict[str, Any] = {}
    for line in requests:
        try:
            answer = {"ok": respond(state, json.loads(line))}
        except SteelyardError as error:
            answer = {
                "error": type(error).__name__,
                "given": error.given,
                "expected": error.expected,
                "hint": error.hint,
            }
        except MemoryError:
            answer = {"error": "BackendError", "given": "out of memory", "hint": "a smaller batch"}
        except Exception as error:
            text = f"{type(error).__name__}: {error}".strip()
            answer = {"error": "BackendError", "given": _memory_words(text)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _memory_words(text: str) -> str:
    """PyTorch and the runtimes say it each in their way."""
    if any(
        words in text
        for words in ("out of memory", "can't allocate memory", "bad_alloc", "bad alloc")
    ):
        return f"out of memory ({text.splitlines()[0][:120]})"
    return text


def _answer(state: dict[str, Any], request: dict[str, Any]) -> Any:
    what = request["do"]
    if what == "export":
        from steelyard.measure.sharing import export

        return export(request["job"])
    if what == "prepare":
        from steelyard.measure.memory import keep_freed_memory
        from steelyard.measure.seats import cores_here
        from steelyard.measure.session import Job, Session

        asked = dict(request["job"])
        asked["input_shape"] = tuple(asked["input_shape"]) if asked["input_shape"] else None
        job = Job(**asked)
        if job.keep_freed:
            keep_freed_memory()
        cores = cores_here()  # before PyTorch binds this thread to one of them
        import torch

        if job.threads is not None:
            torch.set_num_threads(job.threads)
        session = state["session"] = Session(job, cores=cores)
        return asdict(session.prepare())
    session = state["session"]
    if what == "sample":
        return session.samples(request["at_least_s"], request["count"])
    if what == "split":
        from steelyard.measure.breakdown_taking import split

        return split(session, request["runs"]).to_dict()
    if what == "peak":
        return session.peak_memory_bytes()
    session.close()
    return None


if __name__ == "__main__":
    main()
