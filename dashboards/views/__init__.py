"""One module a page, each with `draw(scene, mart)`. Not here: what a page may read (`access`)."""
