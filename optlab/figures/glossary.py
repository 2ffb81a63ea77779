"""What the terms of the field mean, each said once: the help on hover of every label, and the list on the page Learn.

Parameters of methods explain themselves where they are declared (`optlab.methods.Parameter.help`).
"""

from __future__ import annotations

from optlab.i18n import _


def perplexity() -> str:
    return _("How surprised the model is by a text it has not seen: exp of the mean negative log-likelihood per token. "
             "Lower is better; 1 would be perfect foresight.")  # fmt: skip


def perplexity_ratio() -> str:
    return _("Perplexity of the compressed model over that of the original, on the same tokens; 1 means no loss.")


def interval() -> str:
    return _("The 95% interval of the ratio, from the differences of both models on the same windows of text (paired): "
             "two separate error bars would hide most of what is known.")  # fmt: skip


def band() -> str:
    return _("The range in which nine of ten measurements of such a recipe are expected.")


def kl_divergence() -> str:
    return _("How far the predictions of the compressed model are from the original's, averaged over all positions: "
             "the mean of the sum of p ln(p / q) over the vocabulary, in nats. 0 means the same "
             "predictions.")  # fmt: skip


def top1_agreement() -> str:
    return _("The share of positions at which both models predict the same token.")


def bits_per_byte() -> str:
    return _("The loss per byte of text, in bits. Comparable between models with different tokenizers; lower is "
             "better.")  # fmt: skip


def size() -> str:
    return _("Bytes of the weights file as written, with scales, zero points and indices. Zeros that are stored as "
             "numbers save nothing.")  # fmt: skip


def latency() -> str:
    return _("Milliseconds for each new token, one text at a time; both models are timed in turns with nothing else "
             "computing.")  # fmt: skip


def held_out() -> str:
    return _("On windows of the training text that the student never trains on. The perplexity measured afterwards is "
             "on the evaluation text, with the protocol of the original, so the two differ; only the measured one "
             "compares with other recipes.")  # fmt: skip


def calibration() -> str:
    return _("Reading a text to learn what each layer's inputs look like. A model is never evaluated on the text that "
             "calibrated it.")  # fmt: skip


def group_size() -> str:
    return _("How many neighbouring weights share one scale. Smaller groups follow the weights more closely and take "
             "more space.")  # fmt: skip


def bits() -> str:
    return _("How many bits store a weight: b bits tell two to the power of b levels apart. Scales and zero points "
             "come on top.")  # fmt: skip


def sparsity() -> str:
    return _("The share of weights that are zero.")


def temperature() -> str:
    return _("What the scores are divided by before softmax: above 1 probabilities become more alike, below 1 less.")


def terms() -> list[tuple[str, str]]:
    """Every term with its meaning, for a reader who wants them all."""
    return [
        (_("Perplexity"), perplexity()),
        (_("Perplexity ratio"), perplexity_ratio()),
        (_("95% interval"), interval()),
        (_("90% band"), band()),
        (_("KL divergence"), kl_divergence()),
        (_("Top-1 agreement"), top1_agreement()),
        (_("Bits per byte"), bits_per_byte()),
        (_("Size"), size()),
        (_("Latency"), latency()),
        (_("Calibration"), calibration()),
        (_("Held-out perplexity"), held_out()),
        (_("Bits"), bits()),
        (_("Group size"), group_size()),
        (_("Sparsity"), sparsity()),
        (_("Temperature"), temperature()),
    ]
