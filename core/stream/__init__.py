"""The streams RAW and LIVE: broker, client, and the form of what stands in them. Neither conforms nor folds."""
