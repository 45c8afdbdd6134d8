"""``infomax report``."""

from dataclasses import dataclass

from infomax.cli.shared import run_folder


@dataclass(frozen=True)
class Report:
    """Write a run's page, report.html."""

    run: str = run_folder()

    def __call__(self) -> dict[str, str]:
        """Return where the page is."""
        from infomax.report import write_report

        return {"report": str(write_report(self.run))}
