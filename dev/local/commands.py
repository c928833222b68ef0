"""Runs other programs and waits for them; an error holds the last lines that they printed."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.local.errors import CommandFailed

MAX_LAST_LINES = 15


def run(
    command: Sequence[str | Path],
    *,
    text_input: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    log: Path | None = None,
) -> str:
    """Run a program and return its standard output.

    log: a file that both output streams go to; the result is empty then. Raises CommandFailed if
    the program is missing or ends with an error.
    """
    words = [str(word) for word in command]
    env = {**os.environ, **environment} if environment else None
    try:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as sink:
                start = sink.tell()
                done = subprocess.run(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    env=env,
                    cwd=directory,
                    check=False,
                )
            output, complaint = "", "" if done.returncode == 0 else _read_from(log, start)
        else:
            captured = subprocess.run(
                words,
                input=text_input or "",
                capture_output=True,
                text=True,
                env=env,
                cwd=directory,
                check=False,
            )
            done = subprocess.CompletedProcess(words, captured.returncode)
            output, complaint = captured.stdout, captured.stderr or captured.stdout
    except FileNotFoundError as error:
        raise CommandFailed(f"{words[0]} is not installed ({error.strerror})") from error
    if done.returncode != 0:
        raise CommandFailed(
            f"{' '.join(words[:4])} … ended with {done.returncode}:\n{last_lines(complaint)}"
        )
    return output


def succeeds(command: Sequence[str | Path]) -> bool:
    """Run a program and return whether it ended without an error; drop its output."""
    try:
        run(command)
    except CommandFailed:
        return False
    return True


def last_lines(text: str, count: int = MAX_LAST_LINES) -> str:
    """Return the last lines of a text, indented, for the end of a message."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-count:])


def _read_from(path: Path, offset: int) -> str:
    with path.open("rb") as source:
        source.seek(offset)
        return source.read().decode(errors="replace")
