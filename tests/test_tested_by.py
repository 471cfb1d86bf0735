"""Every module of the package has a test file of its name, or the table says which tests are its own.

The table was checked with coverage.py: together, the tests of an entry run at least nine tenths of the lines that any
test runs within the module's functions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "python" / "fastbp"
OWN = {path.stem.removeprefix("test_") for path in TESTS.rglob("test_*.py")}

TESTED_BY: dict[str, list[str]] = {
    "__init__.py": ["test_packages.py", "test_docstrings.py"],
    "__main__.py": ["test_cli.py"],
    "_pickled.py": ["api/test_pickling.py"],
    "_shared/trained_weight.py": ["api/test_trainer.py", "parity/test_updates.py"],
    "_shared/change_stamp.py": ["api/test_repeated_calls.py", "api/test_trainable.py"],
    "_shared/config.py": ["test_cli.py", "test_threads.py", "test_docstrings.py"],
    "_shared/memory.py": ["api/test_memory_limit.py"],
    "_shared/hashing.py": ["test_digits.py", "test_docstrings.py"],
    "activations.py": ["api/test_expression.py", "api/test_layers.py", "parity/test_door.py"],
    "callbacks/callback.py": ["api/test_callbacks.py", "api/test_errors.py"],
    "callbacks/callback_list.py": ["api/test_callbacks.py", "api/test_errors.py"],
    "callbacks/early_stopping.py": ["api/test_callbacks.py"],
    "callbacks/history.py": ["api/test_callbacks.py", "api/test_pickling.py"],
    "callbacks/lambda_callback.py": ["api/test_callbacks.py"],
    "callbacks/monitor.py": ["api/test_monitors.py", "api/test_callbacks.py"],
    "callbacks/reduce_lr_on_plateau.py": ["api/test_schedules.py"],
    "cli/main.py": ["test_cli.py"],
    "cli/train_examples.py": ["test_digits.py", "test_cli.py"],
    "constraints.py": ["api/test_regularization.py"],
    "expressions/builder.py": ["api/test_expression.py"],
    "expressions/functions.py": ["api/test_expression.py"],
    "expressions/gradients.py": ["api/test_gradients_door.py"],
    "expressions/parameter.py": ["api/test_pickling.py", "api/test_expression.py", "api/test_rounding.py"],
    "expressions/reductions.py": ["api/test_expression.py"],
    "expressions/shape_rules.py": ["api/test_expression.py", "api/test_draw.py"],
    "initializers.py": ["api/test_layers.py"],
    "inspection/convexity_rules.py": ["api/test_curvature.py"],
    "inspection/drawing.py": ["api/test_draw.py"],
    "layers/activation.py": ["api/test_layers.py"],
    "layers/dense.py": ["api/test_layers.py", "api/test_model.py"],
    "layers/flatten.py": ["api/test_layers.py"],
    "layers/input.py": ["api/test_custom_layers.py", "api/test_nesting.py"],
    "layers/layer.py": ["api/test_custom_layers.py", "api/test_layers.py"],
    "layers/normalization.py": ["api/test_normalization.py"],
    "layers/rescaling.py": ["api/test_layers.py", "api/test_inputs.py"],
    "lowering/arrays.py": ["api/test_inputs.py", "api/test_data.py"],
    "lowering/backends.py": ["api/test_errors.py", "api/test_expression.py"],
    "lowering/function.py": ["api/test_expression.py", "api/test_repeated_calls.py", "api/test_gradients_door.py"],
    "lowering/layer_names.py": ["api/test_layers.py", "api/test_nesting.py"],
    "lowering/lowering.py": ["api/test_gradients_door.py", "api/test_nesting.py", "api/test_trainable.py"],
    "lowering/parameter_store.py": ["api/test_sharing.py"],
    "losses/of_probabilities.py": ["api/test_losses.py"],
    "losses/of_numbers.py": ["api/test_losses.py"],
    "losses/deviances.py": ["api/test_losses.py", "api/test_domains.py"],
    "losses/margins.py": ["api/test_losses.py", "api/test_domains.py"],
    "losses/robust.py": ["api/test_losses.py"],
    "losses/targets.py": ["api/test_losses.py", "api/test_domains.py"],
    "models/compile_arguments.py": ["api/test_outputs.py", "api/test_row_weights.py"],
    "models/training_data.py": ["api/test_outputs.py", "api/test_row_weights.py"],
    "training/data.py": ["api/test_row_weights.py"],
    "training/figures.py": ["api/test_row_weights.py", "api/test_outputs.py"],
    "metrics/accuracies.py": ["api/test_metrics.py"],
    "metrics/auc.py": ["api/test_array_metrics.py"],
    "metrics/curves.py": ["api/test_array_metrics.py"],
    "metrics/decisions.py": ["api/test_array_metrics.py"],
    "metrics/goodness_of_fit.py": ["api/test_array_metrics.py"],
    "metrics/named.py": ["api/test_metrics.py", "api/test_metrics_in_training.py"],
    "training/array_metrics.py": ["api/test_metrics_in_training.py"],
    "metrics/metric.py": ["api/test_array_metrics.py"],
    "metrics/probabilities.py": ["api/test_array_metrics.py"],
    "metrics/ranking.py": ["api/test_array_metrics.py"],
    "metrics/rows.py": ["api/test_array_metrics.py"],
    "minimization.py": ["api/test_minimize.py"],
    "training/composed_metrics.py": ["api/test_metrics.py"],
    "training/evaluation.py": ["api/test_metrics.py", "api/test_optimizers.py"],
    "training/backpropagation.py": ["api/test_backpropagate.py"],
    "models/compiled.py": ["api/test_model.py", "api/test_repeated_calls.py", "api/test_optimizers.py"],
    "training/fit.py": ["api/test_callbacks.py", "api/test_validation_split.py"],
    "models/prediction_graph.py": ["api/test_model.py", "api/test_dropout.py"],
    "training/training_graph.py": ["api/test_model.py", "api/test_regularization.py"],
    "training/trained_graph.py": ["api/test_model.py", "api/test_trainable.py"],
    "training/session.py": ["api/test_repeated_calls.py", "api/test_trainable.py", "api/test_pickling.py"],
    "training/goal.py": ["api/test_model.py", "api/test_pickling.py"],
    "models/network.py": ["api/test_nesting.py", "api/test_model.py"],
    "models/predictor.py": ["api/test_model.py", "api/test_dropout.py", "api/test_callbacks.py"],
    "training/progress.py": ["api/test_callbacks.py", "test_terminal.py"],
    "models/sequential.py": ["api/test_nesting.py", "api/test_model.py"],
    "training/splits.py": ["api/test_validation_split.py"],
    "models/summary.py": ["api/test_model.py"],
    "optimizers/adagrad.py": ["api/test_optimizers.py"],
    "optimizers/adam.py": ["api/test_optimizers.py"],
    "optimizers/lion.py": ["api/test_optimizers.py"],
    "optimizers/optimizer.py": ["api/test_optimizers.py", "api/test_schedules.py"],
    "training/optimizer_state.py": ["api/test_optimizers.py", "api/test_pickling.py"],
    "optimizers/rmsprop.py": ["api/test_optimizers.py"],
    "optimizers/sgd.py": ["api/test_optimizers.py"],
    "reference/arithmetic.py": ["api/test_rounding.py", "api/test_errors.py"],
    "reference/coefficients.py": ["parity/test_functions.py"],
    "reference/elementwise.py": ["parity/test_kernels.py", "parity/test_plan.py"],
    "reference/evaluate.py": ["parity/test_plan.py", "gradients/test_gradients.py"],
    "reference/fma.py": ["parity/test_gemm.py"],
    "reference/functions_float32.py": ["parity/test_functions.py"],
    "reference/memory.py": ["api/test_memory_limit.py"],
    "reference/node.py": ["api/test_graph.py"],
    "reference/operations.py": ["api/test_graph.py"],
    "reference/optimizer.py": ["parity/test_updates.py", "api/test_optimizers.py"],
    "reference/parameters.py": ["api/test_trainer.py", "api/test_rounding.py"],
    "reference/random.py": ["parity/test_kernels.py"],
    "reference/reduce.py": ["parity/test_kernels.py", "parity/test_plan.py"],
    "reference/shapes.py": ["api/test_graph.py"],
    "reference/train.py": ["api/test_trainer.py"],
    "reference/update.py": ["parity/test_updates.py"],
    "reference/turn.py": ["api/test_turns.py", "api/test_interrupt.py", "api/test_fork.py"],
    "regularizers.py": ["api/test_regularization.py"],
}

MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


def needs_tests(name: str) -> bool:
    """A package's __init__ only gathers names, and test_packages.py looks at those; the package's own is listed."""
    return not name.endswith("/__init__.py") and name != "schedules.py"


@pytest.mark.parametrize("name", [name for name in MODULES if needs_tests(name)])
def test_every_module_has_tests(name: str) -> None:
    own = MODULES[name].stem in OWN
    listed = TESTED_BY.get(name, [])
    assert own or listed, f"write tests/…/test_{MODULES[name].stem}.py, or say in TESTED_BY where {name} is tested"


@pytest.mark.parametrize("name", TESTED_BY)
def test_the_table_is_no_longer_than_it_needs_to_be(name: str) -> None:
    assert name in MODULES
    assert [test for test in TESTED_BY[name] if not (TESTS / test).is_file()] == []
