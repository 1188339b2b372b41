using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>What goes into layers while data runs through a model: Σ x·xᵀ, Σ x and how many rows there were.</summary>
internal sealed class InputStatistics(IEnumerable<Linear> layers) : IDisposable
{
    private readonly Dictionary<Layer, Sums> _sums = layers.ToDictionary(layer => (Layer)layer, layer => new Sums(layer));

    public void See(Layer layer, Tensor x)
    {
        if (_sums.TryGetValue(layer, out var sums))
        {
            x.Backend.MatMul(x, true, x, false, sums.Gram, 1, accumulate: true);
            x.Backend.SumRows(x, sums.Sum, accumulate: true);
            sums.Rows += x.Shape.Rows;
        }
    }

    /// <summary>Σ x·xᵀ (in, in), Σ x (in), and the number of rows.</summary>
    public (double[] Gram, double[] Sum, long Rows) Of(Linear layer)
    {
        var sums = _sums[layer];
        return (Wide(sums.Gram), Wide(sums.Sum), sums.Rows);
    }

    public void Dispose()
    {
        foreach (var sums in _sums.Values)
        {
            sums.Gram.Dispose();
            sums.Sum.Dispose();
        }
    }

    private static double[] Wide(Tensor tensor) => Array.ConvertAll(tensor.ToArray<float>(), x => (double)x);

    private sealed class Sums(Linear layer)
    {
        public Tensor Gram { get; } = layer.Weight.Value.Backend.Zeros([layer.Inputs, layer.Inputs], kind: MemoryKind.Workspace).Keep();

        public Tensor Sum { get; } = layer.Weight.Value.Backend.Zeros([layer.Inputs], kind: MemoryKind.Workspace).Keep();

        public long Rows { get; set; }
    }
}
