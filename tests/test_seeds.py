"""The code blocks of the project's seed documents, one test a block, in the form in which the documents show them.

`torch` is read as `rustorch`; where a document has a slip, the corrected line stands and a comment tells.
"""

# ruff: noqa: UP008

import random
from collections import OrderedDict

import pytest

import rustorch as torch
import rustorch.nn as nn
import rustorch.nn.functional as F


def test_b0_1_variable_backward_grad():
    from rustorch.autograd import Variable

    X = torch.ones(1) * 10
    X = Variable(X, requires_grad=True)

    # Y = 5*X
    # dy/dx = 5
    y = (5 * X).sum()

    # back propogate to compute gradients of all variables w.r.t y
    y.backward()  # the document writes `y = backward()`

    # Get the gradient
    assert X.grad.tolist() == [5]
    assert type(X) is torch.Tensor and X.is_leaf and X.data.tolist() == [10]


class OneHiddenLayer(nn.Module):
    def __init__(self, n_x, n_hidden, n_out):
        super().__init__()
        self.fc1 = nn.Linear(n_x, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        z = self.fc1(x)
        z = self.fc2(z)
        return z


class OneHiddenLayerWithReLU(OneHiddenLayer):
    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


def test_b0_2_one_hidden_layer():
    net = OneHiddenLayer(2, 32, 3)
    output = net(torch.randn(7, 2))
    assert output.shape == (7, 3)
    assert [tuple(p.shape) for p in net.parameters()] == [(32, 2), (32,), (3, 32), (3,)]
    activated = OneHiddenLayerWithReLU(2, 32, 3)
    F.cross_entropy(activated(torch.randn(7, 2)), torch.zeros(7, dtype=torch.long)).backward()
    # "gradients and weights are stored together": each layer's gradient can be read during training
    assert all(p.grad.shape == p.shape for name, p in activated.named_parameters())


def test_b0_3_loop_over_a_dataloader():
    from rustorch.utils.data import DataLoader, TensorDataset

    dataloader = DataLoader(TensorDataset(torch.arange(10.0).view(10, 1), torch.arange(10)), batch_size=4)
    batches = []
    # Use DataLoader in training looop - one epoch
    for batch_idx, (X, y) in enumerate(dataloader):
        # Train the batch
        batches.append((batch_idx, X.view(-1).tolist(), y.tolist()))
    assert batches == [
        (0, [0, 1, 2, 3], [0, 1, 2, 3]),
        (1, [4, 5, 6, 7], [4, 5, 6, 7]),
        (2, [8, 9], [8, 9]),
    ]


def test_b0_5_import_forms():
    namespace = {}
    exec("import rustorch as torch\nimport rustorch.nn as nn\nfrom rustorch import nn, optim", namespace)
    assert namespace["torch"] is torch and namespace["nn"] is nn
    exec("import rustorch.utils.data as td\nimport rustorch.autograd\nimport rustorch.nn.functional as F", namespace)
    assert namespace["td"].DataLoader and namespace["optim"].SGD and torch.autograd.Variable


class ConvNet(nn.Module):
    def __init__(self):
        super(ConvNet, self).__init__()

        # One input channel (from grayscale image, for instance)
        # Six output channels
        # 3x3 square convolution kernel
        self.conv1 = nn.Conv2d(1, 6, 3)

        # Six input channels (from activations of previous layer)
        # Sixteen output channels
        # 3x3 square convolution kernel
        self.conv2 = nn.Conv2d(6, 16, 3)

        # Affine operation: y = Wx + b
        # 6*6 from image dimension
        self.fc1 = nn.Linear(16 * 6 * 6, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        # Max pooling over a (2, 2) window
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))

        # If the size is a square you can only specify a single number
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x

    def num_flat_features(self, x):
        # All dimensions except the batch dimension (almost always dimension 0)
        size = x.size()[1:]
        num_features = 1
        for s in size:
            num_features *= s
        return num_features


def test_b1_2_convolutional_network():
    torch.manual_seed(0)
    net = ConvNet()
    criterion = nn.MSELoss()

    # Create your optimizer - in this case, stochastic gradient descent
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    # Dummy input and output
    input = torch.randn(1, 1, 32, 32)
    target = torch.randn(10)

    assert len(list(net.parameters())) == 10
    assert optimizer.param_groups[0]["lr"] == 0.01
    assert net(input).shape == (1, 10) and criterion(net(input)[0], target).dim() == 0


def test_b1_3_one_training_step():
    torch.manual_seed(0)
    net, criterion = ConvNet(), nn.MSELoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    input, target = torch.randn(1, 1, 32, 32), torch.randn(10)
    losses = []
    for _ in range(5):
        # Zero-out the gradient each time
        optimizer.zero_grad()

        # Pass input through model and ensure target is same shape as output
        output = net(input)
        target = target.view(output.shape[0], output.shape[1])

        # Compute Loss
        loss = criterion(output, target)

        # Backpropagate and update model's parameters
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_b2_2_tensors_in_place_numpy():
    np = pytest.importorskip("numpy")
    torch.manual_seed(7)

    # Create some tensors
    # Torch can take tuples for shapes, numpy doesn't
    x = torch.randn((5, 1))  # 5 rows, 1 cols
    b = torch.ones((1, 1))
    w1 = torch.randn_like(x)  # rand with same shape as x
    w2 = torch.randn(x.size())  # the document writes `torch.randn_like(x.size())`
    with pytest.raises(TypeError):
        torch.randn_like(x.size())
    assert w2.shape == (5, 1)

    # Expected operations are possible, as in numpy
    z = torch.sum(w1 * x) + b
    a = 1 / (1 + torch.exp(-z))  # sigmoid activation
    assert torch.allclose(a, torch.sigmoid(z))

    # Dot and matrix multiplications: matmul
    # But size must conincide: change with either
    # `view` (just a view), reshape, resize_
    # prefer .view() if the new shape is only for the current operation
    z_product = torch.matmul(w1.view(1, 5), x) + b
    assert torch.allclose(z, z_product)

    # More operations
    x = torch.rand((3, 2))
    y = torch.ones(x.size())
    z = x + y
    # First row
    assert z[0].shape == (2,)
    # Slicing works as usual
    assert z[:, 1:].shape == (3, 1)
    # Methods return new object
    z_new = z.add(1)  # z + 1, elementwise
    # Except when followed by _ == inplace
    z.add_(1)  # z+1 elementwise, inplace
    assert torch.equal(z, z_new)
    z.mul_(2)  # z*2 elementwise, inplace
    assert torch.equal(z, z_new * 2)

    # Transform torch <-> numpy
    torch.set_printoptions(precision=8)
    try:
        assert repr(torch.tensor([1 / 3])) == "tensor([0.33333334])"
    finally:
        torch.set_printoptions(profile="default")
    a = np.random.rand(4, 3)  # Note: no tuple passed...
    b = torch.from_numpy(a)
    assert b.dtype is torch.float64
    # BUT: memory is shared between numpy a and pytorch b:
    # changing one affects the other!
    b.mul_(0)
    assert a.sum() == 0


def test_b2_3_forward_pass_by_hand():
    def activation(x):
        return 1 / (1 + torch.exp(-x))

    torch.manual_seed(7)

    # Features are 3 random normal variables
    features = torch.randn((1, 3))

    # Define the size of each layer in our network
    n_input = features.shape[1]  # Number of input units, must match number of input features
    n_hidden = 2  # Number of hidden units
    n_output = 1  # Number of output units

    # Weights for inputs to hidden layer
    W1 = torch.randn(n_input, n_hidden)
    # Weights for hidden layer to output layer
    W2 = torch.randn(n_hidden, n_output)

    # Bias terms for hidden and output layers
    B1 = torch.randn((1, n_hidden))
    B2 = torch.randn((1, n_output))

    # Forward pass
    z_1 = torch.matmul(features, W1)  # (1,3)x(3,2) = (1,2)
    z_1 += B1
    a_1 = activation(z_1)
    z_2 = torch.matmul(a_1, W2)  # (1,2)x(2,1) = (1,1)
    z_2 += B2
    a_2 = activation(z_2)  # output: h

    # the course's notebook prints tensor([[ 0.3171]])
    assert a_2.shape == (1, 1) and round(a_2.item(), 4) == 0.3171


def test_b2_4_network_repr_weights_and_sequential():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(784, 128)
            self.fc2 = nn.Linear(128, 64)
            self.fc3 = nn.Linear(64, 10)

        def forward(self, x):
            x = F.relu(self.fc1(x))
            x = F.relu(self.fc2(x))
            return F.softmax(self.fc3(x), dim=1)

    model = Network()
    assert repr(model) == (
        "Network(\n"
        "  (fc1): Linear(in_features=784, out_features=128, bias=True)\n"
        "  (fc2): Linear(in_features=128, out_features=64, bias=True)\n"
        "  (fc3): Linear(in_features=64, out_features=10, bias=True)\n"
        ")"
    )
    assert repr(model.fc1.weight).startswith("Parameter containing:\ntensor([[")
    assert repr(model.fc1.weight).endswith("requires_grad=True)")
    # Set biases to all zeros
    model.fc1.bias.data.fill_(0)
    # Sample from random normal with standard dev = 0.01
    model.fc1.weight.data.normal_(std=0.01)
    assert model.fc1.bias.eq(0).all() and abs(model.fc1.weight.std().item() - 0.01) < 0.001

    images = torch.rand(64, 1, 28, 28)
    images.resize_(images.shape[0], 1, 784)
    ps = model.forward(images[0, :])
    assert ps.shape == (1, 10) and abs(ps.sum().item() - 1) < 1e-5

    model = nn.Sequential(
        OrderedDict(
            [
                ("fc1", nn.Linear(784, 128)),
                ("relu1", nn.ReLU()),
                ("output", nn.Linear(128, 10)),
                ("softmax", nn.Softmax(dim=1)),
            ]
        )
    )
    assert repr(model.fc1) == "Linear(in_features=784, out_features=128, bias=True)"
    assert repr(model).splitlines()[2:5] == [
        "  (relu1): ReLU()",
        "  (output): Linear(in_features=128, out_features=10, bias=True)",
        "  (softmax): Softmax(dim=1)",
    ]


def test_b2_5_requires_grad_and_modes():
    # Set the gradient computation of `x` explicitly to false
    # at creation
    x = torch.zeros(1, requires_grad=False)
    # Set the gradient computation of `x` to True
    x.requires_grad_(True)
    # De-activate gradient in context
    with torch.no_grad():
        y = x * 2
    assert not y.requires_grad
    # De/Activate gradient computation globally
    torch.set_grad_enabled(True)
    # Compute and get gradient
    z = x**2
    z.backward()
    assert x.grad.tolist() == [0]  # note we get the gradient of x!


class Power(nn.Module):
    def __init__(self, exponent):
        super().__init__()
        self.exponent = exponent

    def forward(self, input):
        return input**self.exponent


def test_b3_1_power_module():
    module = Power(2)
    assert list(module.parameters()) == [] and module.exponent == 2
    assert repr(module) == "Power()"


def test_b3_2_cube():
    cube = Power(3)

    inp = torch.randn(100)
    output = cube(inp)
    assert torch.allclose(output, inp * inp * inp)


def test_b3_4_training_loop():
    from rustorch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    images, labels = torch.randn(32, 1, 4, 4), torch.arange(32) % 2
    image_data_loader = DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True)
    loss_fn = nn.CrossEntropyLoss()
    everything = images, labels
    first = loss_fn(net(images), labels).item()

    optimizer = torch.optim.SGD(net.parameters())
    for _ in range(10):
        for images, labels in image_data_loader:
            outputs = net(images)
            loss = loss_fn(outputs, labels)

            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 1e-3
    assert loss_fn(net(everything[0]), everything[1]).item() < first


def test_b3_5_random_depth_with_shared_weights():
    class RandomDepth(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 8)
            self.middle = nn.Linear(8, 8)
            self.last = nn.Linear(8, 1)

        def forward(self, x):
            x = F.relu(self.first(x))
            self.depth = random.randint(1, 4)
            for _ in range(self.depth):
                x = F.relu(self.middle(x))
            return self.last(x)

    random.seed(0)
    torch.manual_seed(0)
    net = RandomDepth()
    assert len(list(net.parameters())) == 6
    depths = set()
    for _ in range(12):
        net.zero_grad()
        loss = net(torch.randn(5, 4)).pow(2).mean()
        loss.backward()
        depths.add(net.depth)
        assert net.middle.weight.grad.shape == (8, 8)
    assert depths == {1, 2, 3, 4}


def test_b4_10_dtype_in_constructors():
    double_points = torch.ones(10, 2, dtype=torch.double)
    short_points = torch.tensor([[1, 2], [3, 4]], dtype=torch.short)
    assert double_points.dtype is torch.float64 and short_points.dtype is torch.int16
    for alias, dtype in (
        (torch.float, torch.float32),
        (torch.double, torch.float64),
        (torch.half, torch.float16),
        (torch.short, torch.int16),
        (torch.int, torch.int32),
        (torch.long, torch.int64),
    ):
        assert alias is dtype
    assert torch.tensor([1.0]).dtype is torch.float and torch.tensor([2, 2]).dtype is torch.int64
    assert (torch.tensor([0.5, 1.5]) > 1.0).dtype is torch.bool


def test_b4_11_dtype_attribute_and_casts():
    short_points = torch.tensor([[1, 2], [3, 4]], dtype=torch.short)
    assert short_points.dtype is torch.short
    double_points = torch.zeros(10, 2).double()
    assert double_points.dtype is torch.double
    double_points = torch.zeros(10, 2).to(torch.double)
    assert double_points.dtype is torch.double
    assert (double_points[:2] + short_points).dtype is torch.double


def test_b4_12_functions_and_methods():
    a = torch.ones(3, 2)
    a_t = torch.transpose(a, 0, 1)

    b = torch.ones(3, 2)
    b_t = b.transpose(0, 1)
    assert a_t.shape == b_t.shape == (2, 3)


def test_b4_13_zero_in_place():
    a = torch.ones(3, 2)
    a.zero_()  # zeros out the tensor
    assert a.eq(0).all()


def test_b4_14_views_assignment_and_clone():
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    second_point = points[1]
    third_point = points[2].clone()  # Use clone to create new storage and tensor to avoid this
    second_point[0] = 10.0  # Changes points
    third_point[0] = 20.0
    assert points.tolist() == [[4, 1], [10, 3], [2, 1]]
    assert (second_point.storage_offset(), second_point.size(), second_point.stride()) == (2, torch.Size([2]), (1,))


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_b4_15_transposing_without_copying():
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    points_t = points.t()  # transpose
    # A plain statement: pytest rewrites those it sees, and keeps the first storage alive.
    exec("assert(id(points.storage()) == id(points_t.storage()))")  # have the same storage
    assert points.storage().data_ptr() == points_t.storage().data_ptr()
    assert points.stride() == (2, 1)
    assert points_t.stride() == (1, 2)


def test_b4_16_transposing_in_higher_dimensions():
    some_t = torch.ones(3, 4, 5)
    transpose_t = some_t.transpose(0, 2)
    assert transpose_t.shape == (5, 4, 3)
    assert some_t.stride() == (20, 5, 1) and transpose_t.stride() == (1, 5, 20)


def test_b4_17_contiguous():
    points = torch.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    points_t = points.t()
    assert points.is_contiguous() and not points_t.is_contiguous()
    points_t_cont = points_t.contiguous()
    assert points_t_cont.stride() == (3, 1) and points_t_cont.tolist() == [[4, 5, 2], [1, 3, 1]]
    assert points_t_cont.contiguous().data_ptr() == points_t_cont.data_ptr()
