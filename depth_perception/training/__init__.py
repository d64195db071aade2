"""Training: one trainer for the tasks of all systems.

A folder here belongs to the system of the same name. Its module ``task.py`` is the task of that
name, ``student_task.py`` in ``panda/`` the task ``panda-student``; both are found by their file
names and imported when used. A recipe names its task (``task: panda``). The module has to provide:

``Recipe``
    A frozen keyword-only dataclass, subclass of :class:`depth_perception.training.recipe.Recipe`,
    which brings ``name``, ``task``, ``model``, ``optim`` and ``run``. It adds what the task needs
    (``data``, ``augment``, ``losses``, ...), each part a frozen dataclass that checks itself in
    ``__post_init__``; ``model`` and ``run`` may be replaced by subclasses of their types. All
    fields are checked against the YAML strictly, see
    :func:`depth_perception.training.strict_mapping.from_mapping`; alternatives are unions of
    dataclasses that a field ``kind: Literal["..."] = "..."`` tells apart.

``prepare(recipe, track) -> Prepared``
    Builds the network and reads or opens the data, and raises early what would stop the run:
    :class:`RecipeError`, :class:`CheckpointError`, :class:`OSError` or :class:`NoFramesError`.
    ``track(range, title)`` wraps loops that take long and shows how far they are. It seeds torch by
    ``recipe.run.seed`` before the network is made. It returns
    :class:`depth_perception.training.module.Prepared` with

    * ``training``: a subclass of :class:`depth_perception.training.module.Training` that overrides
      ``lower`` and ``higher`` (names of the validation numbers, by what is better),
      ``losses(batch)`` (weighted terms by name, each a mean over the images) and ``judge(batch)``
      (numbers of one validation batch by ``self.judged``), and, where the defaults do not do,
      ``motion(name, parameter)`` (factors of learning rate and weight decay, such as layer-wise
      rates), ``summary(rows)``, ``picture(batch)`` and ``metadata()``. ``training.network`` is what
      moves and is exported by ``save_network``; a frozen network beside it goes into a tuple
      (``self._guide = (guide,)``), so that it is neither saved nor averaged, and is moved in
      ``on_fit_start``.
    * ``data``: an object with ``len()`` (training items), ``batch(draw)`` (the
      :class:`~depth_perception.training.batch.StepBatch` of a step) and ``held_out`` (a sequence
      of validation batches, or ``()``). ``draw`` is all that a batch may depend on: ``draw.items``
      (which items), ``draw.generators`` (one for each item: draw every random number from it, noise
      of a diffusion included), ``draw.step`` and ``draw.progress``. Nothing may come from global
      generators; then resumed, parallel and single runs see the same.

The base class does the rest: gradients in parts, threads and processes, clipping, schedules, the
average of the weights, validation, saving, exact resume. Randomness within the network (stochastic
depth) may use torch's global generator, which is seeded at each step; ``run.workers`` must then
be 1.

What only the training of one system needs (frames, losses, augmentation) lies in its folder;
``losses.py`` is for several. Recipes are ``recipes/NAME.yaml``; a test runs each of them in small.
"""
