using System.Numerics.Tensors;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Peft.Numerics;
using Tensor = PeftCore.Tensors.Tensor;

namespace PeftCore.Peft.Lora;

/// <summary>An update of one layer in double precision: B·A, with A (rank, in) and B (out, rank). The scale is apart.</summary>
internal sealed record LowRankFactors(double[] A, double[] B, int Rank, int Inputs, int Outputs, double Scale)
{
    /// <summary>The update of a layer's adapter relative to the unchanged base: what an initialisation took out of the weight is part of
    /// it.</summary>
    public static LowRankFactors Of(LayerAdapter layer) => layer switch
    {
        LoraLinearAdapter { Anchor: null } linear => Of(linear.A.Value, linear.B.Value, linear.Scale),
        LoraLinearAdapter { Anchor: { } anchor } linear =>
            Join([Of(linear.A.Value, linear.B.Value, linear.Scale), Of(anchor.A, anchor.B, linear.Scale).Times(-1)]),
        LoraEmbeddingAdapter embedding => Of(embedding.A.Value, embedding.B.Value, embedding.Scale),
        _ => throw new BadInputException("trainable tokens replace rows of the embedding and do not add up; combine adapters without them"),
    };

    /// <summary>The update of a layer's adapter of whatever method: where it is no low-rank product, ΔW itself times the
    /// identity.</summary>
    public static LowRankFactors Of(string path, LayerAdapter adapter, Module module)
    {
        if (adapter is LoraLinearAdapter or LoraEmbeddingAdapter || module is not Linear layer)
        {
            return Of(adapter);
        }
        double[] delta = LoraConversion.Delta(path, adapter, layer);
        int side = Math.Min(layer.Inputs, layer.Outputs);
        double[] identity = new double[side * side];
        for (int i = 0; i < side; i++)
        {
            identity[i * (side + 1)] = 1;
        }
        return layer.Outputs <= layer.Inputs
            ? new LowRankFactors(delta, identity, side, layer.Inputs, layer.Outputs, 1)
            : new LowRankFactors(identity, delta, side, layer.Inputs, layer.Outputs, 1);
    }

    /// <summary>Updates of one scale side by side, their ranks added up.</summary>
    public static LowRankFactors Join(IReadOnlyList<LowRankFactors> parts)
    {
        var first = parts[0];
        int rank = parts.Sum(part => part.Rank);
        double[] b = new double[first.Outputs * rank];
        int at = 0;
        foreach (var part in parts)
        {
            for (int o = 0; o < first.Outputs; o++)
            {
                part.B.AsSpan(o * part.Rank, part.Rank).CopyTo(b.AsSpan(o * rank + at));
            }
            at += part.Rank;
        }
        return first with { A = [.. parts.SelectMany(part => part.A)], B = b, Rank = rank };
    }

    /// <summary>The same with B multiplied.</summary>
    public LowRankFactors Times(double factor)
    {
        double[] b = new double[B.Length];
        TensorPrimitives.Multiply(B, factor, b);
        return this with { B = b };
    }

    /// <summary>B·A, (out, in).</summary>
    public double[] Product() => Dense.Multiply(B, A, Outputs, Rank, Inputs);

    /// <summary>The closest update of at most a given rank to this one, without forming the product: with A = Lₐ·Qₐ and Bᵀ = L_b·Q_b, the
    /// singular values are those of the small L_bᵀ·Lₐ.</summary>
    public LowRankFactors Truncate(int rank)
    {
        if (Rank > Math.Min(Inputs, Outputs))
        {
            return Truncate(Product(), this, rank);
        }
        double[] qa = [.. A], qb = Dense.Transpose(B, Outputs, Rank);
        Dense.Orthonormalize(qa, Rank, Inputs);
        Dense.Orthonormalize(qb, Rank, Outputs);
        double[] la = Dense.MultiplyTransposed(A, qa, Rank, Inputs, Rank);
        double[] bq = Dense.MultiplyTransposed(qb, Dense.Transpose(B, Outputs, Rank), Rank, Outputs, Rank); // L_bᵀ
        var small = Truncate(Dense.Multiply(bq, la, Rank, Rank, Rank), this with { Inputs = Rank, Outputs = Rank }, rank);
        return this with
        {
            A = Dense.Multiply(small.A, qa, small.Rank, Rank, Inputs),
            B = Dense.Multiply(Dense.Transpose(qb, Rank, Outputs), small.B, Outputs, Rank, small.Rank),
            Rank = small.Rank,
        };
    }

    /// <summary>The closest update of at most a given rank to a whole matrix (out, in).</summary>
    public static LowRankFactors Truncate(double[] product, LowRankFactors shape, int rank)
    {
        int r = Math.Min(rank, Math.Min(shape.Inputs, shape.Outputs));
        var (u, s, v) = Factorization.TruncatedSvd(product, shape.Outputs, shape.Inputs, r);
        for (int i = 0; i < u.Length; i++)
        {
            u[i] *= s[i % r];
        }
        return shape with { A = v, B = u, Rank = r };
    }

    /// <summary>Writes the factors into parameters of at least this rank; what is left over becomes zero.</summary>
    public void Upload(Tensor a, Tensor b)
    {
        int rank = a.Shape[0];
        float[] valuesA = new float[rank * Inputs];
        float[] valuesB = new float[Outputs * rank];
        TensorPrimitives.ConvertTruncating<double, float>(A, valuesA.AsSpan(0, A.Length));
        for (int o = 0; o < Outputs; o++)
        {
            TensorPrimitives.ConvertTruncating<double, float>(B.AsSpan(o * Rank, Rank), valuesB.AsSpan(o * rank, Rank));
        }
        a.Backend.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(valuesA), a);
        b.Backend.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(valuesB), b);
    }

    private static LowRankFactors Of(Tensor a, Tensor b, float scale) =>
        new(Wide(a), Wide(b), a.Shape[0], a.Shape[1], b.Shape[0], scale);

    private static double[] Wide(Tensor tensor) => Array.ConvertAll(tensor.ToArray<float>(), x => (double)x);
}
