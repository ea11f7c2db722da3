"""A fitted estimator behind the server's interface: arrays by public name in and out, in the estimator's own words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from modelmoor_server.errors import InvalidRequest, PredictFailed, RequestError, cause_name
from modelmoor_server.runtimes.base import Engine, EnginePolicy, Independence
from modelmoor_server.runtimes.flat.answers import Shortcuts
from modelmoor_server.runtimes.sklearn.independence import independence_of
from modelmoor_server.runtimes.sklearn.inputs import inputs_of
from modelmoor_server.runtimes.sklearn.outputs import PROBABILITIES, dense, field_of, methods_of, parts_of
from modelmoor_server.runtimes.sklearn.shortcuts.proof import shortcuts_of
from modelmoor_server.runtimes.versions import load_failed
from modelmoor_server.signature import Datatype, Field, Signature, Source


def model_of(
    estimator: Any, framework: str, warnings: tuple[str, ...], engine: EnginePolicy = EnginePolicy.AUTO
) -> "SklearnModel":
    """The model around an unpickled object. Raises ModelError (LoadFailed, UnsafeArtifact)."""
    kind = type(estimator).__name__
    methods = methods_of(estimator)
    if not methods:
        what = f"The artifact holds a {kind}, which" if not hasattr(estimator, "fit_predict") else f"A {kind}"
        raise load_failed(
            f"{what} has neither predict nor transform, so it cannot answer for new rows.",
            "Save the fitted estimator or pipeline itself.",
        )
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise load_failed(
            f"The {kind} in the artifact was never fitted.", "Call fit before you save the model."
        ) from None
    except TypeError:
        pass  # no estimator by scikit-learn's definition, but it predicts
    _one_thread(estimator)
    model = SklearnModel(
        estimator,
        framework,
        inputs_of(estimator),
        ("predict" if "predict" in methods else next(iter(methods)),),
        warnings,
        methods,
        {},
        independence_of(estimator),
    )
    return _shortened(_probed(model), engine)


@dataclass(frozen=True)
class SklearnModel:
    """An estimator, its signature, and the row that it was found to answer."""

    estimator: Any
    framework: str
    signature: Signature
    default_outputs: tuple[str, ...]
    warnings: tuple[str, ...]
    methods: Mapping[str, tuple[str, int | None]]
    row: Mapping[str, np.ndarray]
    independence: Independence
    shortcuts: Shortcuts | None = None
    alternatives: Mapping[str, Signature] = field(default_factory=dict)
    format: str = "sklearn"

    @property
    def engine(self) -> Engine:
        return Engine.LIBRARY if self.shortcuts is None else Engine.NATIVE

    def predict(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Call the estimator's own methods on what it would get in process: a frame, an array, texts or dicts."""
        if self.shortcuts is not None:
            found = self.shortcuts.answers(inputs[self.signature.inputs[0].name], outputs)
            if found is not None:
                return found
        x = self.table(inputs)
        raw: dict[str, Any] = {}
        answers: dict[str, np.ndarray] = {}
        try:
            for name in outputs:
                method, index = self.methods[name]
                if method not in raw:
                    raw[method] = getattr(self.estimator, method)(x)
                answers[name] = dense(parts_of(raw[method], index))
        except RequestError:
            raise
        except Exception as error:  # noqa: BLE001 - an estimator raises whatever it likes
            raise _refused(error, self.signature, inputs) from None
        return answers

    def example(self) -> dict[str, np.ndarray]:
        if not self.row:
            raise InvalidRequest("no input can be made up for this model: it does not tell what it takes")
        return dict(self.row)

    def table(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """What the estimator would get in process: a frame, an array, texts or dicts."""
        signature = self.signature
        if signature.columns is not None:
            import pandas as pd

            return pd.DataFrame({name: inputs[name] for name in signature.columns})
        values = inputs[signature.inputs[0].name]
        return values.tolist() if signature.text or signature.records else values


def _probed(model: SklearnModel) -> SklearnModel:
    """The model with its outputs and its example, as real answers to synthetic rows show them.

    A model that refuses every row keeps the first one, so that the warm-up fails with it; where its inputs are
    unknown there is no row to blame, and none is kept.
    """
    rows = [_row(model.signature, number) for number in (1.0, 0.0, 0.5)]
    chosen = next((row for row in rows if _answers(model, row, model.default_outputs)), None)
    if chosen is not None and not _lists(model, chosen):
        model = replace(model, methods=methods_of(model.estimator, lists=False))
    answers = {name: _answer(model, chosen or rows[0], name) for name in model.methods}
    fields = tuple(
        field_of(name, method, index, answers[name], model.estimator) for name, (method, index) in model.methods.items()
    )
    known = all(field.source is not Source.UNKNOWN for field in model.signature.inputs)
    row = chosen if chosen is not None else (rows[0] if known else {})
    return replace(model, signature=replace(model.signature, outputs=fields), row=row)


def _shortened(model: SklearnModel, engine: EnginePolicy) -> SklearnModel:
    """The model with its shortcuts, where it has some and may have them. Raises ModelError (LoadFailed)."""
    fields, found = model.signature.inputs, None
    matrix = len(fields) == 1 and fields[0].datatype is Datatype.FP64 and len(fields[0].shape or ()) == 2
    if engine is not EnginePolicy.LIBRARY and matrix and model.signature.columns is None:
        found = shortcuts_of(model.estimator, (fields[0].shape or (0,))[-1])
    if engine is EnginePolicy.NATIVE and (found is None or not set(model.default_outputs) <= found.methods.keys()):
        raise load_failed(
            f"There is no native engine for this {type(model.estimator).__name__}, and no other one is allowed.",
            "Choose engine Auto: whatever is not answered natively is then answered by scikit-learn.",
        )
    return replace(model, shortcuts=found)


def _answers(model: SklearnModel, row: Mapping[str, np.ndarray], names: Sequence[str]) -> bool:
    try:
        model.predict(row, names)
    except RequestError:
        return False
    return True


def _lists(model: SklearnModel, row: Mapping[str, np.ndarray]) -> bool:
    """Whether the probabilities of several targets come as a list; true where they do not come at all."""
    split = [name for name, (_, index) in model.methods.items() if index is not None]
    if not split:
        return True
    try:
        return isinstance(getattr(model.estimator, PROBABILITIES)(model.table(row)), list)
    except Exception:  # noqa: BLE001 - an estimator raises whatever it likes
        return True


def _answer(model: SklearnModel, row: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    try:
        return model.predict(row, (name,))[name]
    except RequestError:
        return None


def _row(signature: Signature, number: float) -> dict[str, np.ndarray]:
    if signature.records:
        row = np.empty(1, dtype=object)
        row[0] = {"example": number}
        return {signature.inputs[0].name: row}
    return {field.name: _cell(field, number) for field in signature.inputs}


def _cell(field: Field, number: float) -> np.ndarray:
    shape = tuple(1 if size == -1 else size for size in (field.shape or (1,)))
    kind = field.datatype.kind if field.datatype is not None else "float"
    if field.datatype is None and field.labels:
        kind = "text"
    if kind == "text":
        return np.full(shape, field.labels[0] if field.labels else "example", dtype=object)
    if kind == "bool":
        return np.full(shape, bool(field.labels and field.labels[0] == "True"))
    value = float(field.labels[0]) if field.labels else number
    return np.full(shape, value, dtype=(field.datatype or Datatype.FP64).numpy)


def _refused(error: Exception, signature: Signature, inputs: Mapping[str, np.ndarray]) -> RequestError:
    """Whose fault an exception of the estimator is, without a word of its text: it quotes values."""
    if isinstance(error, (ValueError, TypeError)):
        for field in signature.inputs:
            array = inputs[field.name]
            if (row := _first_row(array, _not_finite)) is not None:
                return InvalidRequest.of_row(
                    f"input {field.name!r}", row, "this model takes no missing or infinite values"
                )
            if signature.records and (row := _first_row(array, _is_list)) is not None:
                return InvalidRequest.of_row(f"input {field.name!r}", row, "this model takes no lists of text")
            if (
                field.labels
                and (row := _first_row(array, lambda value, known=set(field.labels): str(value) not in known))
                is not None
            ):
                return InvalidRequest.of_row(f"input {field.name!r}", row, "this model does not know the category")
    return PredictFailed(f"the model failed on this input ({cause_name(error)})")


def _not_finite(value: Any) -> bool:
    return isinstance(value, float) and not np.isfinite(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _first_row(array: np.ndarray, wrong: Any) -> int | None:
    return next((row for row, values in enumerate(array) if any(map(wrong, _cells(values)))), None)


def _cells(values: Any) -> list[Any]:
    return list(values.values()) if isinstance(values, dict) else np.ravel(values).tolist()


def _one_thread(estimator: Any) -> None:
    """One request is answered on one thread: starting threads costs more than most answers do."""
    if hasattr(estimator, "get_params"):
        parameters = estimator.get_params(deep=True)
        jobs = {
            name: 1 for name, value in parameters.items() if name.rpartition("__")[2] == "n_jobs" and value is not None
        }
        if jobs:
            estimator.set_params(**jobs)
