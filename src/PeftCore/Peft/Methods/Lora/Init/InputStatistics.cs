using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>Accumulates Σ x·xᵀ, Σ x and the number of rows over the inputs of layers during forward passes, for EVA and CorDA.</summary>
internal sealed class InputStatistics(IEnumerable<Linear> layers) : IDisposable
{
    private readonly Dictionary<Layer, Sums> _sums = layers.ToDictionary(layer => (Layer)layer, layer => new Sums(layer));

    /// <summary>The rows of the next inputs that are included; null for all.</summary>
    public int[]? Only { get; set; }

    /// <summary>Adds an input x (…, in) of a layer; other layers are ignored.</summary>
    public void See(Layer layer, Tensor x)
    {
        if (_sums.TryGetValue(layer, out var sums))
        {
            using var scope = new TensorScope();
            if (Only is { } rows)
            {
                x = x.Reshape([x.Shape.Rows, x.Shape.Columns]).Rows(x.Backend.From(rows, [rows.Length]));
            }
            x.Backend.MatMul(x, true, x, false, sums.Gram, 1, accumulate: true);
            x.Backend.SumRows(x, sums.Sum, accumulate: true);
            sums.Rows += x.Shape.Rows;
        }
    }

    /// <summary>Σ x·xᵀ (in, in), Σ x (in), and the number of rows.</summary>
    public (double[] Gram, double[] Sum, long Rows) Of(Linear layer)
    {
        var sums = _sums[layer];
        return (sums.Gram.ToDoubles(), sums.Sum.ToDoubles(), sums.Rows);
    }

    public void Dispose()
    {
        foreach (var sums in _sums.Values)
        {
            sums.Gram.Dispose();
            sums.Sum.Dispose();
        }
    }

    private sealed class Sums(Linear layer)
    {
        public Tensor Gram { get; } = layer.Weight.Value.Backend.Zeros([layer.Inputs, layer.Inputs], kind: MemoryKind.Workspace).Keep();

        public Tensor Sum { get; } = layer.Weight.Value.Backend.Zeros([layer.Inputs], kind: MemoryKind.Workspace).Keep();

        public long Rows { get; set; }
    }
}
