using PeftCore.Backends;
using PeftCore.Tensors;
using PeftCore.Training;

namespace PeftCore.Lab.Engine;

/// <summary>Copies of the tensors that one step saved for its backward pass, in the order of its ops.</summary>
/// <param name="step">Number of the step, from 1.</param>
internal sealed class SavedTensors(int step)
{
    private readonly List<SavedTensor> _all = [];
    private readonly Dictionary<int, float[]> _copies = [];

    public int Step => step;

    public IReadOnlyList<SavedTensor> All => _all;

    /// <summary>Bytes that the step held for its backward pass; shared memory is counted once.</summary>
    public long Bytes => _all.Sum(each => each.Traced.Bytes);

    /// <summary>Copies a tensor. Called between the forward and the backward pass, while it exists.</summary>
    public void Add(TracedOp op, TracedTensor traced, Tensor tensor)
    {
        // Ops that read the same memory have one copy of it.
        if (!_copies.TryGetValue(traced.Memory, out float[]? values) || values.Length != tensor.Count)
        {
            values = tensor.DType is DType.F32 or DType.BF16 or DType.F16 ? tensor.ToFloats() : [];
            _copies[traced.Memory] = values;
        }
        _all.Add(new SavedTensor(op, traced, values));
    }
}

/// <summary>One saved tensor.</summary>
/// <param name="Op">The op that saved it.</param>
/// <param name="Traced">Its name, shape, bytes, and the reason why it is saved.</param>
/// <param name="Values">Its numbers, row-major; none of a tensor of indices.</param>
internal sealed record SavedTensor(TracedOp Op, TracedTensor Traced, float[] Values)
{
    /// <summary>Size of the last axis; the others are rows.</summary>
    public int Columns => Traced.Shape.Rank == 0 ? 1 : Traced.Shape[^1];

    public int Rows => Values.Length / Math.Max(1, Columns);
}
