"""The child process that answers questions about networks: ``python -m steelyard.web.worker MEMORY FILE``.

It limits itself before it does anything: address space, the size of files that it writes, open files, no core dumps.
It ends when the server does: its input ends then.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

_OPEN_FILES = 256


def main() -> None:
    """Answers until standard input ends."""
    limit(*map(int, sys.argv[1:3]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints cannot be taken for an answer
    warnings.simplefilter("ignore")
    logging.disable()
    serve(sys.stdin.buffer, answers)


def limit(memory_bytes: int, file_bytes: int) -> None:
    """Limits this process, where the system knows how to."""
    limit_files(file_bytes)
    go_first()
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


def limit_files(file_bytes: int) -> None:
    """Limits the files that this process and its children write; none is written when one crashes."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def go_first() -> None:
    """Has the system end this process and its children before others, the server first of all, when memory runs out."""
    with suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """One answer for each line: ``{"bytes": N}`` and N bytes, or what went wrong as an exception's parts."""
    from steelyard.web.answers import Answers

    known = Answers()
    for line in requests:
        head, body = _answered(known, json.loads(line))
        answers.write(json.dumps(head).encode() + b"\n" + body)
        answers.flush()


def _answered(known: Any, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from steelyard.capture.deadline import within
    from steelyard.errors import SteelyardError

    _spend(request["limit_s"])
    try:
        body = within(request["limit_s"], "the answer", lambda: known.answer(request))
    except SteelyardError as error:
        return {
            "error": type(error).__name__,
            "given": error.given,
            "expected": error.expected,
            "hint": error.hint,
        }, b""
    except MemoryError:
        return {"error": "InputError", "given": "out of memory", "hint": "a smaller network"}, b""
    except RecursionError:
        return {"error": "InputError", "given": "nested too deeply"}, b""
    except Exception as error:
        # foreign messages may name places on this machine
        words = f"this is a mistake in steelyard: {type(error).__name__}"
        return {"error": "BackendError", "given": words, "hint": "please report it"}, b""
    return {"bytes": len(body)}, body


def _spend(seconds: float) -> None:
    """Code that no signal handler interrupts is ended by the system, even if the server is gone by then."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime + 2 * seconds) + 5
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    main()
