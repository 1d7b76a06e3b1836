"""Turns the newest saved model and the service into an image; it runs nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.engine import DeployError, Engine, command, say

ROOT = Path(__file__).resolve().parents[1]
_TAG_MARK = "__tag__:"


def build_bento(root: Path = ROOT) -> str:
    """Run `bentoml build` in the project and return the bento's tag, `name:version`."""
    say("bentoml build")
    output = command(sys.executable, "-m", "bentoml", "build", "--output", "tag", cwd=root)
    for line in output.splitlines():
        if line.startswith(_TAG_MARK):
            return line.removeprefix(_TAG_MARK)
    raise DeployError(f"`bentoml build` printed no tag:\n{output}")


def build_image(engine: Engine, bento: str) -> str:
    """Run `bentoml containerize` on a bento and return the image's name, which is the bento's tag."""
    say(f"bentoml containerize {bento} ({engine.binary}; minutes, the first time)")
    environment = {
        **engine.run_environment,
        **engine.build_environment,
        # Download caches are mounted, so that they stay out of the image.
        "DOCKER_BUILDKIT": "1",
    }
    arguments = ("containerize", bento, "--backend", engine.binary, "--image-tag", bento)
    output = command(sys.executable, "-m", "bentoml", *arguments, environment=environment)
    # BentoML logs a failed build and may still end with status 0.
    if not engine.succeeds("image", "inspect", bento):
        raise DeployError(f"`bentoml containerize {bento}` made no image:\n{output}")
    return bento


def tag_latest(engine: Engine, image: str) -> None:
    """Give an image the name that compose.yaml and kubernetes.yaml use."""
    engine("tag", image, f"{image.partition(':')[0]}:latest")


def image_size_bytes(engine: Engine, image: str) -> int:
    """Return the size of all layers of an image."""
    return int(engine("image", "inspect", "--format", "{{.Size}}", image))
