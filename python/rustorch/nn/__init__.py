"""`torch.nn`: modules, parameters, layers, losses, and the functions behind them."""

from rustorch.nn import functional, init, modules, utils
from rustorch.nn.modules import *
from rustorch.nn.modules import __all__ as _layers
from rustorch.nn.not_built import not_built
from rustorch.nn.parallel import DataParallel
from rustorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "utils",
    *_layers,
]

__getattr__ = not_built(
    __name__,
    [
        "AdaptiveLogSoftmaxWithLoss",
        "CrossMapLRN2d",
        "EmbeddingBag",
        "FractionalMaxPool2d",
        "FractionalMaxPool3d",
        "GRU",
        "GRUCell",
        "LSTM",
        "LSTMCell",
        "LinearCrossEntropyOptions",
        "MultiheadAttention",
        "RNN",
        "RNNBase",
        "RNNCell",
        "RNNCellBase",
        "Transformer",
        "TransformerDecoder",
        "TransformerDecoderLayer",
        "TransformerEncoder",
        "TransformerEncoderLayer",
        "attention",
        "grad",
        "intrinsic",
        "qat",
        "quantizable",
        "quantized",
    ],
)
