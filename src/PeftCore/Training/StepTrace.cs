using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A record of one optimizer step: each op in the order it ran, what it saved for backward and why, and the memory after each op.
/// It is read from the tape and the ledger while the step runs, on a device or on the meta backend: <see cref="MemoryPlan.Trace"/> and
/// <see cref="AdapterStep.Trace"/>.</summary>
public sealed class StepTrace
{
    private readonly IReadOnlyList<TraceInterval> _intervals;

    internal StepTrace(IReadOnlyList<TracedOp> ops, IReadOnlyList<TraceInterval> intervals) => (Ops, _intervals) = (ops, intervals);

    /// <summary>The ops, recorded or not, in the order they ran.</summary>
    public IReadOnlyList<TracedOp> Ops { get; }

    /// <summary>All parameters, by modules, parents first. A status is "frozen", "trains", "trains a copy" (which replaces a frozen
    /// parameter of the base while the adapter is active), "replaced" (the frozen parameter of such a copy), "constant" (of an adapter) or
    /// "tied" (a parameter that another module has, with 0 bytes). Parameters of an adapter are listed with the module that they adapt,
    /// those of a whole adapter with the model, whose path is empty.</summary>
    public IReadOnlyList<(string Module, string Type, string Name, string Status, Shape Shape, DType DType, long Bytes)> Parameters
    {
        get;
        internal init;
    } = [];

    /// <summary>The allocated bytes by kind during the step. Each entry is an interval that ends when an op has run, forward or backward,
    /// or when a phase ends (then without op): the bytes at its highest moment, and those after it. Phases are "start", "forward",
    /// "backward" and "update". The largest sum of <c>Highest</c> is the peak of the step.</summary>
    public IReadOnlyList<(string Phase, int MicroBatch, int? Op, IReadOnlyDictionary<MemoryKind, long> Highest,
        IReadOnlyDictionary<MemoryKind, long> After)> Timeline =>
        field ??= [.. _intervals.Select(interval => (interval.Phase, interval.MicroBatch, interval.Op, Kinds(interval.Highest),
            Kinds(interval.After)))];

    /// <summary>Loss and gradient norm of the step; 0 on the meta backend.</summary>
    public StepResult Result { get; internal init; }

    /// <summary>Where backward stops: ops with an input that another op computed and that needs no gradient, and why it needs none. Empty
    /// if every gradient reaches a parameter.</summary>
    public IReadOnlyList<(int Op, string Reason)> Stops => field ??= TraceReasons.Stops(Ops);

    private static IReadOnlyDictionary<MemoryKind, long> Kinds(long[] bytes) =>
        Enum.GetValues<MemoryKind>().Where(kind => bytes[(int)kind] != 0).ToDictionary(kind => kind, kind => bytes[(int)kind]);
}

/// <summary>The memory of one interval of a step, by <see cref="MemoryKind"/>.</summary>
/// <param name="Phase">The phase of the step.</param>
/// <param name="MicroBatch">Index of the micro batch.</param>
/// <param name="Op">Number of the op that ran; null if a phase ended.</param>
/// <param name="Highest">Bytes at the highest moment.</param>
/// <param name="After">Bytes at the end.</param>
internal sealed record TraceInterval(string Phase, int MicroBatch, int? Op, long[] Highest, long[] After);
