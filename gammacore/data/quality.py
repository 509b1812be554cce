"""What a loader found in its files: counts with an example, and their rendering."""

from dataclasses import dataclass

from rich.table import Table

__all__ = ["Finding", "Quality", "quality_table"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Outcome of one check.

    Attributes
    ----------
    check : str
        What was looked for.
    count : int
        How often it was found; zero means checked and clean.
    total : int
        Out of how many.
    example : str
        The first case, or an empty text.
    """

    check: str
    count: int
    total: int
    example: str = ""

    @property
    def share(self) -> float:
        """Found cases as a fraction of the total, 0 when there was nothing to check."""
        return self.count / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Quality:
    """All findings of one load, in the order of the checks.

    Attributes
    ----------
    title : str
        What was loaded.
    findings : tuple of Finding
    """

    title: str
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Findings that counted something."""
        return tuple(finding for finding in self.findings if finding.count)

    def count(self, check: str) -> int:
        """How often a check found something.

        Raises
        ------
        KeyError
            If there is no such check.
        """
        for finding in self.findings:
            if finding.check == check:
                return finding.count
        raise KeyError(f"no check {check!r}; there are {[f.check for f in self.findings]}")


def quality_table(quality: Quality) -> Table:
    """Render findings as a rich table: check, count, share of the total and an example."""
    table = Table(title=quality.title)
    table.add_column("check")
    table.add_column("count", justify="right")
    table.add_column("share", justify="right")
    table.add_column("example", overflow="fold")
    for finding in quality.findings:
        style = "yellow" if finding.count else "dim"
        share = f"{finding.share:.3%}" if finding.count else ""
        table.add_row(finding.check, f"{finding.count:,}", share, finding.example, style=style)
    return table
