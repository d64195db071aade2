"""Training: one trainer for the tasks of all systems.

A folder belongs to the system of the same name. Its module ``task.py`` is the task of that name,
``student_task.py`` in ``panda/`` the task ``panda-student``; tasks are found by file name and
imported when used. A recipe names its task (``task: panda``). A task module defines

``RECIPE``
    A frozen keyword-only dataclass, a subclass of :class:`depth_perception.training.recipe.Recipe`
    with its fields ``name``, ``task``, ``model``, ``optim`` and ``run``. It adds the settings of
    the task (``data``, ``augment``, ``losses``, ...), each group a frozen dataclass that validates
    itself in ``__post_init__``; ``model`` and ``run`` may be replaced by subclasses of their types.
    All fields are checked strictly against the YAML file, see
    :func:`depth_perception.training.strict_mapping.from_mapping`; alternatives are unions of
    dataclasses with a field ``kind: Literal["..."] = "..."``.

``prepare(recipe, track) -> Prepared``
    Builds the network and opens the data, and raises early what would stop the run:
    :class:`RecipeError` (no such model, one of another system, an unsupported size or metric, or
    data that are empty or have another layout), :class:`CheckpointError` (weights are missing, or
    do not fit), :class:`OSError` (data are missing) or :class:`NoFramesError`.
    ``track(range, title)`` wraps long loops and shows their progress. Torch is seeded by
    ``recipe.run.seed`` before the network is built. The result is a
    :class:`depth_perception.training.module.Prepared` with

    * ``training``: a subclass of :class:`depth_perception.training.module.Training` that overrides
      ``lower`` and ``higher`` (names of the metrics by which values are better), ``losses(batch)``
      (weighted terms by name, each a mean over the images) and ``evaluate(batch)`` (metrics of a
      validation batch by ``self.eval_network``), and, if the defaults do not fit,
      ``learning_factors(name, parameter)`` (factors of learning rate and weight decay, such as
      layer-wise rates), ``summary(rows)``, ``preview(batch)`` and ``metadata()``.
      ``training.network`` is trained and exported by ``save_network``. A frozen network is stored
      in a tuple (``self._guide = (guide,)``), so that it is neither saved nor averaged, and moved
      to the device in ``on_fit_start``.
    * ``data``: an object with ``len()`` (training items), ``batch(draw)`` (the
      :class:`~depth_perception.training.stream.StepBatch` of a step) and ``held_out`` (a sequence
      of validation batches, see :class:`~depth_perception.training.stream.HeldOut`, or ``()``). A
      batch may depend only on ``draw``: ``draw.items`` (the items), ``draw.generators`` (one per
      item, the source of all its random numbers, diffusion noise included), ``draw.step`` and
      ``draw.progress``, never on global generators. Then resumed, parallel and single runs see the
      same batches.

The base class does everything else: gradients in parts, threads and processes, clipping, schedules,
the average of the weights, validation, saving, exact resume. Randomness in the network (stochastic
depth) may use the global generator of torch, which is seeded at each step; ``run.workers`` must
then be 1.

Recipes are ``recipes/NAME.yaml``; a test runs each of them on tiny data.
"""
