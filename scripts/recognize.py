"""Make the lists of transcripts that the task `speech` rescores: `python -m scripts.recognize`.

Sentences of the evaluation side of BBC News are spoken by espeak-ng (Debian's package), heard by PocketSphinx with the
English model of its wheel (`pip install --no-deps pocketsphinx`), and what it took them for, best first, is kept in the
cache. Takes a few minutes, once.
"""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
import wave
from collections.abc import Sequence
from itertools import islice

import numpy as np
from scipy.signal import resample_poly

from optlab.evaluation.tasks.speech import RECOGNIZED, SENTENCES, Heard
from optlab.evaluation.tasks.speech import file as kept_in
from optlab.files import write_text
from optlab.texts.splits import evaluation_documents

RATE = 16_000
LISTED = 12
SHORTEST, LONGEST = 7, 16
"""Words of a sentence."""
NATS = 1024
"""PocketSphinx adds up log-probabilities in units of 2^10, and tells their exponential."""
NOISE = 0.03
"""Standard deviation of white noise over that of the speech: of a clean voice there is little to choose between."""
END = re.compile(r"(?<=[.!?])\s+")


def sentences(count: int) -> list[str]:
    """Plain ones, of letters alone, in lower case; one of each document."""
    found = []
    for document in evaluation_documents("bbc-news"):
        for sentence in END.split(" ".join(document.split())):
            words = sentence.rstrip(".").split()
            if SHORTEST <= len(words) <= LONGEST and all(word.isascii() and word.isalpha() for word in words):
                found.append(" ".join(words).lower())
                break
        if len(found) == count:
            break
    return found


def spoken(sentence: str, seed: int) -> bytes:
    """16-bit samples at `RATE`, with noise."""
    command = ["espeak-ng", "-v", "en-us", "-s", "150", "--stdout", sentence]
    said = subprocess.run(command, capture_output=True, check=True)
    with wave.open(io.BytesIO(said.stdout)) as sound:
        rate, raw = sound.getframerate(), sound.readframes(sound.getnframes())
    samples = np.frombuffer(raw, dtype=np.int16).astype(np.float64)
    common = math.gcd(rate, RATE)
    samples = resample_poly(samples, RATE // common, rate // common)
    samples += np.random.default_rng(seed).normal(0, NOISE * samples.std(), len(samples))
    return np.clip(samples, -32768, 32767).astype(np.int16).tobytes()


def main() -> None:
    import pocketsphinx

    decoder = pocketsphinx.Decoder(samprate=RATE, loglevel="FATAL")
    found: list[Heard] = []
    asked = sentences(SENTENCES)
    for number, sentence in enumerate(asked):
        decoder.start_utt()
        decoder.process_raw(spoken(sentence, number), full_utt=True)
        decoder.end_utt()
        heard: dict[str, float] = {}
        for one in islice(decoder.nbest(), 20 * LISTED):
            words = " ".join(word for word in one.hypstr.split() if word.isalpha() or "'" in word)
            heard.setdefault(words, NATS * math.log(one.score))
            if len(heard) == LISTED:
                break
        if len(heard) > 1:
            found.append(Heard(sentence, tuple(heard), tuple(heard.values())))
        if number % 10 == 9:
            keep(found)
        print(f"\r{number + 1} of {len(asked)}", end="", file=sys.stderr)
    keep(found)
    print(f"\n{len(found)} lists in {kept_in()}", file=sys.stderr)


def keep(found: Sequence[Heard]) -> None:
    """Write them where the task reads them."""
    rows = [{"said": one.said, "heard": one.heard, "scores": one.scores} for one in found]
    write_text(kept_in(), json.dumps({"recognizer": RECOGNIZED, "sentences": rows}, indent=1))


if __name__ == "__main__":
    main()
