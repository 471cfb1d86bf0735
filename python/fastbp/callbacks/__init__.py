"""Callbacks: what is called while a model trains, with Keras' hooks."""

from .callback import Callback
from .early_stopping import EarlyStopping
from .history import History
from .lambda_callback import LambdaCallback
from .reduce_lr_on_plateau import ReduceLROnPlateau

__all__ = ["Callback", "EarlyStopping", "History", "LambdaCallback", "ReduceLROnPlateau"]
