"""The knobs of every method that trains, so that steps, learning rate and windows mean the same wherever they stand."""

from __future__ import annotations

from optlab.methods import Parameter


def training(steps: int, learning_rate: float, batch: int, fewest_steps: int = 1) -> tuple[Parameter, ...]:
    """steps, learning_rate, batch and window with a method's own defaults."""
    return (
        Parameter(
            "steps", int, steps, "Training steps", "More steps train longer and better.",
            minimum=fewest_steps, maximum=100_000, step=50,
        ),
        Parameter(
            "learning_rate", float, learning_rate, "Learning rate", "Peak of the learning rate schedule.",
            minimum=1e-7, maximum=1e-1, step=1e-5, advanced=True,
        ),
        Parameter(
            "batch", int, batch, "Batch", "Windows of text per step.",
            minimum=1, maximum=512, step=1, unit="windows", advanced=True,
        ),
        Parameter(
            "window", int, 128, "Window", "Tokens in each window.",
            minimum=16, maximum=4096, step=16, unit="tokens", advanced=True,
        ),
    )  # fmt: skip
