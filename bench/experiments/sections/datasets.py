"""The table of the datasets in the repository."""

from collections.abc import Sequence
from pathlib import Path

from bench.experiments.sections import Line
from bench.experiments.sections.markdown import table
from imitax.datasets.d4rl import load_d4rl
from imitax.statistics import d4rl_score


def datasets_section(files: Sequence[Path], scores: Sequence[Line]) -> str:
    """Contents and origin of each dataset, and the scores of the policies behind the expert sets (`experts.jsonl`)."""
    rows, of_policies = [], {line["data_hash"]: line for line in scores}
    for file in files:
        data = load_d4rl(file)
        about = data.attributes
        steps = about["cut_steps"] if "cut_steps" in about else f"{int(about['training_steps']):,}"
        cells = [f"{data.transition_count:,}", f"{len(data.episodes):,}"]
        cells += [f"{data.returns.mean():,.0f} ± {data.returns.std():,.0f}", f"{data.returns.max():,.0f}"]
        score = d4rl_score(data.env_id, float(data.returns.mean())) if data.env_id else None
        cells += ["" if score is None else f"{score:.1f}"]
        line = of_policies.get(data.hash())
        cells += [f"{line['return_mean']:,.0f} ± {line['return_sd']:,.0f}" if line else ""]
        where = "package" if "bundled" in file.parts else "`data/`"
        rows.append([f"`{file.stem}`", where, f"`{data.hash()[:12]}`", steps, *cells])
    header = "set|in|hash begins with|steps of training|transitions|episodes|return|highest|D4RL|the policy's return"
    return table(header.split("|"), rows, left=4)
