"""What pyproject.toml cannot say: the folder `assets` beside the package becomes a part of it in a wheel."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["optlab", "optlab.*"]), "optlab.assets"],
    package_dir={"optlab.assets": "assets"},
)
