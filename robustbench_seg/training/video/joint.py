"""Training from labels and video: labelled images and clips of another data set in one batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.models.blocks.resize import MULTIPLE, SMALLEST
from robustbench_seg.models.networks.build import build_pose
from robustbench_seg.training.batches import Batch, Mixed
from robustbench_seg.training.optimiser import Learner, Rates, make_learner
from robustbench_seg.training.place import Forward
from robustbench_seg.training.recipe import VideoRecipe
from robustbench_seg.training.supervised import Supervised
from robustbench_seg.training.video.clips import Clips, ClipSource, clip_batch
from robustbench_seg.training.video.network import JointNet
from robustbench_seg.training.video.photometric import depth_loss
from robustbench_seg.training.video.shared import SharedNet
from robustbench_seg.training.video.split import SplitNet


@dataclass(frozen=True)
class Joint:
    """Learns the labelled tasks as `Supervised`, where there are any, and depth from `clips`."""

    labelled: Supervised
    video: VideoRecipe
    clips: ClipSource

    def wrapped(self, network: nn.Module) -> nn.Module:
        """What is trained: the network and a pose network; split, with coarser depth heads."""
        recipe, scale = self.labelled.recipe, self.video.gradient_scale
        normalization = Normalization.parse(recipe.architecture.normalization)
        pose = build_pose(
            self.video.pose.name, self.video.pose.parameters, normalization, f"recipe {recipe.name}: pose"
        )
        return SharedNet(network, pose) if scale is None else SplitNet(network, pose, scale)

    def network(self, module: nn.Module) -> nn.Module:
        """What is validated and exported of it."""
        return module.get_submodule("network")

    def rates(self, module: nn.Module) -> Rates:
        """The learning rates of the encoder, of what depth has for itself, and of the pose network."""
        assert isinstance(module, JointNet)
        own = (module.depth_parameters(), self.video.depth_lr), ([*module.pose.parameters()], self.video.pose.lr)
        chosen = [(parameters, rate) for parameters, rate in own if rate is not None]
        return [*self.labelled.rates(module.network), *chosen]

    def learners(self, module: nn.Module) -> tuple[Learner, ...]:
        """All together."""
        return (make_learner(module, self.rates(module), self.labelled.recipe.optimiser),)

    def batch(self, step: int) -> Mixed[Clips]:
        """Labelled images and clips of a step; InputError where their sizes do not fit."""
        recipe = self.labelled.recipe
        clips = clip_batch(self.clips, self.video, recipe.augment, step, recipe.seed, self.labelled.part)
        labelled = self.labelled.batch(step) if recipe.tasks else Batch(clips.now[:0], {})
        _check(labelled.images, clips.now)
        return Mixed(labelled, clips)

    def loss(self, forward: Forward, batch: Mixed[Clips]) -> Tensor:
        """The labelled tasks' loss plus that of depth, neither weighted: λ, if any, weighs gradients in the encoder."""
        labelled, clips = batch.labelled, batch.unlabelled
        predicted = forward(labelled.images, clips)
        before, now, after = clips.clean
        depth = depth_loss(predicted.inverses, now, (before, after), predicted.transforms(), clips.intrinsics)
        return self.labelled.compared(predicted.outputs, labelled.labels) + depth


def _check(images: Tensor, frames: Tensor) -> None:
    crop, size = tuple(images.shape[-2:]), tuple(frames.shape[-2:])
    if crop != size or any(side % MULTIPLE or side < SMALLEST for side in size):
        raise InputError(
            f"labelled images are {crop[1]}x{crop[0]} and frames {size[1]}x{size[0]} (WxH); one batch needs one size, "
            f"in multiples of {MULTIPLE} from {SMALLEST}: set crop and video.size"
        )
