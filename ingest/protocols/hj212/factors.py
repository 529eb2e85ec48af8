"""Factor codes: what a code measures, in which unit, and which code of 2005 it replaced.

HJ 212-2017 Annex B, tables B.1 (water, codes of HJ 525-2009), B.2 (air, HJ 524-2009) and B.3 (noise); old codes are of
HJ/T 212-2005 tables 7 to 9, as B.1 and B.2 set them beside the new. Codes of process states (tables B.5, B.7) and of
vendors are not here: their values pass under the code as sent, without quantity and unit.

Devices do not keep to every unit: TSP, PM10 and PM2.5 are ng/m3 in B.2 and mostly ug/m3 in the field. Which one a
source sends is its contract's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Factor(NamedTuple):
    """One row: code, old code or nothing, quantity, unit of a value, unit of a total (`Cou`) or nothing."""

    code: str
    old_code: str
    quantity: str
    unit: str
    total_unit: str


WATER = (
    Factor("w00000", "B01", "sewage_flow", "L/s", "m3"),
    Factor("w01001", "001", "ph", "1", ""),
    Factor("w01002", "002", "colour", "degree", ""),
    Factor("w01003", "", "turbidity", "NTU", ""),
    Factor("w01006", "", "total_dissolved_solids", "mg/L", "kg"),
    Factor("w01009", "", "dissolved_oxygen", "mg/L", ""),
    Factor("w01010", "", "water_temperature", "degC", ""),
    Factor("w01012", "003", "suspended_solids", "mg/L", "kg"),
    Factor("w01014", "", "conductivity", "uS/cm", ""),
    Factor("w01017", "010", "biochemical_oxygen_demand_5d", "mg/L", "kg"),
    Factor("w01018", "011", "chemical_oxygen_demand", "mg/L", "kg"),
    Factor("w01019", "", "permanganate_index", "mg/L", "kg"),
    Factor("w01020", "015", "total_organic_carbon", "mg/L", "kg"),
    Factor("w02003", "550", "faecal_coliforms", "1/L", ""),
    Factor("w02006", "", "bacteria", "1/L", ""),
    Factor("w03001", "570", "gross_alpha", "Bq/L", ""),
    Factor("w03002", "571", "gross_beta", "Bq/L", ""),
    Factor("w19001", "", "surfactants", "mg/L", "kg"),
    Factor("w19002", "520", "anionic_surfactants", "mg/L", "kg"),
    Factor("w20012", "039", "barium", "mg/L", "kg"),
    Factor("w20023", "037", "boron", "mg/L", "kg"),
    Factor("w20038", "040", "cobalt", "mg/L", "kg"),
    Factor("w20061", "038", "molybdenum", "mg/L", "kg"),
    Factor("w20089", "041", "thallium", "ng/L", "mg"),
    Factor("w20092", "036", "tin", "mg/L", "kg"),
    Factor("w20111", "020", "total_mercury", "ug/L", "g"),
    Factor("w20113", "021", "alkyl_mercury", "ng/L", "mg"),
    Factor("w20115", "022", "total_cadmium", "ug/L", "g"),
    Factor("w20116", "023", "total_chromium", "mg/L", "kg"),
    Factor("w20117", "024", "hexavalent_chromium", "ug/L", "g"),
    Factor("w20119", "026", "total_arsenic", "ug/L", "g"),
    Factor("w20120", "027", "total_lead", "ug/L", "g"),
    Factor("w20121", "028", "total_nickel", "mg/L", "kg"),
    Factor("w20122", "029", "total_copper", "mg/L", "kg"),
    Factor("w20123", "030", "total_zinc", "mg/L", "kg"),
    Factor("w20124", "031", "total_manganese", "mg/L", "kg"),
    Factor("w20125", "032", "total_iron", "mg/L", "kg"),
    Factor("w20126", "033", "total_silver", "mg/L", "kg"),
    Factor("w20127", "034", "total_beryllium", "ug/L", "g"),
    Factor("w20128", "035", "total_selenium", "ug/L", "g"),
    Factor("w20138", "", "copper", "mg/L", "kg"),
    Factor("w20139", "", "zinc", "mg/L", "kg"),
    Factor("w20140", "", "selenium", "mg/L", "kg"),
    Factor("w20141", "", "arsenic", "mg/L", "kg"),
    Factor("w20142", "", "mercury", "ug/L", "g"),
    Factor("w20143", "", "cadmium", "ug/L", "g"),
    Factor("w20144", "", "lead", "mg/L", "kg"),
    Factor("w21001", "065", "total_nitrogen", "mg/L", "kg"),
    Factor("w21003", "060", "ammonia_nitrogen", "mg/L", "kg"),
    Factor("w21004", "062", "kjeldahl_nitrogen", "mg/L", "kg"),
    Factor("w21006", "063", "nitrite", "mg/L", "kg"),
    Factor("w21007", "064", "nitrate", "mg/L", "kg"),
    Factor("w21011", "101", "total_phosphorus", "mg/L", "kg"),
    Factor("w21016", "070", "cyanide", "mg/L", "kg"),
    Factor("w21017", "072", "fluoride", "mg/L", "kg"),
    Factor("w21019", "071", "sulfide", "mg/L", "kg"),
    Factor("w21022", "090", "chloride", "mg/L", "kg"),
    Factor("w21038", "", "sulfate", "mg/L", "kg"),
    Factor("w22001", "080", "petroleum", "mg/L", "kg"),
    Factor("w23002", "110", "volatile_phenols", "mg/L", "kg"),
    Factor("w25043", "540", "benzo_a_pyrene", "ug/L", "g"),
    Factor("w33001", "350", "hexachlorocyclohexane", "ng/L", "mg"),
    Factor("w33007", "351", "ddt", "ng/L", "mg"),
    Factor("w99001", "061", "organic_nitrogen", "mg/L", "kg"),
)

AIR = (
    Factor("a00000", "B02", "waste_gas_flow", "m3/s", "m3"),
    Factor("a01001", "", "air_temperature", "degC", ""),
    Factor("a01002", "", "relative_humidity", "percent", ""),
    Factor("a01006", "", "air_pressure", "kPa", ""),
    Factor("a01007", "", "wind_speed", "m/s", ""),
    Factor("a01008", "", "wind_direction", "deg", ""),
    Factor("a01010", "37", "ringelmann_blackness", "1", ""),
    Factor("a01011", "S02", "flue_gas_velocity", "m/s", ""),
    Factor("a01012", "S03", "flue_gas_temperature", "degC", ""),
    Factor("a01013", "S08", "flue_gas_pressure", "kPa", ""),
    Factor("a01014", "S05", "flue_gas_humidity", "percent", ""),
    Factor("a01015", "S06", "cooling_temperature", "degC", ""),
    Factor("a01016", "S07", "flue_section", "m2", ""),
    Factor("a01017", "S04", "flue_gas_dynamic_pressure", "kPa", ""),
    Factor("a01901", "", "furnace_temperature", "degC", ""),
    Factor("a01902", "", "furnace_control_temperature", "degC", ""),
    Factor("a05001", "30", "carbon_dioxide", "mg/m3", "kg"),
    Factor("a05002", "", "methane", "ng/m3", "g"),
    Factor("a19001", "S01", "oxygen", "percent", ""),
    Factor("a20007", "", "arsenic", "ng/m3", "g"),
    Factor("a20016", "36", "beryllium_compounds", "mg/m3", "kg"),
    Factor("a20025", "33", "cadmium_compounds", "mg/m3", "kg"),
    Factor("a20026", "", "cadmium", "ng/m3", "g"),
    Factor("a20043", "32", "lead_compounds", "mg/m3", "kg"),
    Factor("a20044", "", "lead", "ng/m3", "g"),
    Factor("a20057", "31", "mercury_compounds", "mg/m3", "kg"),
    Factor("a20058", "", "mercury", "ng/m3", "g"),
    Factor("a20063", "35", "nickel_compounds", "mg/m3", "kg"),
    Factor("a20091", "34", "tin_compounds", "mg/m3", "kg"),
    Factor("a21001", "10", "ammonia", "ng/m3", "g"),
    Factor("a21002", "03", "nitrogen_oxides", "mg/m3", "kg"),
    Factor("a21003", "", "nitric_oxide", "mg/m3", "kg"),
    Factor("a21004", "", "nitrogen_dioxide", "mg/m3", "kg"),
    Factor("a21005", "04", "carbon_monoxide", "mg/m3", "kg"),
    Factor("a21017", "07", "cyanides", "mg/m3", "kg"),
    Factor("a21018", "06", "fluorides", "mg/m3", "kg"),
    Factor("a21022", "11", "chlorine", "mg/m3", "kg"),
    Factor("a21024", "08", "hydrogen_chloride", "mg/m3", "kg"),
    Factor("a21026", "02", "sulfur_dioxide", "mg/m3", "kg"),
    Factor("a21028", "05", "hydrogen_sulfide", "mg/m3", "kg"),
    Factor("a23001", "27", "phenols", "mg/m3", "kg"),
    Factor("a24046", "29", "vinyl_chloride", "mg/m3", "kg"),
    Factor("a24087", "25", "hydrocarbons", "mg/m3", "kg"),
    Factor("a24088", "", "non_methane_hydrocarbons", "mg/m3", "kg"),
    Factor("a25002", "", "benzene", "mg/m3", "kg"),
    Factor("a25003", "17", "toluene", "mg/m3", "kg"),
    Factor("a25004", "", "ethylbenzene", "mg/m3", "kg"),
    Factor("a25005", "18", "xylene", "mg/m3", "kg"),
    Factor("a25010", "23", "chlorobenzene", "mg/m3", "kg"),
    Factor("a25023", "22", "nitrobenzene", "mg/m3", "kg"),
    Factor("a25038", "", "styrene", "mg/m3", "kg"),
    Factor("a25044", "20", "benzo_a_pyrene", "mg/m3", "kg"),
    Factor("a26001", "21", "anilines", "mg/m3", "kg"),
    Factor("a30001", "28", "methanol", "mg/m3", "kg"),
    Factor("a30022", "13", "mercaptans", "mg/m3", "kg"),
    Factor("a31001", "19", "formaldehyde", "mg/m3", "kg"),
    Factor("a31002", "26", "acetaldehyde", "mg/m3", "kg"),
    Factor("a31024", "", "acetone", "mg/m3", "kg"),
    Factor("a34001", "", "total_suspended_particles", "ng/m3", "g"),
    Factor("a34002", "", "pm10", "ng/m3", "g"),
    Factor("a34004", "", "pm2_5", "ng/m3", "g"),
    Factor("a34005", "", "pm1", "ng/m3", "g"),
    Factor("a34013", "01", "soot", "mg/m3", "kg"),
    Factor("a34017", "", "carbon_black", "mg/m3", "kg"),
    Factor("a34038", "09", "asphalt_smoke", "mg/m3", "kg"),
    Factor("a34039", "14", "sulfuric_acid_mist", "mg/m3", "kg"),
    Factor("a34040", "15", "chromic_acid_mist", "mg/m3", "kg"),
    Factor("a99010", "", "acrylonitrile", "mg/m3", "kg"),
    Factor("a99049", "24", "phosgene", "mg/m3", "kg"),
    Factor("a99051", "12", "carbon_disulfide", "mg/m3", "kg"),
)

NOISE = (
    Factor("LA", "", "sound_level", "dB", ""),
    Factor("L5", "", "sound_level_5", "dB", ""),
    Factor("L10", "", "sound_level_10", "dB", ""),
    Factor("L50", "", "sound_level_50", "dB", ""),
    Factor("L90", "", "sound_level_90", "dB", ""),
    Factor("L95", "", "sound_level_95", "dB", ""),
    Factor("Leq", "", "sound_level_equivalent", "dB", ""),
    Factor("Ldn", "", "sound_level_day_night", "dB", ""),
    Factor("Ld", "", "sound_level_day", "dB", ""),
    Factor("Ln", "", "sound_level_night", "dB", ""),
    Factor("LMx", "", "sound_level_max", "dB", ""),
    Factor("LMn", "", "sound_level_min", "dB", ""),
)

FACTORS: Mapping[str, Factor] = {factor.code: factor for factor in (*WATER, *AIR, *NOISE)}
_BY_CODE = {code.lower(): code for code in FACTORS}
_BY_OLD_CODE = {factor.old_code.lower(): factor.code for factor in FACTORS.values() if factor.old_code}


def present_code(code: str) -> str:
    """A code as sent → the code of 2017 in the standard's spelling; unknown ones stay as they are."""
    low = code.lower()
    return _BY_CODE.get(low) or _BY_OLD_CODE.get(low) or code
