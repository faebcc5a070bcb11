"""Reading what /metrics says."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Scrape:
    """The samples of one answer, by name and labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    types: dict[str, str]

    def value(self, name: str, **labels: str) -> float:
        """The sum over all series with these labels; KeyError when there is none."""
        wanted = set(labels.items())
        found = [v for (n, has), v in self.samples.items() if n == name and wanted <= has]
        if not found:
            raise KeyError(f"{name} {labels}")
        return sum(found)

    def by(self, label: str, name: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for (sample, labels), value in self.samples.items():
            if sample == name:
                key = dict(labels)[label]
                found[key] = found.get(key, 0) + value
        return found


def read(text: str) -> Scrape:
    samples, types = {}, {}
    for family in text_string_to_metric_families(text):
        types[family.name + ("_total" if family.type == "counter" else "")] = family.type
        for sample in family.samples:
            samples[sample.name, frozenset(sample.labels.items())] = sample.value
    return Scrape(samples, types)
