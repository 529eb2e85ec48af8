"""The urban office's sensors: gas detectors beside mains and in regulators, stations in utility tunnels."""

import numpy as np
import polars as pl

from city.clock import Span
from city.geography import County, scatter
from city.profiles import Profile
from city.streams import Streams
from city.table import SourceTable

SPACES = {"调压站": 0.15, "阀门井": 0.35, "相邻地下空间": 0.5}
COMPARTMENTS = {"燃气舱": 0.25, "电力舱": 0.35, "综合舱": 0.3, "污水舱": 0.1}
_COMPARTMENTS_A_TUNNEL = 12
_DEVICES_A_GATEWAY = 16


def build_gas(profile: Profile, counties: list[County], span: Span, streams: Streams, n: int) -> SourceTable:
    """One row per detector and the place that it watches."""
    rng = streams.get("gas")
    places = scatter(counties, n, rng)
    kind = rng.choice(list(SPACES), n, p=list(SPACES.values()))
    frame = pl.DataFrame(
        {
            "监测部位编码": [f"RQ{code}{i:05d}" for i, code in enumerate(places.county, 1)],
            "设备编码": [f"GD{profile.code}{i:06d}" for i in range(1, n + 1)],
            "部位名称": [f"{c}{k}{i}" for i, (c, k) in enumerate(zip(places.county_name, kind, strict=True), 1)],
            "部位类型": kind,
            "燃气企业": f"{profile.short_zh}中燃城市燃气发展有限公司",
            "采集网关": gateways("GW", profile, n),
            "行政区划代码": places.street,
            "经度": places.lon,
            "纬度": places.lat,
            "影响人数": rng.gamma(1.5, 90, n).astype(np.int64),
            "安装日期": [span.day_before(int(d)) for d in rng.integers(40, 1200, n)],
        }
    )
    return SourceTable("urban.gas_device", frame, ("监测部位编码",), "监测部位编码")


def build_tunnels(profile: Profile, counties: list[County], span: Span, streams: Streams, n: int) -> SourceTable:
    """One row per compartment and its station; a tunnel has up to twelve, a street apart."""
    rng = streams.get("tunnels")
    tunnels = scatter(counties, -(-n // _COMPARTMENTS_A_TUNNEL), rng)
    tunnel, part = np.divmod(np.arange(n), _COMPARTMENTS_A_TUNNEL)
    # The chain stays within the 400 m that `scatter` keeps to the county's edge.
    places = tunnels.take(tunnel).moved(np.zeros(n), -30.0 * part)
    kind = rng.choice(list(COMPARTMENTS), n, p=list(COMPARTMENTS.values()))
    frame = pl.DataFrame(
        {
            "舱室编码": [f"GL{c}{t + 1:03d}{p + 1:02d}" for c, t, p in zip(places.county, tunnel, part, strict=True)],
            "设备编码": [f"TN{profile.code}{i:06d}" for i in range(1, n + 1)],
            "舱室名称": [
                f"{c}{t + 1}号管廊{k}{p + 1}区"
                for c, t, k, p in zip(places.county_name, tunnel, kind, part, strict=True)
            ],
            "舱室类型": kind,
            "运维单位": f"{profile.short_zh}城市综合管廊运营有限公司",
            "设计湿度上限(%)": np.full(n, 95.0),
            "集水坑报警水位(m)": np.round(rng.choice([0.8, 1.0, 1.2], n), 1),
            "采集网关": gateways("TW", profile, n),
            "行政区划代码": places.county,
            "经度": places.lon,
            "纬度": places.lat,
            "安装日期": [span.day_before(int(d)) for d in rng.integers(40, 1800, n)],
        }
    )
    return SourceTable("urban.tunnel_device", frame, ("舱室编码",), "舱室编码")


def gateways(kind: str, profile: Profile, n: int) -> list[str]:
    """The gateway of each device; one passes on sixteen."""
    return [f"{kind}{profile.code}{i // _DEVICES_A_GATEWAY + 1:04d}" for i in range(n)]
