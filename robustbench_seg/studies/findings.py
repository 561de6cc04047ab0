"""Whether a paper's finding holds: what every comparison that bears on it says, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.report.comparison import Comparison, comparison_table
from robustbench_seg.report.section import Part, Section

HOLDS, PARTLY, MIXED, UNDECIDED, FAILS = "holds", "holds in part", "mixed", "not decided", "does not hold"

RULE = (
    "A finding holds (+) where all its comparisons say so, holds in part where at least half do and none "
    "contradicts, is mixed where some agree and as many or fewer contradict, does not hold (−) where more "
    "contradict, and is else not decided."
)


@dataclass(frozen=True)
class Finding:
    """A finding of the paper, and every comparison here that bears on it; their signs say for (1) or against (-1)."""

    text: str
    comparisons: Sequence[Comparison]

    def count(self, sign: int) -> int:
        """How many comparisons have this sign."""
        return sum(comparison.sign == sign for comparison in self.comparisons)

    @property
    def verdict(self) -> str:
        """Holds where all comparisons clearly say so, in part where at least half do and none contradicts.

        Fails where more contradict than agree, is mixed where some do both, and else not decided.
        """
        agreeing, against = self.count(1), self.count(-1)
        if agreeing == len(self.comparisons) > 0:
            return HOLDS
        if against > agreeing:
            return FAILS
        if against:
            return MIXED
        return PARTLY if 2 * agreeing >= len(self.comparisons) > 0 else UNDECIDED


def findings_section(intro: Sequence[str], findings: Sequence[Finding]) -> Section:
    """One row per finding with its verdict; the comparisons of each are folded."""
    lines = [
        Line(finding.text, "", text_cells(finding.verdict, *(str(finding.count(sign)) for sign in (1, -1, 0))))
        for finding in findings
    ]
    table = Table("Findings of the paper", "finding", ("verdict", "+", "−", "0"), tuple(lines))
    folded = [
        Part(
            f"{finding.text}: the comparisons",
            tables=[comparison_table(finding.text, finding.comparisons)],
            is_open=False,
        )
        for finding in findings
    ]
    title = "Which of the paper's findings hold here"
    return Section("holds", "What holds", title, [*intro, RULE], [Part(tables=[table]), *folded])
