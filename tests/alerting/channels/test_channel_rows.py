"""The rows of channels and CAP fit one another, the routes, and the desk; the command line shows them."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
from typer.testing import CliRunner
from way_out import SEEDS, City

from alerting.cap.check import WORDS
from alerting.engine.episode import Change
from alerting.notify.channels.channel_config import ChannelConfigError, load_channel_config
from cli import app
from core.settings import Home
from orchestration.project import PROJECT, table_of


def rows(name: str) -> list[dict[str, str]]:
    with table_of(PROJECT, f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cityrisk(home: Home, *args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["channels", *args], env=dict(home.environment))
    return result.exit_code, result.output


def test_every_route_leads_to_a_channel_that_is_as_public_as_it_says(city: City) -> None:
    routes = rows("routes")
    assert len(routes) >= 6
    for route in routes:
        channel = city.channel_config.channels[route["channel_id"]]
        assert channel.is_public is (route["is_public"] == "true"), route["route_id"]
    unrouted = set(city.channel_config.channels) - {route["channel_id"] for route in routes}
    assert unrouted == {one.channel_id for one in city.channel_config.channels.values() if one.carries_faults}


def test_every_kind_of_risk_and_colour_has_words_of_cap(city: City) -> None:
    guides = rows("handling_guides")
    kinds = {(row["domain"], row["subdomain"]) for row in guides}
    assert kinds <= set(city.channel_config.cap.events), "a row of cap_events.csv for every kind that has a guide"
    for events in city.channel_config.cap.events.values():
        for _, event in events:
            assert set(event.categories) <= set(WORDS["category"])
    assert set(city.channel_config.cap.levels) == {"red", "orange", "yellow", "blue"}
    for level in city.channel_config.cap.levels.values():
        assert level.severity in WORDS["severity"]
        assert level.urgency in WORDS["urgency"]
        assert {level.certainty, level.certainty_reported} <= set(WORDS["certainty"])
        assert level.response_type in WORDS["responseType"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "pigeon"}, "kind 'pigeon' found"),
        ({"per_minute": "many"}, "per_minute as a whole number"),
        ({"languages": "fr"}, "give languages"),
        ({"channel_id": "a_much_longer_name", "carries_faults": "true"}, "at most 15 letters"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Any, change: dict[str, str], reason: str) -> None:
    row = {**rows("channels")[3], **change}
    with (tmp_path / "channels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    with pytest.raises(ChannelConfigError, match=f"channels.csv, {row['channel_id']}: .*{reason}"):
        load_channel_config(tmp_path, *SEEDS)


def test_the_command_line_lists_channels_and_deliveries(city: City) -> None:
    city.set(CITYRISK_ROBOT_URL="http://127.0.0.1:1/")
    city.happen(Change.OPENED)
    code, output = cityrisk(city.home, "list", "--json")
    assert code == 0
    states = {row["channel_id"]: (row["state"], row["waiting"]) for row in json.loads(output)}
    assert states["robot"] == ("ready", 1)
    assert states["webhook"] == ("not set up", 1)
    code, output = cityrisk(city.home, "deliveries", "--channel", "robot", "--json")
    (row,) = json.loads(output)
    assert (code, row["state"], row["channel_id"], row["receipt"]) == (0, "waiting", "robot", {})
    assert cityrisk(city.home, "deliveries", "--state", "lost")[0] == 2


def test_the_command_line_tries_a_channel(city: City) -> None:
    city.set(CITYRISK_ROBOT_URL="http://127.0.0.1:1/", CITYRISK_CAP_SENDER="duty@city.example")
    code, output = cityrisk(city.home, "test", "robot", "--dry-run")
    assert code == 0
    assert "【测试】" in json.loads(output)["would_send"]["markdown"]["content"]
    assert cityrisk(city.home, "test", "robot")[0] == 1, "nobody listens there"
    assert cityrisk(city.home, "test", "webhook")[0] == 1, "it is not set up"
    assert cityrisk(city.home, "test", "pigeon")[0] == 2
    code, output = cityrisk(city.home, "test", "cap")
    tried = json.loads(output)
    assert (code, tried["faults"]) == (0, [])
    assert "<status>Test</status>" in tried["message"]
    assert not (city.home.root / "cap").exists()
