namespace PeftCore.Training;

/// <summary>One op of a traced step: what it read, what it saves for backward and why.</summary>
public sealed class TracedOp
{
    internal TracedOp(int number, string name, string module) => (Number, Name, Module) = (number, name, module);

    /// <summary>Its index in <see cref="StepTrace.Ops"/>.</summary>
    public int Number { get; }

    /// <summary>Name of the op, such as "lora_linear": docs/gradients.md has its equations.</summary>
    public string Name { get; }

    /// <summary>Path of the module that ran it.</summary>
    public string Module { get; }

    /// <summary>Index of the micro batch.</summary>
    public int MicroBatch { get; internal init; }

    /// <summary>Number of the op whose backward ran this one again, with gradient checkpointing; null for an op of the forward
    /// pass.</summary>
    public int? RunAgainBy { get; internal init; }

    /// <summary>The inputs, absent ones left out.</summary>
    public IReadOnlyList<TracedTensor> Inputs { get; internal init; } = [];

    /// <summary>The outputs.</summary>
    public IReadOnlyList<TracedTensor> Outputs { get; internal init; } = [];

    /// <summary>The tensors saved for backward.</summary>
    public IReadOnlyList<TracedTensor> Saved { get; internal init; } = [];

    /// <summary>The values that backward reads and that are not saved, because an earlier op recomputes them from what it saves.</summary>
    public IReadOnlyList<TracedTensor> Recomputed { get; internal init; } = [];

    /// <summary>Why the op is not recorded, so that nothing is saved and backward does not reach it; null if it is recorded.</summary>
    public string? NotRecorded { get; internal init; }
}
