using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.RandLora;

/// <summary>RandLoRA on one linear layer (Albert et al. 2025, equation 4): ΔW = s·Σⱼ Bⱼ·diag(λⱼ)·A·diag(γⱼ), a sum of random low-rank
/// products whose ranks add up to a full one. A and Bⱼ are frozen and shared by all layers; only λ (r, bases) and γ (bases, smaller side)
/// train. They scale the smaller side, so that the other factor is constant. ΔW is never formed in forward or backward.</summary>
internal sealed class RandLoraAdapter : DeltaAdapter
{
    private readonly RandomBases _bases;
    private readonly Parameter _lambda;
    private readonly Parameter _gamma;
    private readonly float _scale;
    private readonly LayerDropout _dropout;

    public RandLoraAdapter(AttachContext context, RandLoraConfig config, string path, Linear layer, RandomBases bases, ulong site)
        : base(layer)
    {
        _bases = bases;
        _scale = Hyperparameters.Scale("randlora_alpha", path, config.Alpha / config.Rank);
        _dropout = new LayerDropout(layer, (float)config.Dropout, site);
        int count = RandomBases.Count(Smaller, config.Rank);
        _lambda = context.NewParameter([config.Rank, count]);
        _ = config.InitWeights ? _lambda.Zero() : _lambda.Normal(0, 1, context.Seed, site);
        _gamma = context.NewParameter([count, Smaller]);
        _gamma.Fill(1f / (config.InitWeights ? Math.Max(count, Smaller) : Larger));
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("", "randlora_lambda.{0}", "randlora_lambda", _lambda), new("", "randlora_gamma.{0}", "randlora_gamma", _gamma)];

    private int Smaller => Math.Min(Layer.Inputs, Layer.Outputs);

    private int Larger => Math.Max(Layer.Inputs, Layer.Outputs);

    protected override Tensor Delta(Tensor x, Tensor weight)
    {
        var small = _lambda.Value.ScaledBases(_gamma.Value, _bases.A(Smaller)); // (r·bases, smaller side)
        var large = _bases.B(Larger, _gamma.Shape[0]); // (larger side, bases·r)
        x = x.Dropout(_dropout.Now);
        return Smaller == Layer.Inputs
            ? x.Linear(small).Linear(large) * _scale
            : x.Linear(large, transposed: true).Linear(small, transposed: true) * _scale;
    }
}

/// <summary>The random A (r, 1, smaller side) and B (larger side, bases, r) that all layers share, as large as the largest layer needs;
/// each layer uses the first rows and columns.</summary>
internal sealed class RandomBases
{
    private readonly Tensor _a;
    private readonly Tensor _b;

    public RandomBases(AttachContext context, RandLoraConfig config, IReadOnlyList<(string Path, Linear Layer)> targets)
    {
        int inputs = targets.Max(target => target.Layer.Inputs), outputs = targets.Max(target => target.Layer.Outputs), r = config.Rank;
        int small = Math.Min(inputs, outputs), large = Math.Max(inputs, outputs), bases = Count(small, r);
        context.RefuseMoreThanStored(r); // Each layer stores λ, which has r rows.
        if (context.Backend.IsMeta)
        {
            (_a, _b) = (context.NewConstant([r, 1, small]), context.NewConstant([large, bases, r]));
        }
        else
        {
            var (a, b) = Draw(config, r, small, large, bases);
            (_a, _b) = (context.NewConstant(a, [r, 1, small]), context.NewConstant(b, [large, bases, r]));
        }
        if (SharedProjections.AreSaved(context, config.SaveProjection, "randlora_A"))
        {
            Save(context.Adapter, AdapterParameter.ModelPrefix);
            // Hugging Face PEFT also writes a copy under the name of each layer.
            foreach (var (path, _) in targets)
            {
                Save(context.Adapter, AdapterParameter.Prefix + path + ".");
            }
        }
    }

    /// <summary>Number of bases of rank r whose ranks add up to <paramref name="side"/>: ⌈side/r⌉.</summary>
    public static int Count(int side, int r) => (side + r - 1) / r;

    /// <summary>A (r, side)</summary>
    public Tensor A(int side)
    {
        var a = _a.Reshape([_a.Shape[0], _a.Shape[2]]);
        return side == a.Shape[1] ? a : a.Columns(0, side);
    }

    /// <summary>B (side, bases·r)</summary>
    public Tensor B(int side, int bases)
    {
        int r = _b.Shape[2];
        var b = _b.Slice(0, side).Reshape([side, _b.Shape[1] * r]);
        return bases == _b.Shape[1] ? b : b.Columns(0, bases * r);
    }

    private void Save(Adapter adapter, string prefix)
    {
        adapter.Constants.Add((prefix + "randlora_A", _a, Optional: prefix != AdapterParameter.ModelPrefix));
        adapter.Constants.Add((prefix + "randlora_B", _b, Optional: prefix != AdapterParameter.ModelPrefix));
    }

    /// <summary>Draws A (r, small) and B (large, bases, r) as Hugging Face PEFT does: uniform values in BF16 precision, or −1, 0 and
    /// 1.</summary>
    private static (float[] A, float[] B) Draw(RandLoraConfig config, int r, int small, int large, int bases)
    {
        var random = new TorchRandom((ulong)config.ProjectionKey);
        if (config.Sparse || config.VerySparse)
        {
            double sparsity = config.VerySparse ? Math.Sqrt(small) : 3;
            float[] sparseA = random.Uniform(r * small, 0, 1), sparseB = random.Uniform(large * bases * r, 0, 1);
            return (Scaled(Signs(sparseA, sparsity), x => x), Scaled(Signs(sparseB, sparsity), x => x));
        }
        float[] a = random.UniformBFloat16(r * small, (float)(-1 / Math.Sqrt(small)), (float)(1 / Math.Sqrt(small)));
        float[] b = new float[large * bases * r];
        for (int basis = 0; basis < bases; basis++)
        {
            float[] part = random.UniformBFloat16(large * r, (float)(-1 / Math.Sqrt(r)), (float)(1 / Math.Sqrt(r)));
            for (int i = 0; i < large; i++)
            {
                part.AsSpan(i * r, r).CopyTo(b.AsSpan((i * bases + basis) * r));
            }
        }
        return (Scaled(a, TorchRandom.RoundToBFloat16), Scaled(b, TorchRandom.RoundToBFloat16));
    }

    private static float[] Signs(float[] values, double sparsity) =>
        Array.ConvertAll(values, x => x < 1 / (2 * sparsity) ? -1f : x > 1 - 1 / (2 * sparsity) ? 1f : 0f);

    /// <summary>The values divided by their standard deviation, each result rounded.</summary>
    private static float[] Scaled(float[] values, Func<float, float> round)
    {
        double mean = values.Average(), variance = values.Sum(x => (x - mean) * (x - mean)) / Math.Max(1, values.Length - 1);
        float deviation = round((float)Math.Sqrt(variance));
        return deviation > 0 ? Array.ConvertAll(values, x => round(x / deviation)) : values;
    }
}
