"""Whether two models read and predict the same tokens, so that their predictions can be laid over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.errors import ModelError

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel


def common_vocabulary(base: LanguageModel, other: LanguageModel) -> int:
    """How many ids, from 0 on, are the same tokens in both models.

    What one has more is padding of its embedding, or tokens that a fine-tune added. Added tokens may have another
    spelling, because a fine-tune gives reserved ones a name. Raises ModelError when a regular token differs, or only
    one model has it.
    """
    common = min(base.description.vocabulary, other.description.vocabulary)
    first, second = (_regular(model) for model in (base, other))
    different = sorted(i for i in first.keys() | second.keys() if i >= common or first.get(i) != second.get(i))
    added = set(_added(base)) | set(_added(other))
    wrong = next((i for i in different if i not in added), None)
    if wrong is not None:
        raise ModelError(
            "{other} has another tokenizer than {base} (token {id} is {found!r}, not {expected!r}), so their "
            "predictions cannot be compared; a file of the same model, or a fine-tune with its tokenizer, can",
            other=other.name,
            base=base.name,
            id=wrong,
            found=second.get(wrong),
            expected=first.get(wrong),
        )
    return common


def _regular(model: LanguageModel) -> dict[int, str]:
    backend = model.tokenizer.backend
    return {i: token for token, i in backend.get_vocab(with_added_tokens=False).items()}


def _added(model: LanguageModel) -> list[int]:
    return list(model.tokenizer.backend.get_added_tokens_decoder())
