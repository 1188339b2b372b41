using System.Numerics.Tensors;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Peft.Numerics;
using Tensor = PeftCore.Tensors.Tensor;

namespace PeftCore.Peft.Lora;

/// <summary>Low-rank factors of one layer in double precision, for initialisations, conversions and combinations: B·A with A (rank, in) and
/// B (out, rank). The update is Scale·B·A.</summary>
internal sealed record LowRankFactors(double[] A, double[] B, int Rank, int Inputs, int Outputs, double Scale)
{
    /// <summary>The update of a LoRA layer relative to the unchanged base: s·(B·A − B₀·A₀) if the initial factors are subtracted from the
    /// weight.</summary>
    public static LowRankFactors Of(LayerAdapter layer) => layer switch
    {
        LoraLayer { FrozenInitialFactors: null } linear => Of(linear.A.Value, linear.B.Value, linear.Scale),
        LoraLayer { FrozenInitialFactors: { } initial } linear =>
            Join([Of(linear.A.Value, linear.B.Value, linear.Scale), Of(initial.A, initial.B, linear.Scale).Times(-1)]),
        LoraEmbeddingLayer embedding => Of(embedding.A.Value, embedding.B.Value, embedding.Scale),
        LoraExpertLayer => throw new BadInputException(
            "an adapter of experts has an update for each expert, which this does not combine or convert; leave target_parameters out"),
        _ => throw new BadInputException("trainable tokens replace rows of the embedding and do not add up; combine adapters without them"),
    };

    /// <summary>The update of any method's layer. If it is not a LoRA, one factor is ΔW and the other the identity.</summary>
    public static LowRankFactors Of(string path, LayerAdapter adapter, Module module)
    {
        if (adapter is LoraLayer or LoraEmbeddingLayer || module is not MatrixLayer layer)
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

    /// <summary>The factors of a saved state: F32 tensors A (rank, in) and B (out, rank).</summary>
    public static LowRankFactors Of(WeightEntry a, WeightEntry b) => (a.Shape, b.Shape) is ([var rank, var inputs], [var outputs, _])
        ? new(ToDouble(a), ToDouble(b), (int)rank, (int)inputs, (int)outputs, 1)
        : throw a.Error($"and \"{b.Name}\" must be matrices");

    /// <summary>The sum of updates of one scale: A is concatenated by rows, B by columns, and the ranks add up.</summary>
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

    /// <summary>factor·B·A</summary>
    public LowRankFactors Times(double factor)
    {
        double[] b = new double[B.Length];
        TensorPrimitives.Multiply(B, factor, b);
        return this with { B = b };
    }

    /// <summary>B·A, (out, in).</summary>
    public double[] Product() => Dense.Multiply(B, A, Outputs, Rank, Inputs);

    /// <summary>The best approximation of at most a given rank (Eckart and Young 1936), without forming the product: with A = Lₐ·Qₐ and
    /// Bᵀ = L_b·Q_b, the singular values are those of the small L_bᵀ·Lₐ.</summary>
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

    /// <summary>The best approximation of a matrix (out, in) of at most a given rank.</summary>
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

    /// <summary>Copies the factors to tensors of at least this rank, padded with zeros.</summary>
    public void Upload(Tensor a, Tensor b)
    {
        int rank = a.Shape[0];
        float[] valuesA = new float[checked(rank * Inputs)];
        float[] valuesB = new float[checked(Outputs * rank)];
        TensorPrimitives.ConvertTruncating<double, float>(A, valuesA.AsSpan(0, A.Length));
        for (int o = 0; o < Outputs; o++)
        {
            TensorPrimitives.ConvertTruncating<double, float>(B.AsSpan(o * Rank, Rank), valuesB.AsSpan(o * rank, Rank));
        }
        a.Upload<float>(valuesA);
        b.Upload<float>(valuesB);
    }

    private static LowRankFactors Of(Tensor a, Tensor b, float scale) =>
        new(a.ToDoubles(), b.ToDoubles(), a.Shape[0], (int)(a.Count / Math.Max(1, a.Shape[0])), b.Shape[0], scale);

    private static double[] ToDouble(WeightEntry entry) =>
        Array.ConvertAll(entry.ToArray<float>(), x => (double)x);
}
