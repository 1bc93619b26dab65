"""An output of one number for each class, and what these numbers may be."""

from typing import Any, NamedTuple

from corallite.device.model.refusal import Refusal
from corallite.device.model.tensors import fields

# What the numbers of an output are. Probabilities sum to 1 (a single one is that of the
# second of two labels); logits become so by a softmax.
PROBABILITIES = "probabilities"
LOGITS = "logits"
# Each label has its own probability, or the logit of one; any number may be high.
MULTILABEL = "multilabel"
MULTILABEL_LOGITS = "multilabel_logits"
# The features of a network without a head: no labels, see `learn`.
FEATURES = "features"


class ClassesOutput(NamedTuple):
    """An output of one number for each class.

    Attributes:
        labels: The name of each class, in order.
        values: What the numbers are, such as `PROBABILITIES`; "" if unknown.
        name: What other tools show.
        refusal: When the label of a result is "unknown"; None: never.
    """

    labels: tuple[str, ...]
    values: str = PROBABILITIES
    name: str = "probability"
    refusal: Refusal | None = None

    @property
    def is_multilabel(self) -> bool:
        """Whether an image may have any number of labels, and not just one."""
        return self.values in (MULTILABEL, MULTILABEL_LOGITS)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ClassesOutput":
        """Creates an object from the dict of `to_json`."""
        content = {**cls._field_defaults, **content}
        found = cls(
            fields.labels(content),
            fields.text(content, "values"),
            fields.text(content, "name"),
        )
        if content["refusal"] is None:
            return found
        refusal = Refusal.from_json(content["refusal"])
        if found.is_multilabel:
            raise ValueError("it is multi-label, and so has no refusal")
        if len(refusal.thresholds) > len(found.labels):
            raise ValueError("it has more thresholds than labels")
        return found._replace(refusal=refusal)

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON; the reverse of `from_json`."""
        refusal = self.refusal and self.refusal.to_json()
        return {"kind": "classes", **self._asdict(), "refusal": refusal}
