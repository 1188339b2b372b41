using PeftCore.Autograd;
using PeftCore.Data;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Records a <see cref="StepTrace"/> while a step runs on this thread.</summary>
internal sealed class StepRecorder : TapeObserver
{
    private readonly MemoryLedger _memory;
    private readonly TraceParameters _parameters;
    private readonly Action<TracedOp, TracedTensor, Tensor>? _saved;
    private readonly List<TracedOp> _ops = [];
    private readonly List<TraceInterval> _intervals = [];
    private readonly Dictionary<GradientNode, TracedOp> _opOf = [];
    private readonly Stack<TracedOp> _backward = new();

    // By storage: its number, and the op that wrote it last.
    private readonly Dictionary<Storage, int> _numbers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Storage, int> _writers = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Storage> _counted = new(ReferenceEqualityComparer.Instance);

    private readonly int _microBatches;
    private long[] _highest;
    private long _highestSum;
    private string _phase = "forward";
    private int _microBatch;

    private StepRecorder(ITrainable trainable, int microBatches, Action<TracedOp, TracedTensor, Tensor>? saved)
    {
        _microBatches = microBatches;
        _memory = trainable.Model.Backend.Memory;
        _parameters = new TraceParameters(trainable);
        _saved = saved;
        (_highest, _highestSum) = (_memory.Live(), _memory.CurrentBytes);
    }

    /// <summary>Runs an optimizer step as <see cref="TrainingSteps.Run"/> does, and records it.</summary>
    /// <param name="step">The step, on this thread; its observer and the ledger's still see it.</param>
    /// <param name="microBatches">Batches whose gradients are accumulated.</param>
    /// <param name="learningRate">The learning rate.</param>
    /// <param name="number">Number of the step, from 0.</param>
    /// <param name="firstPass">Number of the first micro batch since the run began.</param>
    /// <param name="saved">Receives each saved tensor after each forward pass; null for nobody.</param>
    public static StepTrace Record(TrainingStep step, IReadOnlyList<Batch> microBatches, double learningRate, int number = 0,
        ulong firstPass = 0, Action<TracedOp, TracedTensor, Tensor>? saved = null)
    {
        var recorder = new StepRecorder(step.Trainable, microBatches.Count(batch => batch.TrainableTokens > 0), saved);
        var memory = recorder._memory;
        recorder.EndInterval("start", null);
        memory.Watcher += recorder.Watch;
        step.PhaseObserver += recorder.EnterPhase;
        Current = recorder;
        try
        {
            var result = step.Run(microBatches, learningRate, number, firstPass);
            recorder.EndInterval(recorder._phase, null);
            TraceReasons.Complete(recorder._ops, recorder._parameters);
            return new StepTrace(recorder._ops, recorder._intervals)
            {
                Parameters = recorder._parameters.Rows(),
                Result = result,
            };
        }
        finally
        {
            Current = null;
            step.PhaseObserver -= recorder.EnterPhase;
            memory.Watcher -= recorder.Watch;
        }
    }

    public override void Ran(string op, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor> outputs, GradientNode? node)
    {
        var traced = new TracedOp(_ops.Count, op, TensorScope.Innermost?.Path ?? "")
        {
            MicroBatch = _microBatch,
            RunAgainBy = _backward.TryPeek(out var again) ? again.Number : null,
            Inputs = Inputs(inputs),
            Outputs = [.. outputs.ToArray().Select((output, i) => Traced($"output {i}", output, bytes: output.Storage.ReservedBytes))],
            Saved = node is null ? [] : [.. node.SavedTensors.Select(SavedBy)],
            Recomputed = node is null ? [] : [.. node.SavedValues.Where(value => value.Source is not null).Select(RecomputedBy)],
            NotRecorded = node is not null ? null
                : outputs.Length > 0 && outputs[0].GradFn is RequiresGradProbe ? TraceReasons.RunsAgain : TraceReasons.NoGradient,
        };
        if (node is not null)
        {
            _opOf.Add(node, traced);
        }
        _ops.Add(traced);
        foreach (var output in outputs)
        {
            _writers[output.Storage] = traced.Number;
        }
        EndInterval(_phase, traced.Number);
    }

    public override void BackwardBegins(GradientNode node)
    {
        if (_opOf.TryGetValue(node, out var op))
        {
            _backward.Push(op);
        }
    }

    public override void BackwardEnds(GradientNode node, bool hasRun)
    {
        if (_opOf.Remove(node, out var op))
        {
            if (hasRun)
            {
                _backward.Pop();
            }
            EndInterval(_phase, op.Number);
        }
    }

    public override void Recomputed(GradientNode node, Tensor output)
    {
        int source = _opOf[node].Number;
        // The consumers share one buffer: it is counted at the first of them, whose backward runs last.
        _ops.First(op => op.Recomputed.Any(value => value.Op == source)).Recomputed.First(value => value.Op == source).Bytes =
            output.Storage.ReservedBytes;
    }

    private void EnterPhase(StepPhase phase, Tape tape)
    {
        EndInterval(_phase, null);
        if (phase == StepPhase.Backward)
        {
            _phase = "backward";
            ShowSaved(tape);
        }
        else
        {
            bool isLast = _microBatch + 1 == _microBatches;
            (_phase, _microBatch) = isLast ? ("update", _microBatch) : ("forward", _microBatch + 1);
        }
    }

    private void ShowSaved(Tape tape)
    {
        if (_saved is null)
        {
            return;
        }
        using var off = Tape.Pause(); // What the observer computes is no part of the step.
        foreach (var node in tape.Nodes)
        {
            var op = _opOf[node];
            for (int i = 0; i < op.Saved.Count; i++)
            {
                _saved(op, op.Saved[i], node.SavedTensors[i].Tensor);
            }
        }
    }

    private void Watch(MemoryEvent change)
    {
        long sum = _memory.CurrentBytes;
        if (sum > _highestSum)
        {
            (_highest, _highestSum) = (_memory.Live(), sum);
        }
    }

    private void EndInterval(string phase, int? op)
    {
        long[] after = _memory.Live();
        _intervals.Add(new TraceInterval(phase, _microBatch, op, _highest, after));
        (_highest, _highestSum) = (after, _memory.CurrentBytes);
    }

    private List<TracedTensor> Inputs(ReadOnlySpan<Tensor?> inputs)
    {
        var traced = new List<TracedTensor>(inputs.Length);
        for (int i = 0; i < inputs.Length; i++)
        {
            if (inputs[i] is { } input)
            {
                traced.Add(Traced($"input {i}", input, input.Storage.ReservedBytes));
            }
        }
        return traced;
    }

    private TracedTensor SavedBy(Saved saved) =>
        Traced(saved.Name, saved.Tensor, _counted.Add(saved.Tensor.Storage) ? saved.Tensor.Storage.ReservedBytes : 0, saved.Equation);

    private TracedTensor RecomputedBy(SavedValue value)
    {
        var output = value.Source!.Outputs[0];
        return new TracedTensor(value.Name, output.Shape, output.DType, memory: -1)
        {
            Op = _opOf[value.Source].Number,
            NeedsGrad = true,
            Equation = value.Equation,
        };
    }

    private TracedTensor Traced(string name, Tensor tensor, long bytes, string equation = "")
    {
        var storage = tensor.Storage;
        if (!_numbers.TryGetValue(storage, out int number))
        {
            _numbers.Add(storage, number = _numbers.Count);
        }
        return new TracedTensor(name, tensor.Shape, tensor.DType, number)
        {
            Bytes = bytes,
            Op = _writers.TryGetValue(storage, out int op) ? op : null,
            Parameter = _parameters.NameOf(storage),
            NeedsGrad = tensor.RequiresGrad,
            Equation = equation,
        };
    }
}
