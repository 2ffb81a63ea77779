"""How much memory a model needs to answer: the peak of a process that does nothing else.

Inside a worker the number would be worthless (two models and their statistics live there too), so a fresh process
loads the folder, reads a prompt, writes a few tokens, and reports the largest resident memory that the system saw. That
counts Python and torch as well, about 0.3 GB, because a person's machine must hold them too.

    python -m optlab.evaluation.memory FOLDER [--dtype bfloat16] [--device cpu] [--prompt-tokens 512] [--new-tokens 32]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from optlab.errors import MeasurementError, OptLabError
from optlab.evaluation.latency import NEW_TOKENS, PROMPT_TOKENS, fitting
from optlab.messages import say
from optlab.progress import Progress, silent

POLL_S = 0.1
TIMEOUT_S = 600.0
ROOT = Path(__file__).resolve().parents[2]
PROCESS_STATUS = Path("/proc/self/status")


def peak_memory(
    folder: Path | str,
    dtype: str = "bfloat16",
    device: str = "cpu",
    progress: Progress = silent,
    *,
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    threads: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> int:
    """Peak resident memory (bytes) of a process that loads `folder`, reads a prompt and decodes, batch 1.

    folder: a saved artefact, or a model folder in hub layout. threads: of torch in that process, None = its default.
    Raises MeasurementError when the process fails or takes longer than timeout_s.
    """
    (peak,) = peak_memories(
        [folder], dtype, device, progress, prompt_tokens=prompt_tokens, new_tokens=new_tokens, threads=threads,
        timeout_s=timeout_s,
    )  # fmt: skip
    return peak


def peak_memories(
    folders: Sequence[Path | str],
    dtype: str = "bfloat16",
    device: str = "cpu",
    progress: Progress = silent,
    *,
    prompt_tokens: int = PROMPT_TOKENS,
    new_tokens: int = NEW_TOKENS,
    threads: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> list[int]:
    """`peak_memory` of each folder, all at once: most of the time each of them imports torch, on one core."""
    options = [
        "--dtype", dtype, "--device", device, "--prompt-tokens", str(prompt_tokens), "--new-tokens", str(new_tokens),
    ]  # fmt: skip
    with ExitStack() as stack:
        answering = [stack.enter_context(_answering(folder, options, threads)) for folder in folders]
        waited = 0.0
        for one in answering:
            while one.process.poll() is None:
                if waited >= timeout_s:
                    raise MeasurementError(
                        "the memory of {folder} was not measured in {timeout_s:.0f} s",
                        folder=one.folder,
                        timeout_s=timeout_s,
                    )
                progress(0.0, say("measuring peak memory"))  # how far it is only the process knows
                try:
                    one.process.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    waited += POLL_S
        return [one.peak() for one in answering]


@dataclass(frozen=True)
class _Answering:
    """A process whose memory is measured, and the files that it writes to."""

    folder: Path | str
    process: subprocess.Popen[bytes]
    out: IO[str]
    err: IO[str]

    def peak(self) -> int:
        """What it found, once it has ended. Raises MeasurementError."""
        self.out.seek(0)
        self.err.seek(0)
        lines, said = self.out.read().split("\n"), self.err.read().strip().split("\n")
        answer = next((line for line in reversed(lines) if line.startswith("{")), None)
        if self.process.returncode != 0 or answer is None:
            reason = said[-1] or f"it ended with code {self.process.returncode}"
            raise MeasurementError(
                "the memory of {folder} could not be measured: {reason}", folder=self.folder, reason=reason
            )
        return int(json.loads(answer)["peak_rss_bytes"])


@contextmanager
def _answering(folder: Path | str, options: Sequence[str], threads: int | None) -> Iterator[_Answering]:
    """The process of `folder`, which is ended with the block."""
    command = [sys.executable, "-m", "optlab.evaluation.memory", str(folder), *options]
    # The process must find this very package, from whatever folder OptLab was started.
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    surroundings = {**os.environ, "PYTHONPATH": search, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    # Files, not pipes: a full pipe would stop the process that is being measured.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=surroundings)
        try:
            yield _Answering(folder, process, out, err)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def own_peak() -> int:
    """The largest resident memory of this process so far, in bytes."""
    try:
        for line in PROCESS_STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:  # not Linux
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run(folder: Path, dtype: str, device: str, prompt_tokens: int, new_tokens: int) -> dict[str, Any]:
    """Load, read a prompt, decode, all in this process; what `peak_memory` reports. Raises OptLabError."""
    from optlab.kernels.runtime import runtime

    source = _source(folder, dtype, device)
    model = getattr(source, "model", source)
    prompt_tokens, new_tokens = fitting(model.description.context_length, prompt_tokens, new_tokens)
    answering = runtime(source, dtype)
    answering.reset()
    # Which tokens they are makes no difference to memory.
    token = int(answering.prefill([i % min(model.description.vocabulary, 100) for i in range(prompt_tokens)]).argmax())
    for _ in range(new_tokens):
        token = int(answering.decode(token).argmax())
    return {"peak_rss_bytes": own_peak(), "path": answering.path, "prompt_tokens": prompt_tokens}


def _source(folder: Path, dtype: str, device: str) -> Any:
    from optlab.kernels import artefact
    from optlab.models.checkpoint import read_json

    notice = folder / artefact.NOTICE
    if notice.is_file() and "artefact" in read_json(notice):
        return artefact.load_artefact(folder, dtype, device, hollow=True)
    from optlab.models import load

    return load(str(folder), dtype, device)


def main() -> int:
    """The process that is measured: prints one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m optlab.evaluation.memory", description="Peak memory of one model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--prompt-tokens", type=int, default=PROMPT_TOKENS)
    parser.add_argument("--new-tokens", type=int, default=NEW_TOKENS)
    options = parser.parse_args()
    try:
        found = run(options.folder, options.dtype, options.device, options.prompt_tokens, options.new_tokens)
    except OptLabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
