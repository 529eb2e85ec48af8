"""A system that nobody of us wrote, as one folder with its department, objects, devices, feeds, rules and index."""

from __future__ import annotations

from pathlib import Path

from core.system import SYSTEMS_ROOT

SYSTEM = """\
id: W99
version: "1"
name: {zh: 测试系统, en: System of a test}
summary: {zh: 只有一个文件夹, en: One folder and nothing else}
subdomain: probe
owner: probing
departments: {probing: {zh: 探测局, en: Probing Bureau, short_zh: 探测}}
size: {of: probes, cities: {yichang: {probes: {n: 40, source: assumed}}}}
objects: {probe_space: {name: {zh: 探测空间, en: Probed space}}}
devices: {probe_sensor: {name: {zh: 探测器, en: Probe}, feed: probing.probe_device, stands_at: probe_space}}
index:
  people: [10, 200000]
  basis: {source: a test, grade: design}
  hazard:
    pr_methane:
      {name: {zh: 最高浓度, en: highest reading}, reading: methane_pct_lel, take: max, bounds: [5, 50], unit: "%LEL",
       source: a test, grade: design}
  exposure:
    pr_people:
      {name: {zh: 影响人数, en: people}, register: people, bounds: [1, 2000], scale: log, source: a test, grade: design}
  vulnerability:
    pr_space:
      name: {zh: 部位类型, en: kind of space}
      register: object_subtype
      classes:
        valve_well: {intensity: 0.6, zh: 阀门井, en: valve pit}
        regulator: {intensity: 0.5, zh: 调压站, en: regulator}
      source: a test
      grade: design
  capacity:
    pr_online:
      {name: {zh: 在线率, en: share online}, devices: online_share, bounds: [0, 1], source: a test, grade: design}
vital_signs:
  probe_worst: {name: {zh: 最高浓度, en: Highest reading}, reading: methane_pct_lel, take: max, unit: "%LEL",
    green: {to: 10}, red: {to: 25}, source: a test, grade: design}
page: [summary, map, {trend: methane_pct_lel}, alerts, register]
"""
RULES = """\
version: "1"
rules:
  probe_high:
    name: {zh: 浓度过高, en: Reading too high}
    about: probe_space
    feeds: [probing.probe_reading]
    basis: &basis {standard: product design, clause: a test, grade: design, source: a test}
    hold: 10 s
    clear: 1 min
    each: {metric: methane_pct_lel, unit: "%LEL", source_label: high, why: a test}
    conditions:
      - {colour: yellow, at_least: 25, clears: 20}
      - {colour: red, at_least: 50, clears: 45}
  probe_silent:
    name: {zh: 设备失联, en: Probe not heard}
    about: probe_space
    kind: silence
    feeds: [probing.probe_reading]
    basis: *basis
    silence: 30 min
    conditions: [{colour: blue, metric: silence_s, at_least: 1800, unit: s, source_label: silent, why: a test}]
  probe_fault:
    name: {zh: 设备故障, en: Probe faulty}
    about: probe_space
    kind: fault
    feeds: [probing.probe_reading]
    basis: *basis
    hold: 10 min
    clear: 1 min
    conditions:
      - {colour: blue, metric: device_fault, in: ["true"], clears_in: ["false"], source_label: fault, why: a test}
inhibits:
  probe_high_over_faults:
    {worse: {at_least: red}, hides: {at_most: blue}, same: [object_id], why: {zh: 险情优先, en: danger first},
     basis: {source: a test, grade: design}}
"""
GUIDE = """\
version: "1"
category: {zh: 探测, en: probing}
basis: {source: a test, grade: design}
blue: {zh: 查看, en: look}
yellow: {zh: 核实, en: verify}
orange: {zh: 到场, en: go there}
red: {zh: 撤离, en: leave}
cap: {category: [Safety], radius_km: 0.5, basis: {source: a test, grade: design}}
wordings: {clause: {a test: {zh: 一项测试, en: a test}}}
"""
SIMULATION = """\
counts: {probes: {floor: 10}}
departments:
  probing.probe_device:
    rows: probes
    columns:
      监测部位编码: {text: "PB{county}{n:05}"}
      设备编码: {text: "PD{city}{n:06}"}
      部位类型: {choice: {调压站: 1, 阀门井: 1}}
      部位名称: {text: "{county_name}{部位类型}{n}"}
      采集网关: {text: "PW{city}{group:04}", groups_of: 4}
      行政区划代码: {area: street}
      经度: {place: lon}
      纬度: {place: lat}
      影响人数: {gamma: [1.5, 90]}
      安装日期: {ago: [40 d, 1200 d]}
devices:
  probing.probe_reading:
    every: 1 min
    values:
      methane_pct_lel: {where: {部位类型: [阀门井]}, noise: [1, 4], serviced: {shows: 55}, decimals: 2}
      methane_pct_vol: {follows: [methane_pct_lel, 0.01], where: {部位类型: [阀门井]}}
      air_temperature_c: {base: 15, daily: [8, 15], weekend: 1, rain: {hours: 3, each_mm: -0.5}, decimals: 1}
incidents:
  - {rule: probe_high, colour: red, feed: probing.probe_reading, minutes: 20, where: {部位类型: [阀门井]},
     curves: {methane_pct_lel: [[0, 2], [5, 影响人数, 0, 60], [15, 60], [20, 2]]}}
"""


def write_foreign_system(root: Path) -> Path:
    """Put it under a folder of systems; its contracts and samples are those of gas under other names."""
    folder = root / "work_safety" / "probe"
    (folder / "feeds").mkdir(parents=True)
    for path in sorted((SYSTEMS_ROOT / "lifeline/gas/feeds").iterdir()):
        encoding = "gb18030" if path.suffix == ".csv" else "utf-8"
        text = path.read_bytes().decode(encoding)
        for ours, theirs in (
            *(("urban", "probing"), ("URBAN", "PROBING"), ("gas_", "probe_"), ("probe_pressure", "gas_pressure")),
            *(("domain: lifeline", "domain: work_safety"), ("value: gas}", "value: probe}")),
        ):
            text = text.replace(ours, theirs)
        (folder / "feeds" / path.name.replace("gas_", "probe_")).write_bytes(text.encode(encoding))
    for file, text in (
        *(("system.yaml", SYSTEM), ("rules.yaml", RULES), ("guide.yaml", GUIDE), ("simulation.yaml", SIMULATION)),
    ):
        (folder / file).write_text(text, encoding="utf-8")
    return folder
