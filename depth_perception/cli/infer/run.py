"""One run of ``depth-perception infer``: every input once, even if others fail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from ...geometry import Camera
from ...geometry.panel_merge import surrounding_panels
from ...io.bags import BagFrame, BagReadError, DepthBagWriter, choose_image_topic, read_frames
from ...io.colormaps import RunningRange
from ...io.images import read_image_file
from ...io.segment_colours import Colour
from ...io.video import VideoReader, VideoWriter
from ...limits import printable
from ...prediction import Prediction
from ...ros.inputs.masks import hide
from ...scale.sources.other_model import Predictor
from ...systems import Estimator, ModelCard, OutputSize, PanelsEstimator, SteadyScale, load
from ..terminal import plain_console
from .background import Background
from .input_camera import PHOTO_HINT, InputCameras, counted, rectified
from .inputs import Input, InputKind, Inputs
from .manifest import MANIFEST_NAME, Manifest, state_of
from .options import InferOptions, OptionError, StartError
from .results import limit_range, raw_depth, render_prediction, result_files
from .scale import ScaleRun

_LISTED = 20
_OF_ESTIMATORS = ("checkpoint", "height", "precision", "backend", "seam", "flip")


@dataclass
class Summary:
    """Outcome of a run.

    Attributes:
        made, kept: inputs processed in this run, and finished by an earlier one.
        frames: images and frames processed.
        failures, skipped: (input, reason).
        notes: further lines.
        remarks: (input, remark on its results).
    """

    made: int = 0
    kept: int = 0
    frames: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


class InferRun:
    """Processes all inputs. The model is loaded when the first unfinished input turns up.

    Args:
        options: checked options.
        model: card of the model.
        inputs: what to process, and what to report besides.
        manifest: of the output folder.

    Raises:
        OptionError: an option for bags, and the input is none.
    """

    def __init__(
        self, options: InferOptions, model: ModelCard, inputs: Inputs, manifest: Manifest
    ) -> None:
        bags = [item for item in inputs.items if item.kind is InputKind.BAG]
        if options.to_bag is not None and (len(inputs.items) != 1 or not bags):
            raise OptionError("--to-bag requires a single bag as input")
        if options.topic is not None and not bags:
            raise OptionError("--topic is for bags, and the input contains none")
        if options.info_topic is not None and not bags:
            raise OptionError("--info-topic is for bags, and the input contains none")
        if options.metres.points_topic is not None and len(bags) != len(inputs.items):
            raise OptionError("--points-topic is for bags, and not all inputs are bags")
        self._options = options
        self._model = model
        self._cameras = InputCameras(options, model)
        self._items = inputs.items
        self._console = plain_console()
        self._estimator: Estimator | None = None
        self._estimators: dict[OutputSize, Predictor] = {}
        self._reference: Predictor | None = None
        self._summary = Summary(
            failures=[(str(path), why) for path, why in inputs.missing],
            skipped=[(str(path), why) for path, why in inputs.skipped],
        )
        self._manifest = manifest
        self._manifest.protect(item.path for item in inputs.items)
        if remark := model.height_remark(options.height):
            self._summary.notes.append(remark)
        if self._manifest.damaged_lines:
            self._summary.notes.append(
                f"{self._manifest.damaged_lines} unreadable lines of {MANIFEST_NAME} were ignored"
            )

    def execute(self) -> int:
        """Process everything and print the summary; returns the exit code.

        Raises:
            StartError: the model cannot be loaded.
        """
        process = dict(zip(InputKind, (self._image, self._video, self._bag), strict=True))
        started = time.monotonic()
        interrupted = False
        with self._progress_bar() as self._bar, Background() as self._background:
            self._task = self._bar.add_task("depth", total=len(self._items))
            for item in self._items:
                try:
                    key, state = str(item.path.resolve()), state_of(item.path)
                    if item.kind is not InputKind.BAG and self._manifest.finished(key, state):
                        self._summary.kept += 1
                    else:
                        process[item.kind](item, key, state)
                except KeyboardInterrupt:
                    interrupted = True
                    self._background.abandon()
                    break
                except StartError:
                    raise
                except Exception as error:
                    self._fail(str(item.path), error)
                self._bar.advance(self._task)
        self._print_summary(time.monotonic() - started, interrupted)
        if interrupted:
            return 130
        return 1 if self._summary.failures else 0

    def _image(self, item: Input, key: str, state: str) -> None:
        file = read_image_file(item.path)
        image, notes = file.pixels, list(file.notes)
        camera, remarks = self._cameras.of_image(item.path, *image.shape[:2], file.panorama)
        notes += [*remarks, self._cameras.content(image)]
        prediction = self._depth(image, item.path, self._scale_run(), camera=camera)

        def done(error: Exception | None) -> None:
            if error is None:
                self._summary.made += 1
            else:
                self._fail(str(item.path), error)

        stem = item.folder / item.path.stem
        note = "; ".join(filter(None, notes))
        self._write(key, state, stem, image, prediction, done, note=note)

    def _video(self, item: Input, key: str, state: str) -> None:
        stem = item.folder / item.path.stem
        limits, steady = RunningRange(), self._steady_scale()
        count, failures, faults = 0, len(self._summary.failures), Counter[str]()
        with ExitStack() as stack:
            frames = stack.enter_context(VideoReader(item.path))
            self._expect(frames.info.frames)
            size = frames.info.height, frames.info.width
            camera, remarks = self._cameras.of_sphere(*size, frames.panorama)
            scale = stack.enter_context(self._scale_run())
            path = self._manifest.claim(key, state, stem, (".mp4",))[0]
            video = stack.enter_context(VideoWriter(path, frames.info.rate_hz))
            for image in frames:
                stamp_s = frames.time_s
                faults.update(filter(None, (self._cameras.content(image),)))
                prediction = self._depth(
                    image, item.path, scale, steady, stamp_s, output_size="input", camera=camera
                )
                ends = self._limits(prediction, limits)
                colours = self._class_colours()
                shown = render_prediction(prediction, image, self._options, ends, colours)
                video.write(shown, stamp_s)
                done = self._reporter(f"{item.path} frame {count}")
                frame, frame_key = stem / f"{count:06d}", f"{key}#{count}"
                self._write(frame_key, state, frame, image, prediction, done, picture=False)
                count += 1
                self._bar.advance(self._task)
            self._background.drain()
        self._remark(item, [*remarks, *counted(faults, count)])
        if len(self._summary.failures) == failures:
            self._manifest.finish(key)
        if frames.is_cut:
            self._summary.notes.append(
                f"{item.path}: only {count} of {frames.info.frames} frames can be read"
            )
        if not video.is_timed:
            self._summary.notes.append(
                f"{item.path}: its frames come at varying times, and those of the result do not"
            )
        self._summary.made += 1

    def _bag(self, item: Input, source: str, state: str) -> None:
        topic = choose_image_topic(item.path, self._options.topic)
        self._expect(topic.count)
        cameras = self._cameras.of_bag(item.path, topic.name)
        name = item.path.name if item.path.is_dir() else item.path.stem
        limits, steady, faults = RunningRange(), self._steady_scale(), Counter[str]()
        frames, failures = self._summary.frames, len(self._summary.failures)
        index = -1
        with ExitStack() as stack:
            scale = stack.enter_context(self._scale_run())
            scale.open_bag(item.path)
            depth_bag = self._open_depth_bag(stack)
            for index, frame in enumerate(read_frames(item.path, topic.name)):
                key = f"{source}#{topic.name}#{index}"
                finished = self._manifest.finished(key, state)
                self._bar.advance(self._task)
                if finished and depth_bag is None:
                    limits = RunningRange(start=finished.limits)
                    continue
                what = f"{item.path} {topic.name} at {_stamp_name(frame)}"
                try:
                    stamp_s, raw = frame.stamp_ns * 1e-9, frame.image()
                    faults.update(filter(None, (self._cameras.content(raw),)))
                    image, camera, unseen = rectified(cameras, frame, raw)
                    prediction = self._depth(
                        image, item.path, scale, steady, stamp_s, frame, camera=camera
                    )
                    prediction = hide(prediction, unseen)
                    ends = self._limits(prediction, limits)
                    stem = item.folder / name / _stamp_name(frame)
                    self._write(key, state, stem, image, prediction, self._reporter(what), ends)
                    if depth_bag is not None and not prediction.is_metric:
                        raise ValueError(f"not written to the depth bag: {prediction.note}")
                    if depth_bag is not None:
                        depth_bag.write(raw_depth(prediction), frame.stamp_ns, frame.frame_id)
                except StartError:
                    raise
                except Exception as error:
                    self._fail(what, error)
            self._background.drain()
            if index < 0:
                raise BagReadError(f"no image on {topic.name} of {item.path} can be read")
        used = [topic.remark, "" if cameras is None else cameras.remark]
        self._remark(item, [*used, *counted(faults, self._summary.frames - frames)])
        if self._summary.frames > frames:
            self._summary.made += 1
        elif len(self._summary.failures) == failures:
            self._summary.kept += 1

    def _open_depth_bag(self, stack: ExitStack) -> DepthBagWriter | None:
        path = self._options.to_bag
        if path is None:
            return None
        if path.exists() and not self._options.overwrite:
            self._summary.notes.append(f"{path} exists and was kept; --overwrite writes it again")
            return None
        return stack.enter_context(DepthBagWriter(path, overwrite=self._options.overwrite))

    def _steady_scale(self) -> SteadyScale | None:
        is_own = self._options.metres.scale == "model"
        return SteadyScale() if is_own and not self._options.no_smooth_scale else None

    def _scale_run(self) -> ScaleRun:
        arguments = self._options.metres
        return ScaleRun(arguments, self._other_depth if arguments.scale == "reference" else None)

    def _other_depth(self, image: Tensor, camera: Camera) -> Prediction:
        """Depth by the model of ``--scale reference``, which is loaded on first use."""
        if self._reference is None:
            arguments = self._options.metres
            model = self._load(arguments.reference_model, checkpoint=arguments.reference_checkpoint)
            same = model.card.camera == self._model.camera
            self._reference = model if same else PanelsEstimator(model)
        return self._reference(image, camera)

    def _remark(self, item: Input, remarks: Sequence[str]) -> None:
        if text := "; ".join(filter(None, remarks)):
            self._summary.remarks.append((str(item.path), text))

    def _depth(
        self,
        image: np.ndarray,
        path: Path,
        scale: ScaleRun,
        steady: SteadyScale | None = None,
        stamp_s: float = 0.0,
        frame: BagFrame | None = None,
        **how: Any,
    ) -> Prediction:
        """Depth of an image in metres, if its scale is recovered, up to ``--max-range``."""
        prediction = self._predict(image, **how)
        if steady is not None:
            prediction = steady.update(prediction, stamp_s)
        prediction = scale.update(prediction, image, path, stamp_s, frame)
        return limit_range(prediction, self._options.max_range)

    def _predict(
        self, image: np.ndarray, output_size: OutputSize | None = None, camera: Camera | None = None
    ) -> Prediction:
        """Depth of one image, at the size of the input with ``--resize`` or on request."""
        height, width = image.shape[:2]
        size = output_size or ("input" if self._options.resize else "network")
        estimator = self._estimator_for(size)
        camera = camera or self._options.camera(self._model, height, width)
        try:
            return estimator(image, camera)
        except ValueError as error:
            if camera is not None or width == 2 * height:
                raise
            raise ValueError(
                f"{width} x {height} is not a full panorama (2:1). Is it {PHOTO_HINT}; if it shows "
                "a part of the sphere, give its field of view in degrees: --fov H V"
            ) from error

    def _estimator_for(self, output_size: OutputSize) -> Predictor:
        """The estimator, loaded on first use; all output sizes share one network."""
        if self._estimator is None:
            given = {name: getattr(self._options, name) for name in _OF_ESTIMATORS}
            self._estimator = self._load(
                self._options.model, **given, **self._options.network.given()
            )
        if output_size not in self._estimators and self._options.panels:
            side = self._options.height or self._model.default_height
            self._estimators[output_size] = PanelsEstimator(
                self._estimator, surrounding_panels(side), output_size=output_size
            )
        elif output_size not in self._estimators:
            self._estimators[output_size] = self._estimator.with_options(output_size=output_size)
        return self._estimators[output_size]

    def _load(self, model: str, **options: Any) -> Estimator:
        device = None if self._options.device == "auto" else self._options.device
        try:
            return load(model, device=device, **options)
        except Exception as error:
            raise StartError(_reason(error)) from error

    def _class_colours(self) -> Sequence[Colour]:
        """Colours of the classes of a panoptic model; none for other models."""
        return self._estimator.class_colours if self._model.is_panoptic else ()  # type: ignore[union-attr]

    def _limits(self, prediction: Prediction, limits: RunningRange) -> tuple[float, float] | None:
        if self._options.limits:
            return self._options.limits
        return limits.update(prediction.values.cpu().numpy(), prediction.valid.cpu().numpy())

    def _write(
        self,
        key: str,
        state: str,
        stem: Path,
        image: np.ndarray,
        prediction: Prediction,
        done: Callable[[Exception | None], None],
        limits: tuple[float, float] | None = None,
        *,
        picture: bool = True,
        note: str = "",
    ) -> None:
        """Write the files of an image or frame in the background; ``done`` is called at the end."""
        self._summary.frames += 1
        prediction, colours = prediction.to("cpu"), self._class_colours()
        chosen = limits or self._options.limits
        files, withheld = result_files(
            prediction, image, self._options, chosen, colours, picture=picture
        )
        if prediction.scale is not self._options.expected_scale(self._model):
            lacks = f" (not written: {', '.join(withheld)})" if withheld else ""
            note = "; ".join(filter(None, (note, f"not metric: {prediction.note}{lacks}")))
        if note:
            self._summary.remarks.append((key, note))
        if not files:
            return
        paths = self._manifest.claim(key, state, stem, tuple(ending for ending, _ in files))

        def write() -> None:
            for (_, write_file), path in zip(files, paths, strict=True):
                write_file(path)
            self._manifest.finish(key, limits, note)

        self._background.submit(write, done)

    def _reporter(self, what: str) -> Callable[[Exception | None], None]:
        return lambda error: self._fail(what, error) if error else None

    def _fail(self, what: str, error: Exception) -> None:
        self._summary.failures.append((what, _reason(error)))

    def _expect(self, frames: int | None) -> None:
        """Add the frames of a video or bag to the progress bar."""
        total = self._bar.tasks[0].total
        self._bar.update(self._task, total=(total or 0) + (frames or 0))

    def _progress_bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip

    def _print_summary(self, seconds: float, interrupted: bool) -> None:
        summary, say = self._summary, self._console.print
        rate = f", {summary.frames / seconds:.2f} per second" if summary.frames and seconds else ""
        device = f" on {self._estimator.device}" if self._estimator else ""
        done = f"{summary.made} done, {summary.kept} finished before"
        if not (summary.made or summary.kept):
            done = "nothing done"
        say(
            f"{self._model.name}{device}: {done}, {len(summary.failures)} failed "
            f"({summary.frames} frames in {seconds:.1f} s{rate})"
        )
        say(f"results: {self._options.out}")
        for note in summary.notes:
            say(f"note: {note}")
        lists = {"remarks": summary.remarks, "skipped": summary.skipped, "failed": summary.failures}
        for title, rows in lists.items():
            if rows:
                say(f"{title}:")
            for what, reason in rows[:_LISTED]:
                say(f"  {printable(what)}: {printable(reason, 1000)}")
            if len(rows) > _LISTED:
                say(f"  ... and {len(rows) - _LISTED} more")
        if interrupted:
            say("interrupted: run the same command again to continue")


def _reason(error: Exception) -> str:
    if isinstance(error, (OSError, ValueError)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _stamp_name(frame: BagFrame) -> str:
    seconds, nanoseconds = divmod(frame.stamp_ns, 10**9)
    return f"{seconds:010d}_{nanoseconds:09d}"  # names sort by time, also by that of a simulation
