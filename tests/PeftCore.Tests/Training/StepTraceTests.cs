using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Peft;
using PeftCore.Tensors;
using PeftCore.Tests.Peft;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>The planned step of every method, op by op and byte by byte, against the tape and the ledger of a real step.</summary>
[TestFixtureSource(typeof(MethodCases), nameof(MethodCases.OnAllFamilies))]
public sealed class StepTraceTests(MethodCase method, Family family)
{
    [Test]
    public void The_trace_is_what_the_tape_and_the_ledger_of_a_real_step_record()
    {
        PeftModel Build(Backend backend)
        {
            var model = new PeftModel(family.Load(backend));
            model.AddAdapter(method.Config(family));
            return model;
        }
        var options = new TrainerOptions();
        var plan = MemoryPlan.Of(Build, 2, 8, options);
        var trace = plan.Trace!;

        using var cpu = new CpuBackend(1);
        using var tensors = new TensorScope();
        var trainable = new TrainableAdapter(Build(cpu));
        using var optimizer = options.NewOptimizer(trainable);
        using var step = new TrainingStep(trainable, optimizer, options.MaxGradNorm);
        var record = new RealRecord(cpu, step);
        cpu.Memory.ResetPeak();
        var real = StepRecorder.Record(step, [MemoryPlan.FullBatch(step.Trainable.Model, 2, 8)], options.LearningRate);

        var recorded = trace.Ops.Where(op => op.NotRecorded is null && op.RunAgainBy is null).ToList();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(recorded.Select(op => $"{op.Name} in {op.Module}"), Is.EqualTo(record.Ops));
            Assert.That(recorded.SelectMany(op => op.Saved.Select(saved =>
                $"{op.Name} in {op.Module}: {saved.Name} {saved.DType} {saved.Shape} {saved.Bytes}")), Is.EqualTo(record.Saved));
            Assert.That(recorded.Sum(op => op.Saved.Sum(saved => saved.Bytes)), Is.EqualTo(record.SavedBytes).And.EqualTo(plan.SavedBytes));
            Assert.That(Totals(trace), Is.EqualTo(record.Totals), "bytes by kind where a phase begins");
            Assert.That(Peak(trace), Is.EqualTo(record.PeakByKind()), "the peak");
            Assert.That(Math.Max(Peak(trace).Sum(), plan.LoadingPeakBytes), Is.EqualTo(plan.PeakBytes));
            Assert.That(recorded.SelectMany(op => op.Saved.Concat(op.Recomputed)).Select(saved => saved.Reason),
                Is.All.Match("^needed for .+"));
            Assert.That(trace.Ops.Select(Text), Is.EqualTo(real.Ops.Select(Text)));
            Assert.That(trace.Timeline.Select(Text), Is.EqualTo(real.Timeline.Select(Text)));
            Assert.That(trace.Stops, Is.EqualTo(real.Stops));
            Assert.That(trace.Parameters, Is.EqualTo(real.Parameters));
        }
    }

    private static string Text((string Phase, int Batch, int? Op, IReadOnlyDictionary<MemoryKind, long> Highest,
        IReadOnlyDictionary<MemoryKind, long> After) interval) =>
        $"{interval.Phase} {interval.Op}: {Text(Bytes(interval.Highest))}; {Text(Bytes(interval.After))}";

    private static string Text(TracedOp op) => $"{op.Name} in {op.Module}, {op.NotRecorded}: " + string.Join(", ",
        op.Inputs.Concat(op.Outputs).Concat(op.Saved).Concat(op.Recomputed).Select(t =>
            $"{t.Name} {t.DType}{t.Shape} {t.Bytes} {t.Op} {t.Parameter} {t.NeedsGrad} {t.Reason}"));

    private static string[] Totals(StepTrace trace) =>
        [.. trace.Timeline.Where(interval => interval.Op is null).Skip(1).Take(2).Select(interval => Text(Bytes(interval.After)))];

    private static long[] Peak(StepTrace trace) => Bytes(trace.Timeline.MaxBy(interval => interval.Highest.Values.Sum()).Highest);

    private static long[] Bytes(IReadOnlyDictionary<MemoryKind, long> kinds) =>
        [.. Enum.GetValues<MemoryKind>().Select(kind => kinds.GetValueOrDefault(kind))];

    private static string Text(long[] bytes) => string.Join(' ', bytes);

    /// <summary>What the tape holds after the forward pass, and what the ledger counts.</summary>
    private sealed class RealRecord
    {
        private readonly CpuBackend _backend;

        public RealRecord(CpuBackend backend, TrainingStep step)
        {
            _backend = backend;
            step.PhaseObserver = See;
        }

        public List<string> Ops { get; } = [];

        public List<string> Saved { get; } = [];

        public List<string> Totals { get; } = [];

        public long SavedBytes { get; private set; }

        public long[] PeakByKind() => [.. Enum.GetValues<MemoryKind>().Select(_backend.Memory.AtPeak)];

        private void See(StepPhase phase, Tape tape)
        {
            Totals.Add(Text([.. Enum.GetValues<MemoryKind>().Select(_backend.Memory.Current)]));
            if (phase != StepPhase.Backward)
            {
                return;
            }
            var seen = new HashSet<Storage>();
            SavedBytes = tape.SavedBytes;
            foreach (var node in tape.Nodes)
            {
                string op = $"{node.Op} in {node.Path}";
                Ops.Add(op);
                Saved.AddRange(node.SavedTensors.Select(saved => $"{op}: {saved.Name} {saved.Tensor.DType} {saved.Tensor.Shape} " +
                    $"{(seen.Add(saved.Tensor.Storage) ? saved.Tensor.Storage.ReservedBytes : 0)}"));
            }
        }
    }
}
