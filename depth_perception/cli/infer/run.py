"""One run of ``depth-perception infer``: every input once, whatever happens to the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...geometry.panel_merge import surrounding_panels
from ...io.bags import BagFrame, DepthBagWriter, choose_image_topic, read_frames
from ...io.colormaps import RunningRange
from ...io.exif import exif_focal
from ...io.images import read_image
from ...io.segment_colours import Colour
from ...io.video import VideoReader, VideoWriter
from ...prediction import Prediction
from ...scale.sources.other_model import Predictor
from ...systems import Estimator, ModelCard, OutputSize, PanelsEstimator, SteadyScale
from .background import Background
from .journal import JOURNAL_NAME, Journal, state_of
from .options import InferOptions, OptionError
from .results import endings, limit_range, picture_of, raw_depth, withheld, write_results
from .scale import ScaleRun
from .sources import Found, Source, SourceKind

_LISTED = 20


class StartError(RuntimeError):
    """The model cannot be loaded."""


@dataclass
class Tally:
    """What became of the inputs.

    Attributes:
        made, kept: inputs processed in this run, and finished by an earlier one.
        frames: pictures and frames processed.
        failures, skipped: (what, reason).
        notes: lines for the summary.
        remarks: (what, what is to be known of its results).
    """

    made: int = 0
    kept: int = 0
    frames: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


class InferRun:
    """Processes what was found.

    Args:
        options: checked options.
        model: card of the model.
        found: sources and what is to be reported besides.
        journal: of the output folder.
        console: where the progress bar and the summary go.
        load: makes an estimator as :func:`depth_perception.load`; called when the first input
            that is not finished turns up.

    Raises:
        OptionError: ``--to-bag`` or ``--topic`` without a bag.
    """

    def __init__(
        self,
        options: InferOptions,
        model: ModelCard,
        found: Found,
        journal: Journal,
        console: Console,
        load: Callable[..., Estimator],
    ) -> None:
        bags = [source for source in found.sources if source.kind is SourceKind.BAG]
        if options.to_bag is not None and (len(found.sources) != 1 or not bags):
            raise OptionError("--to-bag needs a single bag as input")
        if options.topic is not None and not bags:
            raise OptionError("--topic is for bags, and the input is none")
        if options.metres.points_topic is not None and len(bags) != len(found.sources):
            raise OptionError("--points-topic is for bags, and not all of the input are bags")
        self._options = options
        self._model = model
        self._sources = found.sources
        self._console = console
        self._load = load
        self._estimator: Estimator | None = None
        self._estimators: dict[OutputSize, Predictor] = {}
        self._reference: Predictor | None = None
        self._tally = Tally(
            failures=[(str(path), why) for path, why in found.missing],
            skipped=[(str(path), why) for path, why in found.skipped],
        )
        self._journal = journal
        self._journal.protect(source.path for source in found.sources)
        if self._journal.damaged_lines:
            self._tally.notes.append(
                f"{self._journal.damaged_lines} unreadable lines of {JOURNAL_NAME} were ignored"
            )

    def execute(self) -> int:
        """Process everything and print the summary; returns the exit code.

        Raises:
            StartError: the model cannot be loaded.
        """
        steps = {
            SourceKind.PICTURE: self._picture,
            SourceKind.VIDEO: self._video,
            SourceKind.BAG: self._bag,
        }
        started = time.monotonic()
        interrupted = False
        with self._progress_bar() as self._bar, Background() as self._background:
            self._task = self._bar.add_task("depth", total=len(self._sources))
            for source in self._sources:
                try:
                    steps[source.kind](source)
                except KeyboardInterrupt:
                    interrupted = True
                    break
                except StartError:
                    raise
                except Exception as error:
                    self._fail(str(source.path), error)
                self._bar.advance(self._task)
        self._summarise(time.monotonic() - started, interrupted)
        if interrupted:
            return 130
        return 1 if self._tally.failures else 0

    def _picture(self, source: Source) -> None:
        key, state = str(source.path.resolve()), state_of(source.path)
        if self._journal.finished(key, state):
            self._tally.kept += 1
            return
        image = read_image(source.path)
        camera, note = self._exif_camera(source.path, *image.shape[:2])
        prediction = self._predict(image, camera=camera)
        prediction = self._scale_run().picture(prediction, image, source.path)
        prediction = limit_range(prediction, self._options.max_range)
        stem = source.folder / source.path.stem

        def done(error: Exception | None) -> None:
            if error is None:
                self._tally.made += 1
            else:
                self._fail(str(source.path), error)

        self._write(key, state, stem, image, prediction, done, note=note)

    def _video(self, source: Source) -> None:
        key, state = str(source.path.resolve()), state_of(source.path)
        if self._journal.finished(key, state):
            self._tally.kept += 1
            return
        stem = source.folder / source.path.stem
        limits, steady = RunningRange(), self._steady_scale()
        count, failures = 0, len(self._tally.failures)
        with ExitStack() as stack:
            frames = stack.enter_context(VideoReader(source.path))
            self._expect(frames.info.frames)
            scale = stack.enter_context(self._scale_run())
            path = self._journal.claim(key, state, stem, (".mp4",))[0]
            video = stack.enter_context(VideoWriter(path, frames.info.rate_hz))
            for image in frames:
                prediction = self._predict(image, output_size="input")
                stamp_s = count / frames.info.rate_hz
                if steady is not None:
                    prediction = steady.update(prediction, stamp_s)
                prediction = scale.frame(prediction, image, source.path, stamp_s)
                prediction = limit_range(prediction, self._options.max_range)
                colours = self._limits(prediction, limits)
                video.write(
                    picture_of(prediction, image, self._options, colours, self._class_colours())
                )
                frame, what = stem / f"{count:06d}", f"{source.path} frame {count}"
                done = self._reporter(what)
                self._write(
                    f"{key}#{count}", state, frame, image, prediction, done, with_picture=False
                )
                count += 1
                self._bar.advance(self._task)
            self._background.drain()
        if len(self._tally.failures) == failures:
            self._journal.finish(key)
        if frames.info.frames and count < 0.98 * frames.info.frames - 2:
            self._tally.notes.append(
                f"{source.path}: only {count} of {frames.info.frames} frames can be read"
            )
        self._tally.made += 1

    def _bag(self, source: Source) -> None:
        options, state = self._options, state_of(source.path)
        topic = choose_image_topic(source.path, options.topic)
        self._expect(topic.count)
        name = source.path.name if source.path.is_dir() else source.path.stem
        limits, steady = RunningRange(), self._steady_scale()
        frames, failures = self._tally.frames, len(self._tally.failures)
        with ExitStack() as stack:
            scale = stack.enter_context(self._scale_run())
            scale.open_bag(source.path)
            depth_bag = self._open_depth_bag(stack)
            for index, frame in enumerate(read_frames(source.path, topic.name)):
                key = f"{source.path.resolve()}#{topic.name}#{index}"
                finished = self._journal.finished(key, state)
                self._bar.advance(self._task)
                if finished and depth_bag is None:
                    limits = RunningRange(start=finished.limits)
                    continue
                what = f"{source.path} {topic.name} at {_stamp_name(frame)}"
                try:
                    image = frame.image()
                    prediction = self._predict(image)
                    if steady is not None:
                        prediction = steady.update(prediction, frame.stamp_ns * 1e-9)
                    prediction = scale.message(prediction, image, frame, source.path)
                    prediction = limit_range(prediction, self._options.max_range)
                    colours = self._limits(prediction, limits)
                    stem = source.folder / name / _stamp_name(frame)
                    done = self._reporter(what)
                    self._write(key, state, stem, image, prediction, done, colours)
                    if depth_bag is not None and not prediction.is_metric:
                        raise ValueError(f"not in the depth bag: {prediction.note}")
                    if depth_bag is not None:
                        depth_bag.write(raw_depth(prediction), frame.stamp_ns, frame.frame_id)
                except StartError:
                    raise
                except Exception as error:
                    self._fail(what, error)
            self._background.drain()
        if self._tally.frames > frames:
            self._tally.made += 1
        elif len(self._tally.failures) == failures:
            self._tally.kept += 1

    def _open_depth_bag(self, stack: ExitStack) -> DepthBagWriter | None:
        path = self._options.to_bag
        if path is None:
            return None
        if path.exists() and not self._options.overwrite:
            self._tally.notes.append(f"{path} exists and was kept; --overwrite makes it again")
            return None
        return stack.enter_context(DepthBagWriter(path, overwrite=self._options.overwrite))

    def _steady_scale(self) -> SteadyScale | None:
        is_own = self._options.metres.scale == "model"
        return SteadyScale() if is_own and not self._options.no_smooth_scale else None

    def _scale_run(self) -> ScaleRun:
        arguments = self._options.metres
        return ScaleRun(arguments, self._other_depth if arguments.scale == "reference" else None)

    def _other_depth(self, image: Tensor, camera: Camera) -> Prediction:
        """Depth by the model of ``--scale reference``, which is loaded when first needed."""
        if self._reference is None:
            arguments = self._options.metres
            device = None if self._options.device == "auto" else self._options.device
            try:
                model = self._load(
                    arguments.reference_model,
                    checkpoint=arguments.reference_checkpoint,
                    device=device,
                )
            except Exception as error:
                raise StartError(_reason(error)) from error
            same = model.card.camera == self._model.camera
            self._reference = model if same else PanelsEstimator(model)
        return self._reference(image, camera)

    def _exif_camera(self, path: Path, height: int, width: int) -> tuple[Camera | None, str]:
        """The camera of a picture as its EXIF block tells it, and where that came from."""
        options = self._options
        if self._model.camera != "pinhole" or options.knows_camera or options.ignore_exif:
            return None, ""
        found = exif_focal(path, height, width)
        if found is None:
            return None, ""
        camera = Pinhole(height, width, found.fx, found.fy, width / 2, height / 2)
        degrees = math.degrees(camera.horizontal_fov)
        return camera, f"field of view of {degrees:.1f} degrees from {found.source}"

    def _predict(
        self,
        image: np.ndarray,
        output_size: OutputSize | None = None,
        camera: Camera | None = None,
    ) -> Prediction:
        """Depth of one picture, at the size of the input with ``--resize`` or on demand."""
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
                f"{width} x {height} is not a full panorama (2:1); if it shows a part of the "
                "sphere, give its field of view in degrees: --fov H V"
            ) from error

    def _estimator_for(self, output_size: OutputSize) -> Predictor:
        """The estimator, loaded when first needed; all sizes share one network."""
        if self._estimator is None:
            options = self._options
            try:
                self._estimator = self._load(
                    options.model,
                    checkpoint=options.checkpoint,
                    device=None if options.device == "auto" else options.device,
                    height=options.height,
                    precision=options.precision,
                    backend=options.backend,
                    seam=options.seam,
                    flip=options.flip,
                    **options.network.given(),
                )
            except Exception as error:
                raise StartError(_reason(error)) from error
        if output_size not in self._estimators and self._options.panels:
            side = self._options.height or self._model.default_height
            self._estimators[output_size] = PanelsEstimator(
                self._estimator, surrounding_panels(side), output_size=output_size
            )
        elif output_size not in self._estimators:
            self._estimators[output_size] = self._estimator.with_options(output_size=output_size)
        return self._estimators[output_size]

    def _class_colours(self) -> Sequence[Colour]:
        """Colours of the classes of a panoptic model, nothing of another."""
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
        with_picture: bool = True,
        note: str = "",
    ) -> None:
        """Write the files of a picture or frame in the background; ``done`` hears of the end."""
        self._tally.frames += 1
        wanted: Sequence[str] = endings(
            self._options,
            prediction.scale,
            picture=with_picture,
            segments=prediction.segments is not None,
        )
        if prediction.scale is not self._options.expected_scale(self._model):
            missing = withheld(self._options, prediction.scale)
            wanted = [ending for ending in wanted if ending not in missing]
            lacks = f" (not written: {', '.join(missing)})" if missing else ""
            note = "; ".join(filter(None, (note, f"not metric: {prediction.note}{lacks}")))
        if note:
            self._tally.remarks.append((key, note))
        if not wanted:
            return
        paths = self._journal.claim(key, state, stem, tuple(wanted))
        files = tuple(zip(wanted, paths, strict=True))
        prediction, colours = prediction.to("cpu"), self._class_colours()

        def write() -> None:
            chosen = limits or self._options.limits
            write_results(files, image, prediction, self._options, chosen, colours)
            self._journal.finish(key, limits, note)

        self._background.submit(write, done)

    def _reporter(self, what: str) -> Callable[[Exception | None], None]:
        return lambda error: self._fail(what, error) if error else None

    def _fail(self, what: str, error: Exception) -> None:
        self._tally.failures.append((what, _reason(error)))

    def _expect(self, frames: int | None) -> None:
        """Count the frames of a video or bag beside the input itself."""
        total = self._bar.tasks[0].total
        self._bar.update(self._task, total=(total or 0) + (frames or 0))

    def _progress_bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def _summarise(self, seconds: float, interrupted: bool) -> None:
        tally, say = self._tally, self._console.print
        rate = f", {tally.frames / seconds:.2f} per second" if tally.frames and seconds else ""
        device = f" on {self._estimator.device}" if self._estimator else ""
        say(
            f"{self._model.name}{device}: {tally.made} done, {tally.kept} finished before, "
            f"{len(tally.failures)} failed ({tally.frames} frames in {seconds:.1f} s{rate})"
        )
        say(f"results: {self._options.out}")
        for note in tally.notes:
            say(f"note: {note}")
        self._list("remarks", tally.remarks)
        self._list("skipped", tally.skipped)
        self._list("failed", tally.failures)
        if interrupted:
            say("interrupted: run the same command again to go on")

    def _list(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        if rows:
            self._console.print(f"{title}:")
        for what, reason in rows[:_LISTED]:
            self._console.print(f"  {what}: {reason}")
        if len(rows) > _LISTED:
            self._console.print(f"  ... and {len(rows) - _LISTED} more")


def _reason(error: Exception) -> str:
    if isinstance(error, (OSError, ValueError)) and str(error):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _stamp_name(frame: BagFrame) -> str:
    seconds, nanoseconds = divmod(frame.stamp_ns, 10**9)
    return f"{seconds}_{nanoseconds:09d}"
