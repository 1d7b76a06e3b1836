"""Makes a servable model directory out of labelled rows; nothing of it runs in the container."""
