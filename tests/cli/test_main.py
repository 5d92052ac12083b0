"""The program as a whole: help, exit codes, where messages go, interrupts, pipes, foreign code."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard import cli, errors

PROGRAM = [sys.executable, "-m", "steelyard"]


def program(
    *args: str, cwd: Path | None = None, **more: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *args], capture_output=True, text=True, cwd=cwd, timeout=120, **more
    )


def test_help_names_every_verb_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from steelyard import cli; code = cli.run(['--help']);"
        "print([m for m in ('torch', 'onnx', 'matplotlib', 'numpy', 'rich') if m in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"
    for verb in cli.VERBS:
        assert f"\n  {verb}" in done.stdout


def test_help_cuts_nothing_on_a_terminal_of_80_columns() -> None:
    for verbs in cli.TOPICS.values():
        for about in verbs.values():
            assert 2 + len("guidelines") + 2 + len(about) < 80


def test_shared_options_stand_under_their_own_titles(run_cli) -> None:
    text = run_cli("cost", "--help").out
    places = [text.index(f"\n{title}:\n") for title in ("Options", "Capture of SOURCE", "Output")]
    assert places == sorted(places)
    assert places[0] < text.index("--depth") < places[1] < text.index("--fresh") < places[2]


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(run_cli, verb: str) -> None:
    done = run_cli(verb, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: steelyard {verb}")
    assert done.err == ""


def test_version(run_cli) -> None:
    from importlib.metadata import version

    assert run_cli("--version").out == f"steelyard {version('steelyard')}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["wiegh"], "No such command 'wiegh'"),
        (["cost"], "Missing argument 'SOURCE'"),
        (["cost", "lenet5", "--by", "color"], "'color' is not one of 'layer', 'op'"),
        (["cost", "lenet5", "--sideways"], "No such option"),
        (["cost", "lenet5", "-o", "/no/such/folder/x"], "there is no folder '/no/such/folder'"),
        (["compare", "lenet5"], "Missing argument 'B'"),
        (["report"], "Missing argument 'SOURCE...'"),
        (["cost", "lenet5:depth=3"], "depth"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_exits_with_2(run_cli, args: list[str], message: str) -> None:
    done = run_cli(*args)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""


def test_an_unknown_network_exits_with_3_and_offers_the_nearest(run_cli) -> None:
    done = run_cli("cost", "resnet5O")
    assert (done.code, done.out) == (3, "")
    first, expected, hint = done.err.splitlines()
    assert first == "error: no network is named 'resnet5O'"
    assert expected.startswith("  expected: one of the known names; nearest: resnet50, ")
    assert hint == "  try: steelyard models"


def test_a_missing_file_exits_with_3(run_cli, tmp_path: Path) -> None:
    done = run_cli("cost", tmp_path / "net.onnx")
    assert (done.code, done.out) == (3, "")
    assert f"there is no file '{tmp_path / 'net.onnx'}'" in done.err


def test_names_from_outside_are_inert_in_messages(run_cli) -> None:
    done = run_cli("cost", "\x1b[31mred\x07.onnx")
    assert done.code == 3
    assert "\x1b" not in done.err
    assert "\x07" not in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.LimitError("x"), 1),
        (errors.UsageError("x"), 2),
        (errors.ShapeError("x"), 3),
        (errors.BackendError("x"), 4),
        (errors.MissingExtraError("x", extra="onnx", package="onnx"), 4),
        (KeyboardInterrupt(), 130),
        (RuntimeError("the sky fell"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_error_has_its_exit_code(
    run_cli, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("steelyard.glossary.explain", fail)
    done = run_cli("explain", "macs")
    assert done.code == code
    assert done.out == ""


def test_a_mistake_of_ours_asks_for_a_report_and_debug_shows_the_traceback(
    run_cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(term: str) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr("steelyard.glossary.explain", fail)
    done = run_cli("explain", "macs")
    assert done.err == (
        "error: RuntimeError: the sky fell\n"
        "  this is a mistake in steelyard: please report it with the command line\n"
        "  try: the same command with --debug, which shows the traceback\n"
    )
    with pytest.raises(RuntimeError, match="the sky fell"):
        run_cli("explain", "macs", "--debug")


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "loudnet.py").write_text(
        "import os, time\n"
        "from torch import nn\n"
        "print('imported')\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Linear(8, 4))\n"
        "        print('built')\n"
        "    def forward(self, x):\n"
        "        print('called')\n"
        "        os.write(1, b'from below\\n')\n"
        "        return super().forward(x)\n"
        "class Slow(Net):\n"
        "    def forward(self, x):\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(600)\n"
    )
    return tmp_path


def test_what_foreign_code_prints_goes_to_stderr_and_stdout_stays_data(nets: Path) -> None:
    done = program("cost", "loudnet:Net", "--input", "2x8", "--json", cwd=nets)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["macs"] == 2 * 8 * 4
    for word in ("imported", "built", "called", "from below"):
        assert word in done.stderr
    assert "loudnet:Net imports and runs Python code" in done.stderr


def test_the_deadline_ends_a_network_that_hangs(nets: Path) -> None:
    done = program("cost", "loudnet:Slow", "--input", "2x8", "--deadline", "1", cwd=nets)
    assert done.returncode == 3
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_exits_with_130_and_leaves_no_file(nets: Path) -> None:
    command = [*PROGRAM, "cost", "loudnet:Slow", "--input", "2x8", "-o", "out.txt"]
    with subprocess.Popen(command, cwd=nets, stdout=-1, stderr=-1, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "ready" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        process.wait(30)
    assert process.returncode == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert not (nets / "out.txt").exists()


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [*PROGRAM, "models", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        process.wait(30)
    assert err == b""
    assert process.returncode == 141


def test_a_terminal_gets_colour_and_a_pipe_does_not() -> None:
    import pty

    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    env.pop("NO_COLOR", None)
    ours, theirs = pty.openpty()
    with subprocess.Popen([*PROGRAM, "models"], stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        seen = _all_of(ours)
        process.wait(30)
    os.close(ours)
    assert b"\x1b[1m" in seen
    assert b"resnet50" in seen
    assert "\x1b" not in program("models").stdout


def _all_of(terminal: int) -> bytes:
    """What is written to a terminal until nobody has it open any more."""
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            return seen
        if not piece:
            return seen
        seen += piece


@pytest.mark.parametrize("quiet", [False, True], ids=["loud", "quiet"])
def test_a_terminal_is_told_what_takes_over_a_second(nets: Path, quiet: bool) -> None:
    import pty

    (nets / "slownet.py").write_text(
        "import time\nfrom torch import nn\ntime.sleep(2)\ndef build():\n    return nn.Linear(8, 4)\n"
    )
    command = [*PROGRAM, "cost", "slownet:build", "--input", "2x8", *(["-q"] if quiet else [])]
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdout=-1, stderr=theirs, env=env, cwd=nets) as process:
        os.close(theirs)
        seen = _all_of(ours)
        process.wait(60)
    os.close(ours)
    assert process.returncode == 0
    assert (b"capturing slownet:build" in seen) is not quiet
    assert (seen == b"") is quiet


@pytest.mark.parametrize(
    "verb", ["tables popular-networks" if verb == "tables" else verb for verb in cli.VERBS]
)
def test_every_verb_has_the_options_for_output(run_cli, verb: str) -> None:
    text = run_cli(*verb.split(), "--help").out
    for option in ("--json", "-o, --output FILE", "-q, --quiet", "--debug"):
        assert option in text


def test_a_shell_can_complete_the_verbs() -> None:
    done = subprocess.run(
        PROGRAM,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "_STEELYARD_COMPLETE": "bash_complete",
            "COMP_WORDS": "steelyard com",
            "COMP_CWORD": "1",
        },
    )
    assert done.stdout == "plain,compare\n"
