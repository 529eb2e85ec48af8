"""`cityrisk fetch --dry-run`: what would happen is said in rows and reasons, and a department's answer in one line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from core.settings import Home

STATION = {
    "stationId": "57461",
    "stationName": "三峡",
    "stationType": "国家站",
    "adcode": "420506",
    "lon": 111.3,
    "lat": 30.7,
    "alti": 133.1,
    "buildDate": "1952-01-01",
}


@pytest.fixture
def answers(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, str, str]]]:
    """A weather bureau that gives the one answer (status, type, body) in the list."""
    given: list[tuple[int, str, str]] = []

    class Bureau(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = given[0]
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Bureau) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("CITYRISK_WEATHER_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("CITYRISK_WEATHER_TOKEN", "t")
        monkeypatch.setenv("CITYRISK_CONNECT_DEADLINE_S", "0.3")
        monkeypatch.setenv("CITYRISK_CONNECT_FIRST_WAIT_S", "0.01")
        yield given
        server.shutdown()
        thread.join()


def dry_run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["fetch", "weather.station", "--dry-run", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), "a traceback is no answer"
    return done.exit_code, done.output


@pytest.mark.case("engineer.8")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, "text/plain", "boom"), "500"),
        ((401, "application/json", "{}"), "401"),
        ((200, "text/html", "<html>login</html>"), "JSON"),
    ],
)
def test_an_answer_that_is_no_data_is_one_line(
    answers: list[tuple[int, str, str]], answer: tuple[int, str, str], said: str
) -> None:
    answers.append(answer)
    code, text = dry_run()
    assert code == 1
    assert said in text
    assert "weather.station" in text


@pytest.mark.case("engineer.8")
def test_reasons_are_shown_and_nothing_lands_is_said(home: Home, tmp_path: Path) -> None:
    renamed = [{**STATION, "stationId": None, "sid": "57461"}]
    sample = tmp_path / "stations.json"
    sample.write_text(json.dumps({"data": {"records": renamed, "total": 1}}), encoding="utf-8")
    code, text = dry_run("--file", str(sample))
    assert code == 1
    assert "would_reject" in text
    assert "missing_key" in text
    assert "station_id" in text


@pytest.mark.case("engineer.8")
def test_good_rows_would_land(home: Home, tmp_path: Path) -> None:
    sample = tmp_path / "stations.json"
    sample.write_text(json.dumps({"data": {"records": [STATION], "total": 1}}), encoding="utf-8")
    code, text = dry_run("--file", str(sample))
    assert code == 0, text
    assert "would_land" in text


@pytest.mark.case("engineer.15")
@pytest.mark.parametrize("options", [("--dry-run",), ()])
def test_a_missing_setting_is_named_and_is_nobody_elses_fault(home: Home, options: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["fetch", "weather.station", *options])
    assert done.exit_code == 1
    assert "not_configured" in done.output
    assert "CITYRISK_WEATHER" in done.output
    assert "Traceback" not in done.output
