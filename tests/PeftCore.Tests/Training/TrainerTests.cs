using PeftCore.Backends;
using PeftCore.Optim;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

public sealed class TrainerTests
{
    private CpuBackend _backend;
    private TemporaryDirectory _directory;

    [SetUp]
    public void Open() => (_backend, _directory) = (new CpuBackend(2), new TemporaryDirectory());

    [TearDown]
    public void Close()
    {
        _backend.Dispose();
        _directory.Dispose();
    }

    [TestCase(OptimizerKind.AdamW, 0.02)]
    [TestCase(OptimizerKind.Sgd, 0.5)]
    [TestCase(OptimizerKind.AdamW8Bit, 0.02)]
    [TestCase(OptimizerKind.Lion, 0.005)]
    [TestCase(OptimizerKind.Adafactor, 0.02)]
    [TestCase(OptimizerKind.LoraPlus, 0.005)]
    [TestCase(OptimizerKind.LoraFa, 0.02)]
    public void A_run_lowers_the_held_out_loss_and_keeps_adapter_log_and_result(OptimizerKind optimizer, double rate)
    {
        var trainable = Runs.Lora("llama", _backend);
        var held = Runs.Loader(16, 2, 8, shuffle: false);
        var before = Evaluation.Run(trainable.Model, held.Epoch());
        var options = new TrainerOptions
        {
            OutputDirectory = _directory["run"], Optimizer = optimizer, Momentum = 0.9f, LearningRate = rate, Epochs = 6, WarmupRatio = 0.1,
            Schedule = ScheduleKind.Cosine, LoggingSteps = 1,
        };
        var progress = new List<TrainingProgress>();
        var trainer = new Trainer(trainable, options, Runs.Loader(64, 1, 8), held);
        trainer.StepDone += progress.Add;
        var result = trainer.Run();
        var log = Runs.Log(_directory["run"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.Steps, Is.EqualTo(48));
            Assert.That(result.EvalLoss, Is.LessThan(0.95 * before.Loss));
            Assert.That(result.EvalLoss, Is.EqualTo(Evaluation.Run(trainable.Model, held.Epoch()).Loss));
            Assert.That(progress, Has.Count.EqualTo(48));
            Assert.That(progress[^1].Epoch, Is.EqualTo(6));
            Assert.That(progress.Select(p => p.Loss).Average(), Is.EqualTo(result.TrainLoss).Within(1e-12));
            Assert.That(log, Has.Count.EqualTo(49));
            Assert.That(log[0].Select(field => field.Key),
                Is.EqualTo(["step", "epoch", "loss", "learning_rate", "grad_norm", "tok_s", "peak_bytes", "elapsed"]));
            Assert.That((double)log[0]["learning_rate"]!, Is.Zero, "warm-up begins at zero");
            Assert.That((double)log[^1]["eval_loss"]!, Is.EqualTo(result.EvalLoss));
            Assert.That((double)log[^2]["peak_bytes"]!, Is.GreaterThan(_backend.Memory.CurrentBytes));
            Assert.That(Directory.GetFileSystemEntries(_directory["run"]).Select(Path.GetFileName).Order(StringComparer.Ordinal),
                Is.EqualTo(["adapter_config.json", "adapter_model.safetensors", "training_log.jsonl"]));
            Assert.That(_backend.Memory.Current(MemoryKind.Optimizer), Is.Zero);
        }
    }

    [Test]
    public void A_step_never_reaches_into_the_next_epoch_and_max_steps_go_over_epochs()
    {
        var loader = Runs.Loader(10, 1, 2); // 5 batches: with accumulation 2, steps of 2, 2 and 1 batches
        var options = new TrainerOptions { GradientAccumulationSteps = 2, MaxSteps = 7 };
        var epochs = new List<double>();
        var trainer = new Trainer(Runs.Lora("gpt2", _backend), options, loader);
        trainer.StepDone += progress => epochs.Add(progress.Epoch);
        trainer.Run();
        Assert.That(epochs, Is.EqualTo([0.4, 0.8, 1, 1.4, 1.8, 2, 2.4]).Within(1e-12));
        Assert.That(new TrainerOptions { GradientAccumulationSteps = 2, Epochs = 3 }.TotalSteps(5), Is.EqualTo(9));
        Assert.That(new TrainerOptions { Epochs = 0.5 }.TotalSteps(5), Is.EqualTo(3));
    }

    [Test]
    public void Rows_of_the_log_average_over_their_steps()
    {
        var losses = new List<double>();
        var options = new TrainerOptions { OutputDirectory = _directory["run"], LoggingSteps = 3, MaxSteps = 7 };
        var trainer = new Trainer(Runs.Lora("llama", _backend), options, Runs.Loader(8, 1, 2));
        trainer.StepDone += progress => losses.Add(progress.Loss);
        trainer.Run();
        var log = Runs.Log(_directory["run"]);
        Assert.That(log.Select(row => (int)row["step"]!), Is.EqualTo([3, 6, 7]));
        Assert.That(log.Select(row => (double)row["loss"]!), Is.EqualTo([losses[..3].Average(), losses[3..6].Average(), losses[6]])
            .Within(1e-12));
    }

    [Test]
    public void Training_stops_when_the_evaluation_loss_falls_no_more_and_ends_with_the_best_parameters()
    {
        var trainable = Runs.Lora("llama", _backend, dropout: 0);
        var held = Runs.Loader(6, 2, 3, shuffle: false);
        var options = new TrainerOptions
        {
            OutputDirectory = _directory["run"], LearningRate = 0.05, Schedule = ScheduleKind.Constant, Epochs = 100, EvalSteps = 2,
            EarlyStoppingPatience = 3,
            LoadBestModelAtEnd = true, SaveTotalLimit = 1,
        };
        var evaluations = new List<TrainingEvaluation>();
        var trainer = new Trainer(trainable, options, Runs.Loader(6, 1, 3), held);
        trainer.Evaluated += evaluations.Add;
        var result = trainer.Run();
        var best = evaluations.MinBy(evaluation => evaluation.Result.Loss)!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.StoppedEarly, Is.True);
            Assert.That(result.BestStep, Is.EqualTo(best.Step).And.EqualTo(result.Steps - 6));
            Assert.That(result.EvalLoss, Is.EqualTo(best.Result.Loss));
            Assert.That(evaluations.Where(evaluation => evaluation.IsBest).Last(), Is.EqualTo(best));
            Assert.That(Evaluation.Run(trainable.Model, held.Epoch()).Loss, Is.EqualTo(best.Result.Loss));
            Assert.That(Checkpoint.All(_directory["run"]).Select(c => c.Step), Is.EqualTo([best.Step]));
        }
    }

    [Test]
    public void Old_checkpoints_go_but_the_last_and_the_best_stay()
    {
        var options = new TrainerOptions
        {
            OutputDirectory = _directory["run"], LearningRate = 0.2, MaxGradNorm = 0, Schedule = ScheduleKind.Constant, MaxSteps = 9,
            SaveSteps = 2, EvalSteps = 2,
            SaveTotalLimit = 3,
        };
        var saved = new List<string>();
        var trainer = new Trainer(Runs.Lora("llama", _backend), options, Runs.Loader(12, 1, 4), Runs.Loader(6, 2, 3, shuffle: false));
        trainer.CheckpointSaved += path => saved.Add(Path.GetFileName(path));
        var result = trainer.Run();
        Assert.That(saved, Is.SupersetOf(["checkpoint-2", "checkpoint-4", "checkpoint-6", "checkpoint-8", "checkpoint-9"]));
        var left = Checkpoint.All(_directory["run"]).Select(c => c.Step).ToList();
        Assert.That(left, Has.Count.EqualTo(3).And.Member(9).And.Member(result.BestStep));
        Assert.That(Checkpoint.Last(_directory["run"]), Is.EqualTo(_directory["run", "checkpoint-9"]).And.EqualTo(result.Checkpoint));
    }

    [Test]
    public void A_run_that_diverges_keeps_its_last_checkpoint()
    {
        var trainable = Runs.Lora("llama", _backend);
        var options = new TrainerOptions { OutputDirectory = _directory["run"], MaxSteps = 9, SaveSteps = 2 };
        var trainer = new Trainer(trainable, options, Runs.Loader(12, 1, 4));
        Dictionary<string, float[]>? atFour = null;
        trainer.StepDone += progress =>
        {
            if (progress.Step == 4)
            {
                atFour = Runs.Values(trainable);
            }
            if (progress.Step == 5)
            {
                var parameter = trainable.Parameters[0].Parameter.Value;
                _backend.FillUniform(parameter, float.NaN, float.NaN, 0, 0);
            }
        };
        var failure = Assert.Throws<TrainingDivergedException>(() => trainer.Run());
        Assert.That(failure.Step, Is.EqualTo(6));
        trainable.Load(Checkpoint.Last(_directory["run"])!);
        Assert.That(Runs.Values(trainable), Is.EqualTo(atFour));
    }

    [Test]
    public void An_output_directory_that_cannot_be_written_to_is_refused_before_the_first_step()
    {
        File.WriteAllText(_directory["file"], "");
        Refuses("file");
        Refuses("file", "below");
        if (!OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(_directory["locked"]);
            File.SetUnixFileMode(_directory["locked"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
            Refuses("locked");
            Refuses("locked", "below");
            File.SetUnixFileMode(_directory["locked"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        void Refuses(params string[] place)
        {
            int steps = 0;
            var trainer = new Trainer(Runs.Lora("llama", _backend), new TrainerOptions
            {
                OutputDirectory = _directory[place],
                MaxSteps = 1
            }, Runs.Loader(4, 1, 2));
            trainer.StepDone += _ => steps++;
            Assert.That(() => trainer.Run(), Throws.TypeOf<BadInputException>().With.Message.Contains(_directory[place]));
            Assert.That(steps, Is.Zero);
        }
    }

    [Test]
    public void Settings_that_make_no_sense_are_refused_with_a_sentence()
    {
        var trainable = Runs.Lora("llama", _backend);
        var loader = Runs.Loader(4, 1, 2);
        using (Assert.EnterMultipleScope())
        {
            Refuses(new TrainerOptions { LearningRate = 0 }, "learning_rate is 0, expected a number above 0");
            Refuses(new TrainerOptions { Epochs = 0 }, "num_epochs is 0");
            Refuses(new TrainerOptions { GradientAccumulationSteps = 0 }, "gradient_accumulation_steps is 0");
            Refuses(new TrainerOptions { WarmupRatio = 1.5 }, "warmup_ratio is 1.5");
            Refuses(new TrainerOptions { EarlyStoppingPatience = 2 }, "give a validation set");
            Refuses(new TrainerOptions { SaveSteps = 2 }, "no output directory");
        }

        void Refuses(TrainerOptions options, string sentence) =>
            Assert.That(() => new Trainer(trainable, options, loader), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }
}
