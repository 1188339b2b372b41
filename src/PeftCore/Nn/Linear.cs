using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>y = x·Wᵀ + b, with W stored (out, in), or (in, out) as GPT-2's Conv1D has it.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var scope = new TensorScope();
/// using var layer = new Linear(inputs: 3, outputs: 2);
/// layer.Weight.Set(backend.From([1f, 0, 0, 0, 1, 0], layer.Weight.Shape));
/// Console.WriteLine(string.Join(", ", layer.Forward(backend.From([5f, 6, 7], [1, 3])).ToFloats())); // 5, 6
/// </code>
/// </example>
public sealed class Linear : MatrixLayer
{
    /// <summary>Declares the layer.</summary>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of y.</param>
    /// <param name="bias">Whether the layer has a bias b.</param>
    /// <param name="transposed">Whether W is stored (in, out).</param>
    public Linear(int inputs, int outputs, bool bias = false, bool transposed = false) : base(inputs, transposed)
    {
        Add("weight", new Parameter(transposed ? [inputs, outputs] : [outputs, inputs]));
        if (bias)
        {
            Add("bias", new Parameter([outputs]));
        }
    }

    private protected override bool TakesRows => !Transposed && Bias is null;

    /// <summary>Runs layers with the same input. Those that are a linear map plus low-rank updates run in one op, the others one by
    /// one.</summary>
    /// <param name="x">(…, in)</param>
    /// <param name="layers">Layers of one input size.</param>
    /// <returns>(…, out) of each layer in turn.</returns>
    internal static Tensor[] ForwardFused(Tensor x, params ReadOnlySpan<Linear> layers)
    {
        var outputs = new Tensor[layers.Length];
        var joined = new List<int>();
        var maps = new List<AdaptedLinear>();
        var names = new List<string>();
        for (int i = 0; i < layers.Length; i++)
        {
            // If x needs no gradient, a frozen layer must not be part of the op, because it would be recorded with the trained ones.
            if (layers[i].AsMap() is { } map && (x.RequiresGrad || !Tape.IsRecording || RequiresGrad(map)))
            {
                joined.Add(i);
                maps.Add(map);
                names.Add(layers[i].Name);
            }
            else
            {
                outputs[i] = layers[i].Forward(x);
            }
        }
        if (maps.Count > 0)
        {
            using var scope = new TensorScope(string.Join('+', names));
            var results = x.LoraLinears([.. maps]);
            for (int i = 0; i < results.Length; i++)
            {
                outputs[joined[i]] = scope.Return(results[i]);
            }
        }
        return outputs;
    }

    /// <summary>The layer as a linear map plus low-rank updates; null if its hook must run.</summary>
    private AdaptedLinear? AsMap() => (Hook is null ? [] : Hook.LowRankUpdates()) is { } updates
        ? new AdaptedLinear(Weight.Value, Bias?.Value, Transposed, updates)
        : null;

    private static bool RequiresGrad(AdaptedLinear map) => map.Weight.RequiresGrad || map.Bias is { RequiresGrad: true } ||
        map.Updates.Any(b => b.A.RequiresGrad || b.B.RequiresGrad || b.Bias is { RequiresGrad: true }
            || b.Diagonal is { RequiresGrad: true });

    /// <summary>Shares another layer's weight (tied embeddings).</summary>
    public void Tie(Parameter weight)
    {
        ArgumentNullException.ThrowIfNull(weight);
        Exchange("weight", weight).Dispose();
    }

    /// <summary>Declares a weight of its own in place of a tied one, without values.</summary>
    internal void Untie() => Exchange("weight", new Parameter(Weight.Shape));

    /// <summary>Replaces the weight by the quantised form of numbers. Those of a weight stored (in, out) are transposed first, as
    /// transformers does: the layer then has (out, in).</summary>
    /// <param name="numbers">The numbers, in the weight's shape: its values, or a workspace while a model is loaded.</param>
    /// <param name="format">The format.</param>
    /// <param name="name">The weight's name, for an error.</param>
    /// <exception cref="BadInputException">A number is NaN or infinite, or beyond F16 where INT8 rounds to it.</exception>
    internal void Quantize(Tensor numbers, QuantizedFormat format, string name)
    {
        using var scope = new TensorScope();
        if (Transposed)
        {
            var wide = numbers.Backend.NewTensor(numbers.Shape, DType.F32, MemoryKind.Workspace);
            numbers.Backend.Cast(numbers, wide);
            numbers = wide.Transpose();
        }
        var quantized = numbers.Quantized(format, name);
        DeclareQuantized();
        Weight.Set(quantized);
    }

    /// <summary>Allocates a quantised weight (out, in), contents undefined, for codes and scales that a file has.</summary>
    /// <param name="backend">The device.</param>
    /// <param name="format">The format.</param>
    internal Tensor MaterializeQuantized(Backend backend, QuantizedFormat format)
    {
        DeclareQuantized();
        return Weight.Materialize(backend, format);
    }

    /// <summary>Declares a weight (out, in), without values: a new parameter, so that tied layers keep the one they have.</summary>
    private void DeclareQuantized()
    {
        Redeclare("weight", new Parameter([Outputs, Inputs]) { Offloaded = Weight.Offloaded });
        Transposed = false;
    }

    internal override Tensor WithUpdates(Tensor x, Tensor? bias, params ReadOnlySpan<LowRankUpdate> updates) =>
        x.LoraLinear(Weight.Value, bias, Transposed, updates);

    internal override Tensor Project(Tensor x, Tensor matrix) => x.Linear(matrix);

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => x.Linear(Weight.Value, Bias?.Value, Transposed);
}
