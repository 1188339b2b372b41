using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>How A and B of a linear layer start.</summary>
internal static class LoraInitializer
{
    /// <summary>Fills A (r, in) and B (out, r); for PiSSA and OLoRA returns what they take out of the base weight.</summary>
    public static LowRankAnchor? Fill(LoraInit init, string path, Linear layer, Tensor a, Tensor b, float scale, ulong seed, ulong stream)
    {
        var backend = a.Backend;
        int r = a.Shape[0];
        switch (init)
        {
            case LoraInit.Gaussian:
                backend.FillNormal(a, 0, 1f / r, seed, stream);
                backend.Zero(b);
                return null;
            case LoraInit.Random:
                FillKaiming(a, seed, stream);
                FillKaiming(b, seed, stream + 1);
                return null;
            case LoraInit.Pissa or LoraInit.Olora:
                return FillFromWeight(init, path, layer, a, b, scale);
            default:
                FillKaiming(a, seed, stream);
                backend.Zero(b);
                return null;
        }
    }

    /// <summary>Uniform in ±√(6/((1 + a²)·fan_in)) with a = √5, which is ±1/√fan_in (He et al. 2015).</summary>
    private static void FillKaiming(Tensor weight, ulong seed, ulong stream)
    {
        float bound = 1 / MathF.Sqrt(weight.Shape.Columns);
        weight.Backend.FillUniform(weight, -bound, bound, seed, stream);
    }

    /// <summary>Fills A and B with factors found from data; those that are taken out of the base come back as what is.</summary>
    public static LowRankAnchor? Fill(string path, InitialFactors factors, Tensor a, Tensor b, bool changesBase)
    {
        if (factors.A.Length != a.Shape.Count || factors.B.Length != b.Shape.Count)
        {
            throw new BadInputException(
                $"the initial factors of \"{path}\" are of rank {factors.A.Length / a.Shape.Columns}, but the configuration asks for " +
                $"rank {a.Shape[0]}; go on with the rank the run began with");
        }
        if (!a.Backend.IsMeta)
        {
            Upload(factors.A, a);
            Upload(factors.B, b);
        }
        return changesBase ? Keep(a, b) : null;
    }

    /// <summary>Fills A and B with what rounding loses, and rounds a copy of the weight.</summary>
    public static void FillLoftQ(string path, Linear layer, Tensor a, Tensor b, float scale, int turns, Parameter rounded)
    {
        var stored = layer.Weight.Value;
        if (a.Backend.IsMeta)
        {
            return;
        }
        var (values, factors) = LoftQ.Solve(WeightOf(path, layer), layer.Outputs, layer.Inputs, a.Shape[0], scale, turns);
        Fill(path, factors, a, b, changesBase: false);
        using var scope = new TensorScope();
        var wide = stored.NewLike(stored.Shape, DType.F32);
        Upload(layer.Transposed ? Dense.Transpose(values, layer.Outputs, layer.Inputs) : values, wide);
        wide.Backend.Cast(wide, rounded.Value);
    }

    private static LowRankAnchor FillFromWeight(LoraInit init, string path, Linear layer, Tensor a, Tensor b, float scale)
    {
        int m = layer.Outputs, n = layer.Inputs, r = a.Shape[0];
        if (a.Backend.IsMeta)
        {
            return Keep(a, b);
        }
        double[] weight = WeightOf(path, layer);
        double[] left, right; // (out, r) and (r, in)
        if (init == LoraInit.Pissa)
        {
            (left, double[] values, right) = Factorization.TruncatedSvd(weight, m, n, r);
            for (int i = 0; i < r; i++)
            {
                double root = Math.Sqrt(values[i] / scale);
                for (int k = 0; k < m; k++)
                {
                    left[k * r + i] *= root;
                }
                for (int k = 0; k < n; k++)
                {
                    right[i * n + k] *= root;
                }
            }
        }
        else
        {
            (left, right) = Factorization.TruncatedQr(weight, m, n, r);
        }
        Upload(left, b);
        Upload(right, a);
        return Keep(a, b);
    }

    /// <summary>The weight as (out, in) in double precision, whatever its layout and dtype.</summary>
    public static double[] WeightOf(string path, Linear layer)
    {
        using var scope = new TensorScope();
        var stored = layer.Weight.Value;
        var wide = stored.NewLike(stored.Shape);
        stored.Backend.Cast(stored, wide);
        if (!stored.Backend.AllFinite(wide))
        {
            throw new BadInputException(
                $"the weight of \"{path}\" holds NaN or infinity, so it cannot be factored; use another initialisation or an intact model");
        }
        double[] values = Array.ConvertAll(wide.ToArray<float>(), x => (double)x);
        return layer.Transposed ? Dense.Transpose(values, layer.Inputs, layer.Outputs) : values;
    }

    private static void Upload(double[] values, Tensor to) =>
        to.Backend.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(Array.ConvertAll(values, x => (float)x)), to);

    /// <summary>Factors as they are now, to be taken out of the base.</summary>
    public static LowRankAnchor Keep(Tensor a, Tensor b) => new(Copy(a), Copy(b));

    private static Tensor Copy(Tensor tensor)
    {
        var copy = tensor.NewLike(tensor.Shape, kind: MemoryKind.Frozen);
        copy.Backend.Copy(tensor, copy);
        return copy.Keep();
    }
}
