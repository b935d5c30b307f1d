"""`surefoot export`: a scorer as a plain checkpoint for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from surefoot.cli.loading import Loading, load_model
from surefoot.cli.say import Common, note, print_json, waiting
from surefoot.errors import UsageError


def export(
    model: str,
    /,
    *,
    out: Annotated[Path, Parameter(alias="-o")],
    to: Literal["token-classification"] = "token-classification",
    loading: Loading = Loading(),  # noqa: B008 - frozen
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Write a reward model as a plain checkpoint, which vLLM and others serve.

    The probabilities are the same; where in a text they stand is in contract.json, which goes
    along. A model whose head is not one linear layer is refused.

    Args:
        model: A folder or hub id; an adapter is put into its base.
        out: Folder of the plain checkpoint.
        to: transformers' class of it: AutoModelForTokenClassification.
    """
    if Path(model).resolve() == out.resolve():
        raise UsageError(f"--out {out} is the folder of the model; name another")
    from surefoot.models.export import export_plain

    with waiting(f"writing {out}"):
        exported = export_plain(load_model(model, loading), out)
    if common.json:
        print_json(
            {"out": str(out), "to": to, "classes": exported.classes, "notes": exported.notes}
        )
        return
    note(f"{out}: a plain token classifier of {', '.join(exported.classes)}")
    for one in exported.notes:
        note(f"note: {one}")
