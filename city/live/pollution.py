"""Dust monitors of sites and monitors of outfalls, in HJ 212."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from city.live.noise import between, hour_of, wave
from city.live.regular import Regular
from city.live.utterance import Said, Utterance
from ingest.protocols import hj212

_FLAGS = {"normal": "N", "maintenance": "M", "calibration": "C", "fault": "D"}
_REALTIME = "2011"


@dataclass(slots=True)
class Monitor(Regular):
    """A monitor that asks for an answer to every upload."""

    channel = "hj212"
    system_code = ""

    def spoken(self, at: int, sent_at: float, values: dict[str, float], flag: str) -> Iterator[Utterance]:
        """One upload; the request number is the millisecond it is sent in."""
        sent = datetime.fromtimestamp(round(sent_at, 3), UTC)
        factors: dict[str, dict[str, str | float]] = {
            code: {"Rtd": value, "Flag": _FLAGS[flag]} for code, value in values.items()
        }
        frame = hj212.encode(
            self.device_id, self.system_code, _REALTIME, sent,
            observed_at=datetime.fromtimestamp(at, UTC), factors=factors,
        )  # fmt: skip
        token = frame[frame.index(b"QN=") + 3 :][:17].decode()
        said = (Said(self.raw_feed, self.device_id, at),)
        yield Utterance(sent_at, self.channel, self.raw_feed, self.device_id, frame, token, said, len(values))


@dataclass(slots=True)
class DustMonitor(Monitor):
    """At the gate of a site."""

    raw_feed = "housing.dust_reading"
    system_code = "39"

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """Particles in µg/m³ and noise in dB; louder by day."""
        flag = self.flag(at)
        test = 900.0 if flag != "normal" else 0.0
        pm10 = self.value("pm10_ug_m3", at, 60 + 18 * wave(at, 10) + between(-8, 8, self.key, at, 41) + test)
        loud = 58.0 if 6 <= hour_of(at) < 21.5 else 43.0
        noise = self.value("noise_db", at, loud + between(-4, 4, self.key, at, 42) + (40.0 if test else 0.0))
        values = {
            "a34002": round(pm10, 1),
            "a34004": round(self.value("pm2_5_ug_m3", at, min(pm10 * 0.45, 45)), 1),
            "a34001": round(self.value("tsp_ug_m3", at, pm10 * 1.6), 1),
            "LA": round(noise, 1),
        }
        yield from self.spoken(at, sent_at, values, flag)


@dataclass(slots=True)
class OutfallMonitor(Monitor):
    """`limits` are what the outfall may let out: COD and ammonia nitrogen, mg/L."""

    limits: tuple[float, float]

    raw_feed = "ecology.outfall_reading"
    system_code = "32"

    def say(self, at: int, sent_at: float) -> Iterator[Utterance]:
        """COD, ammonia, pH and flow."""
        flag = self.flag(at)
        factor = 3.0 if flag != "normal" else 1.0  # a standard solution runs through the instrument
        cod, ammonia = self.limits
        values = {
            "w01018": self.value("cod_mg_l", at, cod * between(0.35, 0.6, self.key, at // 1800, 51) * factor),
            "w21003": self.value("nh3_n_mg_l", at, ammonia * between(0.2, 0.5, self.key, at // 1800, 52) * factor),
            "w01001": self.value("ph", at, between(6.9, 7.6, self.key, at // 1800, 53)),
            "w00000": self.value("flow_l_s", at, between(8, 30, self.key, at // 3600, 54)),
        }
        rounded = {code: round(value, 3) for code, value in values.items()}
        yield from self.spoken(at, sent_at, rounded, flag)
