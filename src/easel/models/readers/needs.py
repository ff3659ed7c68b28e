"""Files that preprocessors read: what they are called, where the hub has them, and where they go. A table; reads none.

A need is met by a file or a transformers folder of the kind "preprocessor" whose name fits, whatever folder below that
it stands in, or by what the hub's own cache on this machine holds already.
"""

from __future__ import annotations

from dataclasses import dataclass

KIND = "preprocessor"


@dataclass(frozen=True, slots=True)
class Need:
    """A file, or a transformers folder with config.json, that a preprocessor reads.

    name: what to get. repository: where the hub has it. others: patterns of names that do as well, the preferred first;
    case counts for nothing, and "_" is "-". folder: whether it is a folder.
    """

    name: str
    repository: str
    others: tuple[str, ...] = ()
    folder: bool = False

    @property
    def get(self) -> str:
        """The command that gets it."""
        file = "" if self.folder else f"/{self.name}"
        return f"easel models download hf:{self.repository}{file} --kind {KIND}"


ANNOTATORS = "lllyasviel/Annotators"
HED = Need("ControlNetHED.pth", ANNOTATORS)
SKETCH = Need("sk_model.pth", ANNOTATORS)
TEED = Need("5_model.pth", "fal-ai/teed", ("7_model.pth", "teed*.pth", "teed*.safetensors"))
COARSE = Need("sk_model2.pth", ANNOTATORS)
ANIME = Need("netG.pth", ANNOTATORS)
MLSD = Need("mlsd_large_512_fp32.pth", ANNOTATORS)

PEOPLE = Need("yolox_l.onnx", "yzd-v/DWPose", ("yolox*.onnx",))
KEYPOINTS = Need("dw-ll_ucoco_384.onnx", "yzd-v/DWPose", ("dw-*ucoco*.onnx", "rtmw*.onnx"))


def published(repository: str, *others: str) -> Need:
    """Return the need of a transformers folder that is called as its repository."""
    return Need(repository.partition("/")[2], repository, others, folder=True)


ANYTHING = published("LiheYoung/depth-anything-small-hf", "depth-anything-small*", "depth-anything-[bl]*")
ANYTHING_2 = published("depth-anything/Depth-Anything-V2-Small-hf", "depth-anything-v2-*")
MIDAS = published("Intel/dpt-hybrid-midas", "dpt-*")
ZOE = published("Intel/zoedepth-nyu-kitti", "zoedepth-*")
ROOMS = published("openmmlab/upernet-convnext-small", "upernet-*", "segformer*ade*", "*ade20k*", "*ade-*")
ROOMS_ONE = published("shi-labs/oneformer_ade20k_swin_tiny", "oneformer-ade20k-*")
THINGS_ONE = published("shi-labs/oneformer_coco_swin_large", "oneformer-coco-*")
