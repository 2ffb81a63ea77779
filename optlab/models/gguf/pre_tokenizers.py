r"""How a text is split before its pieces are merged: llama.cpp's pre-tokenizers, which a GGUF only names.

Each is a row of regular expressions. One after another cuts every piece so far at its matches, and what lies between
two matches is a piece as well, which is what `Split(..., "isolated")` of the tokenizers package does; then bytes become
letters as in GPT-2. Names and expressions are those of src/llama-vocab.cpp, written as in the tokenizer.json they come
from where llama.cpp had to rewrite them for C++ (upper-case letters as [^a-z] and the like).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError
from optlab.models.hub_config import HubConfig

if TYPE_CHECKING:
    from tokenizers.normalizers import Normalizer
    from tokenizers.pre_tokenizers import PreTokenizer


@dataclass(frozen=True)
class Splitting:
    """patterns: in the order in which they cut. nfc: the hub's tokenizer composes characters first.

    ignore_merges: a piece that is a token stays one, whatever the merges say. add_bos: what holds when a file is
    silent.
    """

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False
    nfc: bool = False


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DIGIT = r"\p{N}"
_SHORT_FORMS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = rf"{_SHORT_FORMS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
QWEN2 = LLAMA3.replace("{1,3}", "")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_WORD = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{{ending}}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{{ending}}|"
    rf"\p{{N}}{{digits}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)
TEKKEN = _WORD.replace("{ending}", "").replace("{digits}", "")
GPT4O = _WORD.replace("{ending}", f"{_SHORT_FORMS}?").replace("{digits}", "{1,3}")
_LATIN = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ"
    "ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)
_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
_DEEPSEEK_V3 = (
    r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
    + _SPACES,
)  # fmt: skip
_BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]")

_BY_RULE: tuple[tuple[tuple[str, ...], Splitting], ...] = (
    (("default",), Splitting(_DEFAULT)),
    (
        ("gpt-2", "phi-2", "mpt", "jais", "trillion", "granite-docling", "gigachat", "a.x-4.0", "mellum", "exaone4",
         "jina-es", "jina-de", "jina-v2-es", "jina-v2-de"),
        Splitting((GPT2,)),
    ),
    (("olmo",), Splitting((GPT2,), nfc=True)),
    (
        ("smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"),
        Splitting((DIGIT, GPT2)),
    ),
    (("command-r",), Splitting((DIGIT, GPT2), nfc=True)),
    (
        ("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
        Splitting((LLAMA3,), ignore_merges=True, add_bos=True),
    ),
    (("dbrx", "smaug-bpe", "glm4", "chatglm-bpe"), Splitting((LLAMA3,))),
    (("qwen2", "deepseek-r1-qwen", "kormo", "megrez"), Splitting((QWEN2,), nfc=True)),
    (("stablelm2", "hunyuan", "solar-open", "grok-2"), Splitting((QWEN2,))),
    (
        ("qwen35",),
        Splitting((QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}", r"[^\s\p{L}\p{M}"),), nfc=True),
    ),
    (("tekken",), Splitting((TEKKEN,), ignore_merges=True, add_bos=True)),
    (("gpt-4o", "llama4", "kanana2", "minimax-m2"), Splitting((GPT4O,))),
    (
        ("deepseek-llm",),
        Splitting((
            r"[\r\n]", rf"\s?[{_LATIN}]+",
            "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
            r"\s+$", _CJK, r"\p{N}+",
        )),
    ),
    (("deepseek-coder",), Splitting((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK, DIGIT))),
    (("deepseek-v3", "hunyuan-dense", "joyai-llm"), Splitting(_DEEPSEEK_V3)),
    (("falcon",), Splitting((r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"))),
    (("bloom", "poro-chat", "gpt3-finnish"), Splitting((_BLOOM,))),
    (("viking",), Splitting((_BLOOM, DIGIT))),
    (
        ("seed-coder",),
        Splitting((QWEN2.replace(r"[^\s\p{L}\p{N}]+[\r\n]*", r"[^\s\p{L}\p{N}\r\n]+"),)),
    ),
    (
        ("bailingmoe", "bailingmoe2", "llada-moe"),
        Splitting((
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        )),
    ),
)  # fmt: skip
SPLITTINGS = {name: splitting for names, splitting in _BY_RULE for name in names}
"""llama.cpp's name -> how it splits."""


def named(name: str) -> Splitting:
    """The splitting with llama.cpp's name. Raises ModelError for one that is not known here."""
    if name not in SPLITTINGS:
        raise ModelError(
            "its pre-tokenizer {name!r} (tokenizer.ggml.pre) is not known here, and another one would split its "
            "texts wrongly",
            name=name,
        )
    return SPLITTINGS[name]


def build(splitting: Splitting) -> PreTokenizer:
    """The pre-tokenizer of the tokenizers package. GPT-2's expression and single digits are built into it."""
    from tokenizers import Regex, pre_tokenizers

    *before, last = splitting.patterns
    native = last == GPT2
    steps: list[PreTokenizer] = []
    for pattern in before if native else splitting.patterns:
        single = pattern == DIGIT
        steps.append(
            pre_tokenizers.Digits(individual_digits=True)
            if single
            else pre_tokenizers.Split(Regex(pattern), "isolated")
        )
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=native))
    return steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)


def normalizer(splitting: Splitting) -> Normalizer | None:
    from tokenizers import normalizers

    return normalizers.NFC() if splitting.nfc else None


def name_of(tokenizer: HubConfig) -> str:
    """llama.cpp's name for how a tokenizer.json splits and normalizes. Raises ModelError when it has none here."""
    import json

    import tokenizers

    said = (tokenizer.get("pre_tokenizer"), tokenizer.get("normalizer"), bool(tokenizer["model"].get("ignore_merges")))
    for name, splitting in SPLITTINGS.items():
        probe = tokenizers.Tokenizer(tokenizers.models.BPE())
        probe.pre_tokenizer = build(splitting)
        if splitting.nfc:
            probe.normalizer = normalizer(splitting)
        written = json.loads(probe.to_str())
        ours = (_essence(written["pre_tokenizer"]), written["normalizer"], splitting.ignore_merges)
        if name != "default" and ours == (_essence(said[0]), said[1], said[2]):
            return name
    raise ModelError("the way this tokenizer splits or normalizes text has no name in GGUF files")


def _essence(pre_tokenizer: Any) -> list[HubConfig]:
    """The steps of a pre_tokenizer of tokenizer.json without what makes no difference to ids."""
    steps = (pre_tokenizer or {}).get("pretokenizers", [pre_tokenizer or {}])
    return [
        {"use_regex": True, "invert": False, **{k: v for k, v in step.items() if k != "trim_offsets"}} for step in steps
    ]
