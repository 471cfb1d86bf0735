"""Callbacks: objects with Keras' hooks, which are called while a model trains, is evaluated or predicts."""

from .callback import Callback
from .early_stopping import EarlyStopping
from .history import History
from .lambda_callback import LambdaCallback
from .reduce_lr_on_plateau import ReduceLROnPlateau

__all__ = ["Callback", "EarlyStopping", "History", "LambdaCallback", "ReduceLROnPlateau"]
