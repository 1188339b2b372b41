using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Peft;
using PeftCore.Peft.Selective;
using PeftCore.Tests.Io;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

public sealed class ResumeTests
{
    private const int Steps = 6;

    private TemporaryDirectory _directory;

    [SetUp]
    public void Open() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Close() => _directory.Dispose();

    [Test]
    public void A_run_interrupted_after_any_step_and_resumed_ends_as_if_it_had_never_stopped([Values] OptimizerKind optimizer)
    {
        var options = Options("whole", optimizer);
        Start(options);
        for (int stop = optimizer == OptimizerKind.AdamW ? 1 : Steps / 2; stop < Steps; stop++)
        {
            var broken = Options($"stopped-{stop}", optimizer);
            using var cancel = new CancellationTokenSource();
            var result = Start(broken, cancel: cancel, cancelAfter: stop);
            Assert.That(result.Interrupted, Is.True);
            Assert.That(result.Checkpoint, Is.EqualTo(Checkpoint.PathOf(broken.OutputDirectory!, stop)));
            Start(broken with { ResumeFrom = result.Checkpoint });
            AssertSame(options, broken, $"stopped after step {stop}");
        }
    }

    [Test]
    public void A_run_with_8_bit_moments_resumes_from_bitsandbytes_state_to_the_bit()
    {
        var options = Options("whole", OptimizerKind.AdamW8Bit);
        Start(options, build: LastLayer); // GPT-2's MLP has weights of 4,096 elements.
        var broken = Options("stopped", OptimizerKind.AdamW8Bit);
        using var cancel = new CancellationTokenSource();
        string checkpoint = Start(broken, cancel: cancel, cancelAfter: 3, build: LastLayer).Checkpoint!;
        string file = Path.Combine(checkpoint, "training_state.safetensors");
        using (var state = WeightSource.OpenFile(file))
        {
            string name = state.Names.First(name => name.EndsWith("c_fc.weight.state1", StringComparison.Ordinal))[..^"state1".Length];
            Assert.That(state.Names.Where(other => other.StartsWith(name, StringComparison.Ordinal)).Select(other => other[name.Length..]),
                Is.EquivalentTo(["step", "state1", "state2", "absmax1", "absmax2", "qmap1", "qmap2"]));
            Assert.That((state.Get(name + "state1").DType, state.Get(name + "absmax1").DType), Is.EqualTo(("U8", "F32")));
            Assert.That(state.Get(name + "state1").Shape, Is.EqualTo([32L, 128]));
            Assert.That(state.Get(name + "absmax1").Shape, Is.EqualTo([16L]));
        }
        Start(broken with { ResumeFrom = checkpoint }, build: LastLayer);
        AssertSame(options, broken, "resumed with codes");

        // Another map would give the codes another meaning.
        byte[] bytes = File.ReadAllBytes(file);
        bytes[bytes.AsSpan().IndexOf(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(DynamicMap.Unsigned.Values)) + 400]++;
        var changed = Options("changed", OptimizerKind.AdamW8Bit);
        CopyOf(checkpoint, Path.Combine(changed.OutputDirectory!, "checkpoint-3"));
        File.WriteAllBytes(Path.Combine(changed.OutputDirectory!, "checkpoint-3", "training_state.safetensors"), bytes);
        Assert.That(() => Start(changed with { ResumeFrom = Path.Combine(changed.OutputDirectory!, "checkpoint-3") }, build: LastLayer),
            Throws.TypeOf<BadInputException>().With.Message.Contains("is not bitsandbytes' dynamic map"));

        static void CopyOf(string from, string to)
        {
            Directory.CreateDirectory(to);
            foreach (string path in Directory.GetFiles(from))
            {
                File.Copy(path, Path.Combine(to, Path.GetFileName(path)));
            }
        }
    }

    [Test]
    public void A_run_killed_at_any_write_and_resumed_from_what_is_on_disk_ends_as_if_it_had_never_stopped()
    {
        var options = Options("whole");
        var places = new List<string>();
        Start(options, fault: places.Add);
        Assert.That(places.Distinct(),
            Is.EquivalentTo(["log row", "checkpoint begun", "parameters written", "moments written", "state written",
            "checkpoint standing", "removing", "result"]));
        for (int kill = 0; kill < places.Count; kill++)
        {
            var broken = Options($"killed-{kill}");
            int passed = 0;
            Assert.Throws<Killed>(() => Start(broken, fault: _ =>
            {
                if (passed++ == kill)
                {
                    throw new Killed();
                }
            }));
            LeaveTraces(broken.OutputDirectory!);
            Start(broken with { ResumeFrom = Checkpoint.Last(broken.OutputDirectory!) });
            AssertSame(options, broken, $"killed at write {kill}, \"{places[kill]}\"");
        }
    }

    [Test]
    public void A_run_killed_before_any_change_of_the_disk_and_resumed_ends_as_if_it_had_never_stopped()
    {
        var options = Options("whole");
        Start(options);
        for (int point = 0; ; point += 5)
        {
            var broken = Options($"killed-{point}");
            if (KillPoints.Stop(point, () => Start(broken), _ => throw new KillPoints.Killed(), once: false) is not { } place)
            {
                Assert.That(point, Is.GreaterThan(60));
                return;
            }
            string[] found = Directory.Exists(broken.OutputDirectory) ? Directory.GetDirectories(broken.OutputDirectory, "checkpoint-*")
                : [];
            Assert.That(found.Select(path => Directory.GetFiles(path).Length), Is.All.EqualTo(4), $"{point}: {place}");
            Start(broken with { ResumeFrom = Checkpoint.Last(broken.OutputDirectory!) });
            AssertSame(options, broken, $"killed at change {point}, \"{place}\"");
        }
    }

    [Test]
    public void A_run_whose_directory_is_taken_away_ends_with_a_sentence()
    {
        var options = Options("run");
        bool moved = false;
        Assert.That(() => Start(options, fault: place =>
        {
            if (place == "checkpoint standing" && !moved)
            {
                moved = true;
                Directory.Move(options.OutputDirectory!, _directory["elsewhere"]);
            }
        }), Throws.TypeOf<BadInputException>().With.Message.Contains("was removed or renamed while training"));
        Assert.That(options.OutputDirectory, Does.Not.Exist);
    }

    [Test]
    public void Resuming_from_an_earlier_checkpoint_runs_the_later_steps_again()
    {
        var options = Options("run") with { SaveTotalLimit = 0 };
        Start(options);
        var whole = Options("whole") with { SaveTotalLimit = 0 };
        Start(whole);
        var seen = new List<string?>();
        Start(options with { ResumeFrom = Checkpoint.PathOf(options.OutputDirectory!, 2) },
            fault: _ => seen.Add(Checkpoint.Last(options.OutputDirectory!)));
        Assert.That(seen[0], Does.EndWith("checkpoint-2"), "checkpoints of steps that are yet to come are gone");
        AssertSame(whole, options, "resumed from step 2");
    }

    [Test]
    public void A_run_resumed_into_another_directory_is_whole_there_and_leaves_the_first_alone()
    {
        var whole = Options("whole");
        Start(whole);
        var first = Options("first");
        using var cancel = new CancellationTokenSource();
        string checkpoint = Start(first, cancel: cancel, cancelAfter: 4).Checkpoint!;
        string[] before = Directory.GetFileSystemEntries(first.OutputDirectory!, "*", SearchOption.AllDirectories);
        var second = Options("second");
        Start(second with { ResumeFrom = checkpoint + "/" });
        AssertSame(whole, second, "resumed elsewhere");
        Assert.That(Directory.GetFileSystemEntries(first.OutputDirectory!, "*", SearchOption.AllDirectories), Is.EquivalentTo(before));
        Assert.That(() => Start(second with { ResumeFrom = checkpoint }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("of an earlier run"));
    }

    [Test]
    public void Going_on_with_something_else_is_refused_with_a_sentence()
    {
        var options = Options("run");
        Start(options);
        string checkpoint = Checkpoint.Last(options.OutputDirectory!)!;
        var resumed = options with { ResumeFrom = checkpoint };
        using (Assert.EnterMultipleScope())
        {
            Refuses(() => Start(options), "holds checkpoint-6 of an earlier run");
            Refuses(() => Start(resumed with { Seed = 8 }), "began with seed 7, but now it is 8");
            Refuses(() => Start(resumed with { GradientAccumulationSteps = 3 }),
                "began with gradient_accumulation_steps 2, but now it is 3");
            Refuses(() => Start(resumed, dataSeed: 2), "other training data");
            Refuses(() => Start(resumed with { Optimizer = OptimizerKind.Sgd }), "belongs to no parameter that trains now");
            Refuses(() => Start(options with { ResumeFrom = _directory.FullPath }), "this is not a checkpoint");
        }
        File.WriteAllText(Path.Combine(checkpoint, "trainer_state.json"), "{\"version\": 1, \"step\": -3}");
        Refuses(() => Start(resumed), "\"step\"");

        static void Refuses(Func<TrainingResult> start, string sentence) =>
            Assert.That(() => start(), Throws.TypeOf<BadInputException>().With.Message.Contains(sentence));
    }

    private TrainerOptions Options(string name, OptimizerKind optimizer = OptimizerKind.AdamW) => new()
    {
        OutputDirectory = _directory[name], Optimizer = optimizer, Momentum = 0.9f, LearningRate = 0.02, WarmupSteps = 2, MaxSteps = Steps,
        GradientAccumulationSteps = 2, LoggingSteps = 1, EvalSteps = 3, SaveSteps = 2, SaveTotalLimit = 2, WeightDecay = 0.1f, Seed = 7,
        LoadBestModelAtEnd = true,
    };

    /// <summary>Starts a run that shares only the directory with other runs, like another process.</summary>
    private static TrainingResult Start(TrainerOptions options, Action<string>? fault = null, ulong dataSeed = 1,
        CancellationTokenSource? cancel = null,
        int cancelAfter = 0, Func<Backend, ITrainable>? build = null)
    {
        using var backend = new CpuBackend(1);
        var trainer = new Trainer(build?.Invoke(backend) ?? Runs.Lora("llama", backend), options, Runs.Loader(15, dataSeed, 2),
            Runs.Loader(4, 9, 2, shuffle: false))
        { Fault = fault };
        trainer.StepDone += progress =>
        {
            if (progress.Step == cancelAfter)
            {
                cancel?.Cancel();
            }
        };
        return trainer.Run(cancel?.Token ?? default);
    }

    private static ITrainable LastLayer(Backend backend)
    {
        var model = new PeftModel(Runs.Model("gpt2", backend));
        model.AddAdapter(new LastLayersConfig { NumTrainedLayers = 1 });
        return new TrainableAdapter(model);
    }

    /// <summary>Creates further leftovers of a kill: a partial row, a partial checkpoint.</summary>
    private static void LeaveTraces(string directory)
    {
        File.AppendAllText(Path.Combine(directory, "training_log.jsonl"), "{\"step\":99,\"lo");
        Directory.CreateDirectory(Path.Combine(directory, "checkpoint-99.partial"));
        File.WriteAllText(Path.Combine(directory, "checkpoint-99.partial", "adapter_model.safetensors"), "half");
    }

    private static void AssertSame(TrainerOptions expected, TrainerOptions actual, string how)
    {
        var (whole, broken) = (expected.OutputDirectory!, actual.OutputDirectory!);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Runs.ExactLog(broken), Is.EqualTo(Runs.ExactLog(whole)), how);
            Assert.That(Directory.GetDirectories(broken, "*.partial"), Is.Empty, how);
            Assert.That(KillPoints.Hidden(broken), Is.Empty, how);
            // Which older checkpoints are left depends on where it stopped; the result and the last one do not.
            foreach (string name in new[] { "adapter_model.safetensors", $"checkpoint-{Steps}/adapter_model.safetensors",
                $"checkpoint-{Steps}/training_state.safetensors" })
            {
                Assert.That(File.ReadAllBytes(Path.Combine(broken, name)), Is.EqualTo(File.ReadAllBytes(Path.Combine(whole, name))),
                    $"{how}: {name}");
            }
        }
    }

    private sealed class Killed : Exception;
}
