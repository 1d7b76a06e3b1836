"""A podman of our own on a Debian-like machine without an engine or a registry: installed, configured, based.

Nothing under /etc/containers is touched: the whole configuration and storage lie in one work folder.
"""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

from packaging.version import Version

from deploy.engine import BASE_IMAGE, DeployError, Engine, command, say

# Images outlive a checkout. Not below /root/.cache: builds mount a cache there, and buildah 1.28, when it
# takes that mount away again, mistakes a storage folder below it for the mount and empties the image.
DEFAULT_WORK = Path("/var/lib/bentobert/container")
PYTHON_VERSION = "3.11"
SUITE = "bookworm"  # the Debian release whose python3 is PYTHON_VERSION
TOOLS = ("podman", "buildah", "runc", "conmon", "debootstrap", "iptables")
NETWORK_TOOLS = ("netavark", "aardvark-dns")  # not on PATH: podman runs them from its own library folder
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

# Without these, every later apt-get in the image would leave its downloads in a layer.
APT_CLEAN = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
"""


def make_private_engine(work: Path, wheels: Path | None) -> Engine:
    """Install podman, configure it inside `work`, and make the base image.

    Parameters
    ----------
    work : Path
        Configuration, image storage and temporary files.
    wheels : Path or None
        A folder with a wheel of torch that builds take instead of asking PyTorch's own index.
    """
    install_tools()
    engine = configure(work, wheels)
    if not engine.succeeds("image", "exists", f"localhost/{BASE_IMAGE}"):
        make_base_image(engine, work)
    return engine


def install_tools() -> None:
    """Install whatever is missing of podman and its parts from the Debian mirror."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    missing += [tool for tool in NETWORK_TOOLS if not Path("/usr/lib/podman", tool).exists()]
    if not missing:
        return
    say(f"no working container engine: installing {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    command("apt-get", "update", "-qq")
    command("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, environment=quiet)


def configure(work: Path, wheels: Path | None) -> Engine:
    """Write the private configuration and return the engine that uses it."""
    configuration = work / "configuration"
    for folder in (configuration, work / "temporary"):
        folder.mkdir(parents=True, exist_ok=True)
    storage = configuration / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{work}/storage"\nrunroot = "{work}/run"\n'
    )
    uv = configuration / "uv.toml"
    uv.write_text(uv_configuration(wheels))
    volumes = [f"{CA_BUNDLE}:{CA_BUNDLE}:ro", f"{uv}:/etc/uv/uv.toml:ro"]
    volumes += [f"{wheels}:{wheels}:ro"] if wheels else []
    run = configuration / "run.conf"
    run.write_text(engine_configuration([]))
    build = configuration / "build.conf"
    build.write_text(engine_configuration(volumes))
    shared = {"CONTAINERS_STORAGE_CONF": str(storage), "TMPDIR": str(work / "temporary")}
    return Engine(
        "podman",
        run_environment={**shared, "CONTAINERS_CONF": str(run)},
        build_environment={**shared, "CONTAINERS_CONF": str(build)},
    )


def engine_configuration(volumes: list[str]) -> str:
    """Return containers.conf; `volumes` are seen by builds and never become part of an image."""
    open_files = lowest_limit(resource.RLIMIT_NOFILE, 1_048_576)
    processes = lowest_limit(resource.RLIMIT_NPROC, 32_768)
    mounts = ", ".join(f'"{volume}"' for volume in volumes)
    # podman's own limits ask for CAP_SYS_RESOURCE; crun, unlike runc, refuses a mix of cgroup v1 and v2.
    return f"""\
[containers]
default_ulimits = ["nofile={open_files}:{open_files}", "nproc={processes}:{processes}"]
volumes = [{mounts}]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""


def lowest_limit(which: int, wanted: int) -> int:
    """Return the wanted resource limit, or this process's hard limit where that is lower."""
    hard = resource.getrlimit(which)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)


def uv_configuration(wheels: Path | None) -> str:
    """Return uv.toml: the host's certificates, and torch from the wheel folder where there is one."""
    lines = ["system-certs = true"]
    if wheels:
        wheel = torch_wheel(wheels)
        # An override is a direct address, so UV_TORCH_BACKEND no longer sends uv to PyTorch's index.
        lines.append(f'override-dependencies = ["torch @ {wheel.as_uri()}"]')
    return "\n".join(lines) + "\n"


def torch_wheel(wheels: Path) -> Path:
    """Return the newest wheel of torch in a folder that suits the image's Python."""
    tag = f"cp{PYTHON_VERSION.replace('.', '')}"
    found = list(wheels.glob(f"torch-*-{tag}-{tag}-*linux*_{os.uname().machine}.whl"))
    if not found:
        raise DeployError(
            f"{wheels} holds no torch wheel for {tag} on Linux; leave --wheels out, or add one."
        )
    return max(found, key=lambda wheel: Version(wheel.name.split("-")[1]))


def make_base_image(engine: Engine, work: Path) -> None:
    """Make Debian with Python by debootstrap, as small as python.org's slim image, and import it."""
    say(f"no registry: making {BASE_IMAGE} with debootstrap (about a minute)")
    root = work / "rootfs"
    shutil.rmtree(root, ignore_errors=True)
    packages = f"python{PYTHON_VERSION},python{PYTHON_VERSION}-venv,python3-pip,ca-certificates"
    command("debootstrap", "--variant=minbase", f"--include={packages}", SUITE, root, debian_mirror())
    adapt_root(root)
    archive = work / "rootfs.tar"
    command("tar", "-C", root, "--exclude=./dev/*", "-cf", archive, ".")
    changes = ['CMD ["python3"]', "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"]
    options = [part for change in changes for part in ("--change", change)]
    engine("import", "--quiet", *options, archive, f"localhost/{BASE_IMAGE}")
    archive.unlink()
    shutil.rmtree(root)


def debian_mirror() -> str:
    """Return the address that this machine itself gets Debian's packages of `SUITE` from."""
    targets = command("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)").split("\n")
    for target in targets:
        address, _, release = target.partition(" ")
        if release == SUITE:
            return address
    raise DeployError(f"apt knows no mirror of Debian {SUITE}; add one, or install docker or podman.")


def adapt_root(root: Path) -> None:
    """Give a bare Debian what python.org's slim image has, and take away what that leaves out."""
    for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()  # the generated Dockerfile runs `pip install uv`
    (root / "usr/local/bin/python").symlink_to("../../bin/python3")
    (root / "etc/apt/apt.conf.d/docker-clean").write_text(APT_CLEAN)
    for superfluous in ("doc", "man", "info", "locale"):
        shutil.rmtree(root / "usr/share" / superfluous)
    for downloads in ("var/lib/apt/lists", "var/cache/apt/archives"):
        shutil.rmtree(root / downloads)
        (root / downloads / "partial").mkdir(parents=True)
    for index in root.glob("var/cache/apt/*.bin"):
        index.unlink()
