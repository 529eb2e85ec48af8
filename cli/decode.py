"""`cityrisk decode PROTOCOL`: what a device's frame says, or why it is refused and where."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from cli.shell import verb, wrong_use
from ingest.protocols import PROTOCOLS, BadFrame, Codec, Message, codec

_CHUNK_BYTES = 1 << 16
_REMARK = b"# "
_TEXT_START = b"##"  # HJ 212 frames are text: their hex may be left out


app = typer.Typer()


@app.command("decode")
@verb
def decode_command(
    protocol: Annotated[str, typer.Argument(help=f"One of {', '.join(PROTOCOLS)}.")],
    hex_text: Annotated[str | None, typer.Option("--hex", help="One frame as hex digits.")] = None,
    lines: Annotated[
        str | None, typer.Option(help="A file with one hex frame a line, remarks behind `# `; - for stdin.")
    ] = None,
    file: Annotated[str | None, typer.Option(help="A file of raw bytes as they were captured; - for stdin.")] = None,
    lenient: Annotated[list[str] | None, typer.Option(help="A deviation to tolerate; may be repeated.")] = None,
) -> None:
    """One JSON line for each frame; exit 1 when any was refused. HJ 212 frames may also be given as text."""
    if protocol not in PROTOCOLS:
        wrong_use(f"no protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    if [hex_text, lines, file].count(None) != 2:
        wrong_use("say what to decode: one of --hex, --lines, --file")
    known, options = codec(protocol), frozenset(lenient or ())
    if unknown := options - set(known.LENIENT):
        wrong_use(f"{protocol} has no option {', '.join(sorted(unknown))}; known: {', '.join(known.LENIENT)}")
    if hex_text is not None:
        outcomes = iter([_line(known, hex_text.encode(), options)])
    elif lines is not None:
        outcomes = _lines(known, lines, options)
    else:
        outcomes = _captured(known, str(file), options)
    if not _print(outcomes):
        raise typer.Exit(1)


def _print(outcomes: Iterator[Message | BadFrame]) -> bool:
    """Write each outcome as it comes; whether all were messages."""
    import orjson

    all_well, out = True, sys.stdout.buffer
    for outcome in outcomes:
        all_well &= isinstance(outcome, Message)
        out.write(orjson.dumps(_plain(outcome), _as_text, orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS))
    out.flush()
    return all_well


def _plain(outcome: Message | BadFrame) -> dict[str, Any]:
    """An outcome in the form of the interface; `record` names the kind of each reading."""
    if isinstance(outcome, BadFrame):
        return {"ok": False, "error": str(outcome), "offset": outcome.offset}
    fields = {"device_id": outcome.device_id, "kind": outcome.kind, **outcome.fields}
    if outcome.part:
        fields["part"] = outcome.part
    if outcome.deviations:
        fields["deviations"] = outcome.deviations
    return {"ok": True, "fields": fields, "readings": [{"record": r.kind, **r.values} for r in outcome.records]}


def _as_text(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, frozenset | set):
        return sorted(value)
    return dict(value) if hasattr(value, "keys") else str(value)  # type: ignore[call-overload]


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    if not Path(name).is_file():
        wrong_use(f"no file {name}")
    with Path(name).open("rb") as file:
        yield file


def _lines(known: Codec, name: str, lenient: frozenset[str]) -> Iterator[Message | BadFrame]:
    # two digits a byte, and as much again for spaces between them
    longest = 4 * known.MAX_FRAME_BYTES
    with _opened(name) as file:
        while line := file.readline(longest + 1):
            if len(line) > longest:
                while not line.endswith(b"\n") and (line := file.readline(longest)):
                    pass
                yield BadFrame("line too long", longest, "more", f"at most {longest} bytes")
            elif line.strip() and not line.startswith(_REMARK):
                yield _line(known, line.rstrip(b"\r\n"), lenient)


def _line(known: Codec, line: bytes, lenient: frozenset[str]) -> Message | BadFrame:
    if line.startswith(_TEXT_START):
        frame = line
    else:
        try:
            frame = bytes.fromhex(line.decode("ascii"))
        except ValueError:
            at = next((n for n, byte in enumerate(line) if byte not in b"0123456789abcdefABCDEF \t"), len(line))
            return BadFrame("not hex", at, repr(line[at : at + 8])[1:], "two hex digits a byte")
    try:
        return known.decode(frame, lenient)
    except BadFrame as error:
        return error


def _captured(known: Codec, name: str, lenient: frozenset[str]) -> Iterator[Message | BadFrame]:
    splitter = known.splitter(lenient)
    with _opened(name) as file:
        while data := file.read(_CHUNK_BYTES):
            yield from (_decoded(known, found, lenient) for found in splitter.feed(data))
    yield from (_decoded(known, found, lenient) for found in splitter.close())


def _decoded(known: Codec, found: bytes | BadFrame, lenient: frozenset[str]) -> Message | BadFrame:
    if isinstance(found, BadFrame):
        return found
    try:
        return known.decode(found, lenient)
    except BadFrame as error:
        return error
