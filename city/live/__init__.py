"""The device side of the city: what its devices say by themselves, in their own protocols.

`speakers` say it (a pure function of city, seed and time), `plan` lays incidents over it, `history` gives it as bytes
with receive times, `play` speaks it to a running gateway and broker and notes what was acknowledged, `load` sends as
fast as it is told.
"""
