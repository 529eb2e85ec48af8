"""What departments write in single cells: texts and instants. Not here: whole rows (`ingest.conform`)."""
