"""The one rule engine: readings in order of arrival become changes of episodes, live and on history alike.

Pure: no clock, file, socket or database; time is what the batches say.
"""

from alerting.engine.fold import Engine
from alerting.engine.packing import generation_of
from alerting.engine.world import Asset, FeedShape, Registry, shape_of, shapes_of

__all__ = ["Asset", "Engine", "FeedShape", "Registry", "generation_of", "shape_of", "shapes_of"]
