using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoftQ (Li et al. 2023, arXiv 2310.08659, algorithm 1): W ≈ Q + s·B·A. Each iteration rounds W − s·B·A to NF4, which gives Q,
/// and factors the error W − Q, which gives A and B. Q replaces W while the adapter is active.</summary>
internal static class LoftqInit
{
    // 4 bits, as bitsandbytes stores them; Hugging Face PEFT takes its quantiser too.
    private static readonly QuantizedFormat Format = new(QuantizedKind.NF4);

    /// <summary>Fills A and B, and swaps the layer's weight for Q.</summary>
    public static void Fill(AttachContext context, string path, Linear layer, Parameter a, Parameter b, float scale, int iterations)
    {
        layer.Weight.RefuseIfQuantized("quantise, as LoftQ does", path);
        var quantized = context.NewFrozen(layer.Weight);
        if (!context.Backend.IsMeta)
        {
            var (q, factors) = Solve(BaseWeight.ToDouble(path, layer), layer, a.Shape[0], scale, iterations);
            factors.Upload(a.Value, b.Value);
            Store(layer.Transposed ? Dense.Transpose(q, layer.Outputs, layer.Inputs) : q, quantized.Value);
        }
        context.Adapter.Swaps.Add(new ParameterSwap(layer, "weight", new AdapterParameter(path, "base_layer.weight", "base_layer.weight",
            quantized), trainable: false));
    }

    /// <param name="weight">W (out, in).</param>
    /// <param name="layer">The layer.</param>
    /// <param name="r">The rank.</param>
    /// <param name="scale">s</param>
    /// <param name="iterations">Number of iterations.</param>
    /// <returns>Q (out, in) and the factors.</returns>
    private static (double[] Q, LowRankFactors Factors) Solve(double[] weight, Linear layer, int r, double scale, int iterations)
    {
        double[] residual = weight, q = [];
        LowRankFactors? factors = null;
        for (int i = 0; i < iterations; i++)
        {
            q = Round(residual, layer);
            factors = PissaInit.Solve([.. weight.Zip(q, (w, level) => w - level)], layer, r, scale);
            residual = [.. weight.Zip(factors.Product(), (w, product) => w - scale * product)];
        }
        return (q, factors!);
    }

    /// <summary>The numbers that codes of NF4 stand for.</summary>
    private static double[] Round(double[] values, Linear layer)
    {
        using var scope = new TensorScope();
        var backend = layer.Weight.Value.Backend;
        var wide = backend.From(Array.ConvertAll(values, x => (float)x), [layer.Outputs, layer.Inputs], MemoryKind.Workspace);
        return wide.Quantized(Format, layer.Name).ToDoubles();
    }

    /// <summary>Writes values into a weight, rounded once to its dtype.</summary>
    private static void Store(double[] values, Tensor weight)
    {
        using var scope = new TensorScope();
        var wide = weight.NewLike(weight.Shape, DType.F32);
        wide.Upload<float>(Array.ConvertAll(values, x => (float)x));
        wide.Backend.Cast(wide, weight);
    }
}
