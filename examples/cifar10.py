"""Trains a convolutional network on CIFAR-10, streamed as JPEG out of a tar: decoded, moved and mirrored natively.

    python examples/cifar10.py --tar cifar10-jpeg.tar.gz
    python examples/cifar10.py --epochs 6 --seed 1

The tar holds train/CLASS/NUMBER.jpg and test/CLASS/NUMBER.jpg. The training stream is shuffled anew in every epoch; the
test images are looked at after each epoch, and choose nothing. Three epochs, about two minutes on two cores, recognise
73.6 % of them. Everything lands in --out: curves.png, result.json.
"""

import argparse
import json
import pathlib
import time

import rustorch as torch
from rustorch import data, nn

TAR = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10" / "cifar10-jpeg.tar.gz"
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training images' red, green and blue
CLASSES = 10
WARM_UP = 0.2  # the part of the run in which the learning rate rises; then it falls to nothing
SMOOTHING = 0.95  # of the loss in the curve


class ColourNet(nn.Module):
    """Three convolutions and a linear layer: images (N, 3, 32, 32) in, scores (N, classes) out."""

    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(128),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(128 * 4 * 4, classes))

    def forward(self, images):
        return self.classifier(self.features(images))


def part_of(tar, part):
    """The images of one part of the tar, (3, 32, 32) as they were stored, with the numbers of their classes."""
    return data.tar(tar, prefix=f"{part}/").decode(32)


def ready(pipeline):
    """Floats with mean 0 and deviation 1."""
    return pipeline.scale(1 / 255).normalize(MEAN, DEVIATION)


def learning_rate(highest, step, steps):
    """Up in a straight line, then down to nothing."""
    done = (step + 1) / steps
    return highest * min(done / WARM_UP, (1 - done) / (1 - WARM_UP))


def train_epoch(model, optimizer, loader, rates, bar, losses):
    """One pass over the training images; the accuracy over the pass. `losses` grows by one smoothed value a batch."""
    model.train()
    criterion = nn.CrossEntropyLoss()
    seen, correct = 0, 0
    for (images, labels), rate in zip(loader, rates, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        scores = model(images)
        loss = criterion(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(labels)
        correct += (scores.argmax(1) == labels).sum().item()
        before = losses[-1] if losses else loss.item()
        losses.append(SMOOTHING * before + (1 - SMOOTHING) * loss.item())
        bar.update()
        bar.set_postfix(loss=f"{losses[-1]:.3f}", accuracy=f"{correct / seen:.3f}", refresh=False)
    return correct / seen


@torch.no_grad()
def evaluate(model, loader):
    """The part of the images whose class is found."""
    model.eval()
    seen, correct = 0, 0
    for images, labels in loader:
        seen += len(labels)
        correct += (model(images).argmax(1) == labels).sum().item()
    return correct / seen


def draw_curves(path, losses, history):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.plot(losses)
    left.set(title="training loss (smoothed)", xlabel="batch")
    epochs = range(1, len(history) + 1)
    right.plot(epochs, [training for training, _ in history], marker="o", label="training (moved, mirrored)")
    right.plot(epochs, [test for _, test in history], marker="o", label="test")
    right.set(title="accuracy", xlabel="epoch", xticks=list(epochs))
    right.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tar", type=pathlib.Path, default=TAR, help="the images, gzipped or not")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1, help="the highest learning rate")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order, moves and mirrors")
    parser.add_argument("--threads", type=int, default=2, help="threads that decode, beside the training")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/cifar10"))
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if not arguments.tar.exists():
        print(f"Skipped: {arguments.tar} is not there. --tar names a tar of train/CLASS/*.jpg and test/CLASS/*.jpg.")
        return
    from tqdm import tqdm

    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    images = ready(part_of(arguments.tar, "train").augment("crop", "flip")).shuffle(seed=arguments.seed)
    training = images.batch(arguments.batch_size, workers=arguments.threads)
    test = ready(part_of(arguments.tar, "test")).batch(500, workers=arguments.threads)
    model = ColourNet(CLASSES)
    optimizer = torch.optim.SGD(model.parameters(), lr=arguments.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)

    losses, history, train_seconds = [], [], 0.0
    steps = arguments.epochs * len(training)
    with tqdm(total=steps, desc="training", unit="batch", mininterval=0.5) as bar:
        for epoch in range(arguments.epochs):
            bar.set_description(f"epoch {epoch + 1}/{arguments.epochs}", refresh=False)
            rates = [learning_rate(arguments.lr, len(losses) + step, steps) for step in range(len(training))]
            started = time.perf_counter()
            accuracy = train_epoch(model, optimizer, training, rates, bar, losses)
            train_seconds += time.perf_counter() - started
            bar.write(f"bottleneck: {training.bottleneck()}")
            history.append((accuracy, evaluate(model, test)))

    result = {
        "test_accuracy": history[-1][1],
        "train_seconds": round(train_seconds, 2),
        "images_per_second": round(arguments.epochs * len(images) / train_seconds, 1),
        "seed": arguments.seed,
        "epochs": arguments.epochs,
    }
    (arguments.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    draw_curves(arguments.out / "curves.png", losses, history)
    print(f"{result['test_accuracy']:.2%} of the test images are recognised", end="")
    print(f" after {arguments.epochs} epochs and {train_seconds:.0f} s of training. See {arguments.out}/curves.png.")


if __name__ == "__main__":
    main()
