"""Installs the package alone. Its dependencies stand in requirements.txt, so that people choose what to install."""

import re
from pathlib import Path

from setuptools import find_packages, setup

version = re.search(r'^__version__ = "(.+)"', Path("convergence/__init__.py").read_text(), re.MULTILINE).group(1)

setup(
    name="convergence",
    version=version,
    description="Compare brains with networks: RDMs, RSA, nulls, KMCCA and connectivity for fMRI and vision and language models",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=["convergence", "convergence.*"]),
    package_data={"convergence": ["**/assets/*"]},
    entry_points={"console_scripts": ["convergence = convergence.__main__:main"]},
)
